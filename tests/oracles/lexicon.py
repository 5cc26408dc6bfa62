"""Terms in a text, plainly: every run of words is looked up."""

from functools import cache

from oracles import folding


def find(terms, raw):
    """[(start, stop, number), ...] sorted; of terms with the same words the first counts."""
    known = known_terms(tuple(terms))
    longest = max(map(len, known), default=0)
    words = folding.words(raw)
    hashes = [folding.hash_of(word) for word in words]
    found = []
    for at in range(len(words)):
        for size in range(1, min(longest, len(words) - at) + 1):
            number = known.get(tuple(hashes[at : at + size]))
            if number is not None:
                found.append((words[at][2], words[at + size - 1][3], number))
    return sorted(found + spelled(known, words))


@cache
def known_terms(terms):
    known = {}
    for number, term in enumerate(terms):
        known.setdefault(tuple(map(folding.hash_of, folding.words(term.encode()))), number)
    return known


def spelled(known, words):
    """Three to 24 single letters of ASCII, one byte between each two."""
    runs = []
    for folded, _, start, stop in words:
        single = len(folded) == 1 and folded < b"\x80" and stop == start + 1
        if single and runs and runs[-1] and start == runs[-1][-1][2] + 1:
            runs[-1].append((folded, start, stop))
        elif single:
            runs.append([(folded, start, stop)])
        else:
            runs.append([])
    out = []
    for run in runs:
        if 3 <= len(run) < 25:
            joined = b"".join(folded for folded, _, _ in run)
            number = known.get((folding.chunked(0x51ED270B, joined),))
            if number is not None:
                out.append((run[0][1], run[-1][2], number))
    return out
