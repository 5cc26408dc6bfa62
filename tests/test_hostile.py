"""Hostile messages through all stages, each in a process of its own whose time and memory are read.

The bounds are those of the project (2 seconds, 200 MB with interpreter and input); the time that a
test allows is longer, as machines stall.
"""

import base64
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

MEMORY = 200 << 20
SECONDS = 20

CHILD = textwrap.dedent("""
    import json, sys, time
    from atlas_fast.pipeline import Pipeline
    from atlas_fast.sources import open_source
    from atlas_fast.observe.counters import StageClock
    pipeline = Pipeline()
    begin = time.perf_counter()
    n = subject = text = 0
    flags = 0
    for done in pipeline.run(open_source("eml:" + sys.argv[1]), StageClock()):
        assert not done.failures, done.failures
        for batch in done.parts:
            n += len(batch)
            flags |= int(batch.flags[0])
            subject = len(batch.headers.subject.data)
            text = len(batch.mime.text.data)
    seconds = time.perf_counter() - begin
    # Not ru_maxrss, which starts from what the parent had.
    status = open("/proc/self/status").read()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    print(json.dumps(dict(n=n, seconds=seconds, peak=peak, flags=flags, subject=subject, text=text)))
""")


def nested(depth):
    out = []
    for level in range(depth):
        out.append(f'Content-Type: multipart/mixed; boundary="b{level}"\n\n--b{level}\n')
    return "".join(out).encode() + b"\ntext\n"


HOSTILE = {
    "one header line of 100 MB": lambda: b"Subject: " + b"a" * 100_000_000 + b"\n\nbody\n",
    "folded header of 100 MB": lambda: b"Subject: a\n" + b" b\n" * 33_000_000 + b"\nbody\n",
    "1,000,000 header fields": lambda: b"X-A: b\n" * 1_000_000 + b"\nbody\n",
    "10,000 nested parts": lambda: nested(10_000),
    "encoded-word of 10 MB": lambda: (
        b"Subject: =?utf-8?b?" + base64.b64encode(b"x" * 7_500_000) + b"?=\n\nbody\n"
    ),
    "NUL bytes": lambda: b"Subject: a\0b\nFrom: \0\n\n" + b"\0" * 1_000_000,
    "truncated base64 part": lambda: (
        b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n"
        + base64.b64encode(b"word " * 2_000_000)[:-3]
    ),
    "a file that is no mail": lambda: Path(os.__file__).read_bytes() + bytes(range(256)) * 10_000,
    "random bytes": lambda: os.urandom(5_000_000),
    "1,000,000 delimiter lines": lambda: (
        b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n" * 1_000_000
    ),
    "1,000,000 near delimiters": lambda: (
        b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b x\n" * 1_000_000
    ),
    "1,000,000 opening tags": lambda: b"Content-Type: text/html\n\n" + b"<a href=x " * 1_000_000,
    "base64 of 90 MB": lambda: (
        b"Content-Type: text/html\nContent-Transfer-Encoding: base64\n\n" + b"QUJD" * 22_500_000
    ),
    "1,000,000 recipients": lambda: b"To: " + b"a@b.example," * 1_000_000 + b"\n\nx",
    "one body line of 90 MB": lambda: b"Subject: x\n\n" + b"word " * 18_000_000,
    "an ELF file": lambda: Path(sys.executable).resolve().read_bytes(),
    "1,000,000 <": lambda: b"Content-Type: text/html\n\n" + b"<" * 1_000_000,
    "1,000,000 unclosed quotes": lambda: (
        b"Content-Type: text/html\n\n" + b"<a href='" * 1_000_000 + b">"
    ),
    "1,000,000 comments": lambda: b"Content-Type: text/html\n\n" + b"<!--" * 1_000_000 + b">",
    "1,000,000 encoded-words": lambda: b"Subject:" + b" =?utf-8?q?a?=" * 1_000_000 + b"\n\nx",
    "1,000,000 open encoded-words": lambda: b"Subject:" + b" =?utf-8?q?a" * 1_000_000 + b"\n\nx",
    "1,000,000 parameters": lambda: (
        b"Content-Type: multipart/mixed" + b"; boundary*1=b" * 1_000_000 + b"\n\n--b\n\nx"
    ),
    "1,000,000 fields of a part": lambda: (
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"
        + b"--b:x\n" * 1_000_000
        + b"\nx\n--b--"
    ),
    "padding without end": lambda: (
        b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" + b"QQ==" * 5_000_000
    ),
    "delimiters of 32 levels": lambda: (
        nested(31) + b"--" + b"b" * 190 + b"\n" + b"--b3 x\n" * 1_000_000
    ),
    "1,000,000 open comments of To": lambda: b"To: " + b"(" * 1_000_000 + b"\n\nx",
    "1,000,000 Received": lambda: b"Received: from a by b; x\n" * 1_000_000 + b"\nx",
    "multi-byte charset of 60 MB": lambda: (
        b"Content-Type: text/plain; charset=gb18030\n\n" + b"\xb0\xa1" * 30_000_000
    ),
    "empty": lambda: b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name, tmp_path, record_property):
    path = tmp_path / "hostile.eml"
    path.write_bytes(HOSTILE[name]())
    done = subprocess.run(
        [sys.executable, "-P", "-c", CHILD, str(path)],
        capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    record_property("seconds", seen["seconds"])
    record_property("peak", seen["peak"])
    print(f"{name}: {seen['seconds']:.2f} s, {seen['peak'] / 1e6:.0f} MB")
    assert seen["n"] == 1
    assert seen["peak"] <= MEMORY
    assert seen["seconds"] <= SECONDS
