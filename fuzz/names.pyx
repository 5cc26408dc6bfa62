"""Fuzz targets about domain names, over small tables that are made at import."""
from libc.stdint cimport uint8_t, uintptr_t
from libc.stdlib cimport abort

import numpy as np

from atlas_fast._kernels.suffix cimport RuleSet, Suffix, SuffixRules, suffix_find
from inputs cimport run

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.confusables import Confusables, decode_label, look_batch
from atlas_fast._kernels.domains import CONTEXT_FROM_SENDER, PROVIDERS, ROW_BYTES, judge_batch
from atlas_fast._kernels.namesets import NameSet
from atlas_fast._kernels.tables import Table, pack
from atlas_fast.reference.tables import confusables, suffix

cdef const char* SUFFIX_TOKENS = (
    b".\001com\001COM\001uk\001co\001ck\001www\001jp\001kobe\001city\001no\001"
    b"v\xc3\xa5ler\001V\xc3\x85LER\001\xc3\xb8stfold\001xn--vler-qoa\001host\001free\001"
    b"a\001aaaaaaaa\001\xe3\x80\x82\001\xef\xbc\x8e\001\xef\xbd\xa1\001\xe3\001\xff\001"
    b"127\001[\001deep.a.b.host.com\001aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)
cdef const char* DOMAINS_TOKENS = (
    b"@\001.\001<\001>\001 \001-\001_\001rosa\001tide\001shop\001zxcvbn\001qwe\001a1b2c3\001"
    b"12ab34\001ab12cd\001bcdfghjkl\001aaaa\0012024\001gmail.com\001icloud.com\001com\001co.uk\001"
    b"ck\001//\001://\001:25\001[::1]\0011.2.3.4\001\xc3\xa9\001\xe9\xa3\x9f\xe7\x8b\xae\001"
    b"\xe3\x80\x82\001\xe2\x80\x83\001\xed\xa0\x80\001\xff\001/\001?\001#\001xxxxxxxxxxxxxxxx\001.tk"
)
cdef const char* CONFUSABLES_TOKENS = (
    b".\001xn--\001xn--80ak6aa92e\001paypal\001paypa1\001\xd0\xb0\001\xce\xb1\001\xd3\x8f\001"
    b"\xe6\x97\xa5\001\xe3\x81\xb2\001\xed\x95\x9c\001\xe2\x80\x8b\001\xcc\x81\001-\0019\001a\001"
    b"99999999\001\xe3\x80\x82\001\xef\xbd\xa1\001\xff\001\xf4\x8f\xbf\xbf\001aaaaaaaaaaaaaaaaaaaaaaaa"
)

LIST = """
com
uk
co.uk
*.ck
!www.ck
jp
*.kobe.jp
!city.kobe.jp
no
våler.østfold.no
// ===BEGIN PRIVATE DOMAINS===
*.host.com
!free.host.com
deep.a.b.host.com
"""


def _table(module, count, payload):
    value = pack(module.NAME, module.LAYOUT, count, payload)
    return Table.of_copy(value, module.NAME, module.LAYOUT)


RULES = SuffixRules(_table(suffix, *suffix.payload(LIST)))
DATA = Confusables(_table(confusables, *confusables.payload(
    [(97, 122, "Latin"), (0x3B1, 0x3C9, "Greek"), (0x430, 0x44F, "Cyrillic"),
     (0x3042, 0x3096, "Hiragana"), (0x4E00, 0x9FFF, "Han"), (0xAC00, 0xD7A3, "Hangul")],
    {"\u0430": "a", "\u03b1": "a", "\u04cf": "i", "1": "l", "m": "rn"},
)))
BRANDS, SKELETONS = NameSet([b"paypal", b"apple"]), NameSet([b"paypal", b"apple"])
KNOWN, WORDS = NameSet([b"gmail.com", b"icloud.com", b"tide.com"]), NameSet([b"shop", b"tide"])
PROVIDER = np.array([3, 2, 0], np.uint8)
REPUTATION, PRESERVED = np.array([95, 95, 0], np.uint8), np.array([1, 1, 0], np.uint8)
cdef const RuleSet* rules = &(<SuffixRules> RULES).rules


cdef void _suffix(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Suffix found
    cdef int private
    for private in range(2):
        suffix_find(rules, buf, size, 0, private, &found)
        if not -1 <= found.registrable <= found.suffix <= found.stop <= size:
            abort()
        if found.stop < size - 3 or (found.suffix < 0 and not found.flags & 8):
            abort()


cdef _column(const uint8_t* buf, Py_ssize_t size):
    raw = np.asarray(<uint8_t[:size]> <uint8_t*> buf) if size else np.empty(0, np.uint8)
    return raw, np.array([0, size // 2, size], np.int64)


cdef void _domains(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    try:
        raw, offsets = _column(buf, size)
        context = buf[size - 1] % len(PROVIDERS) if size else CONTEXT_FROM_SENDER
        for contexts, domains in (
            (np.full(2, CONTEXT_FROM_SENDER, np.uint8), None),
            (np.full(2, context, np.uint8), raw),
        ):
            names, ends = Bytes(), np.empty(3, np.int64)
            rows = np.empty(2 * ROW_BYTES, np.uint8)
            judge_batch(RULES, KNOWN, PROVIDER, REPUTATION, PRESERVED, WORDS, raw, offsets, None,
                        domains, None if domains is None else offsets, contexts, names, ends, rows)
            bytes(names).decode("utf-8", "surrogatepass")
            for start, stop, row in zip(ends, ends[1:], rows.reshape(2, ROW_BYTES)):
                first, last = row[24:32].copy().view(np.int32)
                if not 0 <= first <= last <= stop - start:
                    abort()
    except BaseException as error:
        print(repr(error))
        abort()


cdef void _confusables(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    try:
        raw, offsets = _column(buf, size)
        spelled, skeleton, ends = Bytes(), Bytes(), np.empty((2, 3), np.int64)
        flags = np.empty(2, np.uint32)
        look_batch(DATA, BRANDS, SKELETONS, raw, offsets, np.array([-1, size // 3], np.int32),
                   spelled, ends[0], skeleton, ends[1], np.empty(2, np.uint64), flags,
                   np.empty(2, np.int32))
        if len(spelled) > 4 * size + 8 or len(skeleton) > 32 * 4 * size + 8:
            abort()
        decode_label(raw)
    except BaseException as error:
        print(repr(error))
        abort()


cdef void fuzz_suffix(const uint8_t* data, size_t size) noexcept nogil:
    run(_suffix, b".acomukwj[1-\xc3\xa5\xe3\x80\x82", SUFFIX_TOKENS, data, size)


cdef void fuzz_domains(const uint8_t* data, size_t size) noexcept nogil:
    run(_domains, b"@.<> abcxz019-_/:[]#?\xc3\xa9", DOMAINS_TOKENS, data, size)


cdef void fuzz_confusables(const uint8_t* data, size_t size) noexcept nogil:
    run(_confusables, b"xn--.a019z\xd0\xb0\xe3\x80\x82", CONFUSABLES_TOKENS, data, size)


ADDRESSES = {
    "suffix": <uintptr_t> &fuzz_suffix,
    "domains": <uintptr_t> &fuzz_domains,
    "confusables": <uintptr_t> &fuzz_confusables,
}
