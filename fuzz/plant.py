"""Plant an over-read of one byte in a copy of words.pyx, to see whether the fuzzer finds it.

The fault is behind `=?charset?q?...=X`: the second hexadecimal digit of an escape is read without
looking whether the text ends before it.
"""

import sys
from pathlib import Path

path = Path(sys.argv[1])
sound = "low = hex_digit(buf[pos + 1]) if pos + 1 < stop else -1"
source = path.read_text()
if source.count(sound) != 1:
    sys.exit(f"{path}: the line to spoil is not there")
# `stop` of an encoded-word lies before its `?=`; here the field body is taken to its very end.
source = source.replace(sound, "low = hex_digit(buf[pos + 3])")
path.write_text(source)
