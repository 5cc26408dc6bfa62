"""Charsets to UTF-8, against Python's codecs: bytes in, UTF-8 bytes out, 1 MB of text each."""

import pytest

from atlas_fast._kernels import charsets

TEXTS = {
    "us-ascii": "Plain words of a letter, and nothing else.\n",
    "utf-8": "Größe und Maß, naïve café, „eine“ Zeile.\n",
    "iso-8859-1": "Größe und Maß, naïve café, eine Zeile.\n",
    "windows-1251": "Строка обычного письма, и ещё одна.\n",
    "gb2312": "一行普通的信件文字。\n",
}


@pytest.mark.parametrize("peer", ["atlas_fast", "codecs"])
@pytest.mark.parametrize("charset", TEXTS)
@pytest.mark.benchmark(group="charsets to UTF-8, 1 MB")
def bench_charsets(benchmark, charset, peer):
    line = TEXTS[charset].encode(charset)
    raw = line * (1_000_000 // len(line))
    number = charsets.charset_number(charset.encode())

    def ours():
        return charsets.decode_charset(number, raw)[0]

    def theirs():
        return raw.decode(charset, "replace").encode()

    assert ours() == theirs()
    benchmark(ours if peer == "atlas_fast" else theirs)
    benchmark.extra_info.update(checked=True, bytes=len(raw))
