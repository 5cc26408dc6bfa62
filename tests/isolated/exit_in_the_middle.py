"""The interpreter ends while threads are inside kernels; it must end with its own exit code."""

import sys
import threading

from atlas_fast._kernels.messages import Messages
from atlas_fast.headers import HeaderColumns
from atlas_fast.mime import MimeColumns

MESSAGES = [
    b"Subject: =?gb2312?b?xOM=?=\nContent-Type: text/html\n\n" + b"<p>a &amp; b" * 5_000
] * 20
started = threading.Barrier(4)


def work():
    started.wait()
    while True:
        MimeColumns(HeaderColumns(Messages.of_bytes(MESSAGES)))


for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
started.wait()
print("sound", flush=True)
sys.exit(7)
