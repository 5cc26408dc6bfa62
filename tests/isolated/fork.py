"""A child that is forked while another thread is inside a kernel uses the kernels itself."""

import os
import threading
import warnings

from atlas_fast._kernels.messages import Messages
from atlas_fast.headers import HeaderColumns
from atlas_fast.mime import MimeColumns
from atlas_fast.stages.features import extract

MESSAGES = [
    b"Subject: =?gb2312?b?xOM=?=\nContent-Type: text/html\n\n" + b"<p>a &amp; b" * 5_000
] * 20
done = threading.Event()


def work():
    head = HeaderColumns(Messages.of_bytes(MESSAGES))
    return extract(head, MimeColumns(head)).indices.tobytes(), head.subject.tolist()


def keep_working():
    while not done.is_set():
        work()


expected = work()
thread = threading.Thread(target=keep_working)
thread.start()
warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads, which is the point
for _ in range(5):
    child = os.fork()
    if child == 0:
        os._exit(0 if work() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
done.set()
thread.join()
print("sound")
