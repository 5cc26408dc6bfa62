"""The first use of everything happens in 16 threads at once."""

import threading

N = 16
MESSAGE = b"Subject: =?gb2312?b?xOM=?=\nContent-Type: text/html\n\n<p>a"
start = threading.Barrier(N)
answers, errors = [], []


def work():
    start.wait()
    try:
        import atlas_fast

        atlas_fast.Batch  # noqa: B018  a name that is loaded on first use
        from atlas_fast.headers import parse_many
        from atlas_fast.mime import MimeColumns
        from atlas_fast.stages.features import extract

        head = parse_many([MESSAGE])
        answers.append((head.subject[0], extract(head, MimeColumns(head)).indices.tobytes()))
    except BaseException as error:
        errors.append(error)


threads = [threading.Thread(target=work) for _ in range(N)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not errors, errors
assert len(answers) == N and len(set(answers)) == 1, answers
assert answers[0][0] == "\u4f60"
print("sound")
