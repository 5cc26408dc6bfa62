"""Standing of a sender's domain by the shape of its name: the rules of the original's validation.

Each row is one sender (or one domain): entropy, words, patterns, reputation, and the score of the
original's classification with a bit for each reason. Text comes lower-cased; it is read into code
points once, and every rule is one pass over them.

(a) Text rules: entropy, _gibberish, _natural, ... over code points.
(b) Names: _host and _split read a name as the original's public-suffix library does.
(c) _judge: one row. (d) judge_batch, the door.
"""
from libc.math cimport log2
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from atlas_fast._kernels.arena cimport arena_append
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.chars cimport is_decimal, is_space, read_char, write_char
from atlas_fast._kernels.namesets cimport NameSet
from atlas_fast._kernels.shapes cimport (
    MAX_TERM, Counters, all_letters, alphanumeric, ends_with, entropy, gibberish, holds,
    interleaved, is_number, is_small, natural_vowels, obvious,
)
from atlas_fast._kernels.suffix cimport SFX_UNKNOWN, RuleSet, Suffix, SuffixRules, suffix_find
from atlas_fast._kernels.types cimport int16_t, int32_t, uint8_t, uint32_t

cdef enum:                      # reasons, in the order in which they are given
    MAJOR_IN_CONTEXT = 1 << 0   # the sender's provider is a major one: no score
    GIBBERISH_SENDER = 1 << 1
    VERY_HIGH_ENTROPY = 1 << 2
    HIGH_ENTROPY = 1 << 3
    NO_WORDS = 1 << 4
    VOWELS = 1 << 5
    KEYBOARD = 1 << 6
    REPETITION = 1 << 7
    LONG_NO_WORDS = 1 << 8
    USERNAME = 1 << 9
    RANDOM_PARTS = 1 << 10
    ALPHANUMERIC = 1 << 11
    ICLOUD_RELATED = 1 << 12
    ON_GMAIL = 1 << 13
    MAJOR = 1 << 14             # without context: 40 points off

cdef enum:                      # traits
    NO_AT = 1 << 0              # the sender has no `@`
    IS_GIBBERISH = 1 << 1       # the sender is gibberish
    HARD = 1 << 2               # patterns that alone allow deletion
    WEAK = 1 << 3               # patterns that ask for a look at the domain's age
    OBVIOUS = 1 << 4            # patterns that count when the domain is young
    KNOWN = 1 << 5              # the registrable domain is one that is always preserved
    PROVIDER = 1 << 6           # the domain is one of the mail providers'
    UNKNOWN_SUFFIX = 1 << 7     # the registrable domain is the domain itself
    NATURAL = 1 << 8            # share of vowels as in words
    CHEAP_SUFFIX = 1 << 9       # .tk .ml .ga .cf .us

cdef enum:                      # context of the score; those from ICLOUD on are providers
    NO_CONTEXT = 0
    UNKNOWN_CONTEXT = 1
    ICLOUD = 2
    GMAIL = 3
    OUTLOOK = 4
    FROM_SENDER = 255

REASONS = {
    "MAJOR_IN_CONTEXT": MAJOR_IN_CONTEXT, "GIBBERISH_SENDER": GIBBERISH_SENDER,
    "VERY_HIGH_ENTROPY": VERY_HIGH_ENTROPY, "HIGH_ENTROPY": HIGH_ENTROPY, "NO_WORDS": NO_WORDS,
    "VOWELS": VOWELS, "KEYBOARD": KEYBOARD, "REPETITION": REPETITION,
    "LONG_NO_WORDS": LONG_NO_WORDS, "USERNAME": USERNAME, "RANDOM_PARTS": RANDOM_PARTS,
    "ALPHANUMERIC": ALPHANUMERIC, "ICLOUD_RELATED": ICLOUD_RELATED, "ON_GMAIL": ON_GMAIL,
    "MAJOR": MAJOR,
}
TRAITS = {
    "NO_AT": NO_AT, "IS_GIBBERISH": IS_GIBBERISH, "HARD": HARD, "WEAK": WEAK, "OBVIOUS": OBVIOUS,
    "KNOWN": KNOWN, "PROVIDER": PROVIDER, "UNKNOWN_SUFFIX": UNKNOWN_SUFFIX, "NATURAL": NATURAL,
    "CHEAP_SUFFIX": CHEAP_SUFFIX,
}
PROVIDERS = ("", "unknown", "icloud", "gmail", "outlook", "yahoo", "aol")
CONTEXT_FROM_SENDER = FROM_SENDER

cdef struct Row:
    double entropy              # bits a character of the name without dots
    int32_t size                # characters of the name without dots
    int32_t labels
    int32_t words               # known words in the name without dots
    int32_t random_parts        # long labels of high entropy
    int32_t registered_start    # bytes of the domain; the whole where no suffix is known
    int32_t registered_stop
    uint32_t reasons
    uint32_t traits
    int16_t score
    uint8_t provider            # of the sender, as position in PROVIDERS
    uint8_t reputation

ROW_BYTES = sizeof(Row)

cdef struct Scratch:
    uint32_t* sender
    uint32_t* domain
    uint32_t* bare              # the domain without dots; or a host
    uint8_t* utf8
    Counters counters

cdef struct Lists:
    const RuleSet* rules
    const uint8_t* providers    # of each known domain: provider, reputation (0: none), preserved
    const uint8_t* reputations
    const uint8_t* preserved

cdef double TERMS[MAX_TERM * MAX_TERM]
cdef uint8_t KEY_PLACE[128]     # place on the keyboard; adjacent keys of a row are one apart


# (a) words and keys

cdef bint _keyboard(const uint32_t* text, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint8_t place, last = 0
    cdef int run = 0
    for i in range(size):
        place = KEY_PLACE[text[i]] if text[i] < 128 else 0
        run = run + 1 if place and place == last + 1 else 0
        if run == 2:
            return True
        last = place
    return False


cdef Py_ssize_t _words(NameSet words, const uint32_t* text, Py_ssize_t size) noexcept nogil:
    """Pieces between `.`, `-` and `_`, their digits left out, that are words."""
    cdef uint8_t piece[64]
    cdef Py_ssize_t i, n = 0, found = 0
    for i in range(size + 1):
        if i == size or text[i] == 45 or text[i] == 46 or text[i] == 95:
            found += 3 <= n <= 64 and words.find(piece, n) >= 0
            n = 0
        elif not is_number(text[i]):
            if n < 64:
                piece[n] = <uint8_t> text[i] if text[i] < 128 else 0
            n += 1
    return found


cdef bint _cheap(const uint32_t* text, Py_ssize_t size) noexcept nogil:
    return (ends_with(text, size, b".tk", 3) or ends_with(text, size, b".ml", 3)
            or ends_with(text, size, b".ga", 3) or ends_with(text, size, b".cf", 3))


# (b) names

cdef Py_ssize_t _read(
    const uint8_t* buf, Py_ssize_t size, uint32_t* out,
) noexcept nogil:
    cdef Py_ssize_t pos = 0, n = 0
    while pos < size:
        pos = read_char(buf, pos, size, out + n)
        n += 1
    return n


cdef inline Py_ssize_t _find(
    const uint32_t* text, Py_ssize_t start, Py_ssize_t stop, uint32_t c,
) noexcept nogil:
    while start < stop and text[start] != c:
        start += 1
    return start


cdef inline bint _is_dot(uint32_t c) noexcept nogil:
    return c == 46 or c == 0x3002 or c == 0xFF0E or c == 0xFF61


cdef void _host(
    const uint32_t* text, Py_ssize_t* start, Py_ssize_t* stop,      # IN, OUT  a part of it
) noexcept nogil:
    """The host of what looks like a URL: without scheme, user, port, path, and dots at the end."""
    cdef Py_ssize_t i, at
    cdef bint scheme = True
    for i in range(start[0], stop[0] - 1):
        if text[i] == 47 and text[i + 1] == 47:
            at = i - start[0]
            if at == 0:
                start[0] = i + 2
            elif at >= 2 and text[i - 1] == 58:
                for at in range(start[0], i - 1):
                    scheme = scheme and (is_small(text[at]) or is_number(text[at])
                                         or 65 <= text[at] <= 90 or text[at] == 43
                                         or text[at] == 45 or text[at] == 46)
                if scheme:
                    start[0] = i + 2
            break
    stop[0] = _find(text, start[0], stop[0], 47)
    stop[0] = _find(text, start[0], stop[0], 63)
    stop[0] = _find(text, start[0], stop[0], 35)
    for i in range(start[0], stop[0]):
        if text[i] == 64:
            start[0] = i + 1
    if start[0] < stop[0] and text[start[0]] == 91:
        at = _find(text, start[0], stop[0], 93)
        if at < stop[0]:
            stop[0] = at + 1
            return
    stop[0] = _find(text, start[0], stop[0], 58)
    while start[0] < stop[0] and is_space(text[start[0]]):
        start[0] += 1
    while start[0] < stop[0] and is_space(text[stop[0] - 1]):
        stop[0] -= 1
    while start[0] < stop[0] and _is_dot(text[stop[0] - 1]):
        stop[0] -= 1


cdef bint _is_address(const uint32_t* text, Py_ssize_t size) noexcept nogil:
    """Four numbers to 255 without leading zeros; or hexadecimal digits, dots and two colons in
    brackets."""
    cdef Py_ssize_t i, dots = 0, digits = 0, colons = 0
    cdef uint32_t value = 0
    if size >= 4 and text[0] == 91 and text[size - 1] == 93:
        for i in range(1, size - 1):
            if not (is_number(text[i]) or 97 <= text[i] <= 102 or text[i] == 46 or text[i] == 58):
                return False
            colons += text[i] == 58
        return colons >= 2
    for i in range(size):
        if text[i] == 46:
            if digits == 0:
                return False
            dots += 1
            digits = value = 0
        elif is_number(text[i]):
            if digits and value == 0:
                return False
            value = value * 10 + text[i] - 48
            digits += 1
            if value > 255:
                return False
        else:
            return False
    return dots == 3 and digits > 0


cdef struct Split:                  # places in the code points of a host
    Py_ssize_t subdomain_stop
    Py_ssize_t label_start          # of the registrable domain, or what stands in for it
    Py_ssize_t label_stop
    Py_ssize_t suffix_stop          # 0: no suffix is known


cdef void _split(
    Scratch* s, const RuleSet* rules, uint32_t* host, Py_ssize_t size, Split* out,
) noexcept nogil:
    """Subdomain, label and suffix by the ICANN rules. Ideographic dots of the host become `.`."""
    cdef Py_ssize_t i, n = 0, at
    cdef Suffix found
    for i in range(size):
        if _is_dot(host[i]):
            host[i] = 46
        n += write_char(s.utf8 + n, host[i])
    suffix_find(rules, s.utf8, n, 0, False, &found)
    out.suffix_stop = 0
    if found.suffix < 0 or found.flags & SFX_UNKNOWN:
        out.label_start, out.label_stop, out.subdomain_stop = 0, size, 0
        if _is_address(host, size):
            return
        for i in range(size):
            if host[i] == 46:
                out.label_start = i + 1
                out.subdomain_stop = i
        return
    out.suffix_stop = size
    at = 0                                              # characters before the suffix
    for i in range(found.suffix):
        at += s.utf8[i] & 0xC0 != 0x80
    if at == 0:
        out.subdomain_stop = out.label_start = out.label_stop = 0
        return
    out.label_stop = at - 1
    i = out.label_stop
    while i > 0 and host[i - 1] != 46:
        i -= 1
    out.label_start = i
    out.subdomain_stop = i - 1 if i else 0


cdef bint _gibberish_sender(Scratch* s, const RuleSet* rules, Py_ssize_t size) noexcept nogil:
    """s.sender, lower-cased; uses s.bare."""
    cdef Py_ssize_t i, n = 0, start = 0, at = _find(s.sender, 0, size, 64)
    cdef Split parts
    if at == size or _find(s.sender, at + 1, size, 64) < size:
        return True
    for i in range(at + 1, size):
        if s.sender[i] != 60 and s.sender[i] != 62:
            s.bare[n] = s.sender[i]
            n += 1
    _host(s.bare, &start, &n)
    _split(s, rules, s.bare + start, n - start, &parts)
    return (gibberish(s.bare + start + parts.label_start, parts.label_stop - parts.label_start)
            or (parts.subdomain_stop > 4 and gibberish(s.bare + start, parts.subdomain_stop))
            or (at > 12 and gibberish(s.sender, at)))


# (c) one row

cdef Py_ssize_t _known(
    Scratch* s, NameSet known, const uint32_t* text, Py_ssize_t size,
) noexcept nogil:
    cdef Py_ssize_t i
    if size > known.longest:
        return -1
    for i in range(size):
        if text[i] >= 128:
            return -1
        s.utf8[i] = <uint8_t> text[i]
    return known.find(s.utf8, size)


cdef uint8_t _reputation(
    const Lists* lists, Py_ssize_t known, const uint32_t* domain, Py_ssize_t size,
    Py_ssize_t labels,
) noexcept nogil:
    if size == 0:
        return 0
    if (ends_with(domain, size, b".edu", 4) or ends_with(domain, size, b".gov", 4)
            or ends_with(domain, size, b".org", 4)):
        return 85
    if known >= 0 and lists.reputations[known]:
        return lists.reputations[known]
    if labels == 2 and not _cheap(domain, size) and _find(domain, 0, size, 46) > 3:
        return 60
    return 30


cdef Py_ssize_t _cleaned(Scratch* s, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    """s.domain: what stands between the first two `@` of s.sender, without brackets and blanks."""
    cdef Py_ssize_t i, n = 0
    for i in range(at + 1, _find(s.sender, at + 1, size, 64)):
        if s.sender[i] != 60 and s.sender[i] != 62 and not is_space(s.sender[i]):
            s.domain[n] = s.sender[i]
            n += 1
    return n


cdef uint8_t _provider(
    Scratch* s, const Lists* lists, NameSet known, Py_ssize_t size, Py_ssize_t at,
) noexcept nogil:
    """By the text between the first two `@`, without `>` and surrounding blanks."""
    cdef Py_ssize_t i, n = 0, start = 0, found
    for i in range(at + 1, _find(s.sender, at + 1, size, 64)):
        if s.sender[i] != 62:
            s.bare[n] = s.sender[i]
            n += 1
    while start < n and is_space(s.bare[start]):
        start += 1
    while start < n and is_space(s.bare[n - 1]):
        n -= 1
    found = _known(s, known, s.bare + start, n - start)
    if found >= 0 and lists.providers[found]:
        return lists.providers[found]
    return UNKNOWN_CONTEXT


cdef void _patterns(
    Scratch* s, Py_ssize_t size, Py_ssize_t user, Row* row,
) noexcept nogil:
    """Hard, weak and obvious patterns of s.domain, and its labels."""
    cdef Py_ssize_t start = 0, stop, n, i, run = 0, number = 0, long_labels = 0
    cdef const uint32_t* label
    cdef double ignored
    cdef bint hard = user > 15, weak = False, mixed, last
    while True:
        stop = _find(s.domain, start, size, 46)
        label, n, last = s.domain + start, stop - start, stop == size
        number += 1
        mixed = interleaved(label, n)
        if number == 1:
            if size and obvious(label, n):
                row.traits |= OBVIOUS
            weak = weak or n > 10
        if number <= 2:
            weak = weak or mixed or (n >= 8 and alphanumeric(label, n)) or all_letters(label, n)
        if not last:
            hard = hard or mixed or n > 15 or (n >= 12 and alphanumeric(label, n))
            long_labels += n > 8
            if n > 6 and entropy(&s.counters, label, n, n, &ignored) > 3.0:
                row.random_parts += 1
        if last:
            break
        start = stop + 1
    for i in range(size):
        run = run + 1 if is_decimal(s.domain[i]) else 0
        weak = weak or run >= 4
    row.labels = <int32_t> number
    if hard or number > 4 or long_labels >= 3:
        row.traits |= HARD
    if size and (weak or number > 4):
        row.traits |= WEAK


cdef void _score(
    Scratch* s, NameSet words, Row* row, uint8_t context,
    Py_ssize_t size,                # of s.domain
    Py_ssize_t sender, Py_ssize_t at, Py_ssize_t user,      # size of s.sender, its `@`, and before
) noexcept nogil:
    """Score and reasons; uses s.bare."""
    cdef Py_ssize_t i, n = 0
    cdef double base = 3.2, most = 0, ignored
    cdef int score = 0
    cdef uint32_t reasons = 0
    cdef bint natural
    for i in range(size):
        if s.domain[i] != 46:
            s.bare[n] = s.domain[i]
            n += 1
    row.size = <int32_t> n
    row.entropy = entropy(&s.counters, s.bare, n, n, &most)
    row.words = <int32_t> _words(words, s.bare, n)
    natural = natural_vowels(s.bare, n)
    if natural:
        row.traits |= NATURAL
    if size == 0:
        return
    if context != NO_CONTEXT and row.reputation >= 85:
        row.reasons = MAJOR_IN_CONTEXT
        return
    if context == ICLOUD:
        base = 3.5
    elif context == GMAIL or context == OUTLOOK:
        base = 3.0
    if sender and row.traits & IS_GIBBERISH:
        score += 30
        reasons |= GIBBERISH_SENDER
    if row.entropy > base + 0.6:
        score += 25
        reasons |= VERY_HIGH_ENTROPY
    elif row.entropy > base:
        score += 15
        reasons |= HIGH_ENTROPY
    if row.words == 0 and n > 8:
        score += 20
        reasons |= NO_WORDS
    if not natural and n > 6:
        score += 15
        reasons |= VOWELS
    if _keyboard(s.bare, n):
        score += 10
        reasons |= KEYBOARD
    if n >= 4 and most / n > 0.4:
        score += 15
        reasons |= REPETITION
    if n > 20 and row.words == 0:
        score += 15
        reasons |= LONG_NO_WORDS
    if at < sender and (user > 15 or not natural_vowels(s.sender, at)
                        or entropy(&s.counters, s.sender, at, user, &ignored) > 3.5):
        score += 10
        reasons |= USERNAME
    if row.random_parts >= 2:
        score += 10
        reasons |= RANDOM_PARTS
    if n >= 12 and not natural and alphanumeric(s.bare, n):
        score += 20
        reasons |= ALPHANUMERIC
    if context == ICLOUD and (holds(s.domain, size, b"icloud", 6)
                              or holds(s.domain, size, b"apple", 5)):
        score = max(0, score - 30)
        reasons |= ICLOUD_RELATED
    if context == GMAIL and score > 40:
        score += 10
        reasons |= ON_GMAIL
    if row.reputation >= 85:
        score = max(0, score - 40)
        reasons |= MAJOR
    row.score = <int16_t> score
    row.reasons = reasons


cdef void _judge(
    Scratch* s, const Lists* lists, NameSet known, NameSet words,
    Py_ssize_t sender, Py_ssize_t domain, Py_ssize_t user, uint8_t context,
    Row* row,                                               # OUT
) noexcept nogil:
    """s.sender and, unless `domain` is -1, s.domain. `user`: characters before the `@`, or -1."""
    cdef Py_ssize_t at = _find(s.sender, 0, sender, 64), start = 0, stop, i, found
    cdef Split parts
    memset(row, 0, sizeof(Row))
    row.provider = UNKNOWN_CONTEXT
    if at == sender:
        row.traits |= NO_AT
    if user < 0:
        user = at
    if at < sender:
        row.provider = _provider(s, lists, known, sender, at)
    if sender and _gibberish_sender(s, lists.rules, sender):
        row.traits |= IS_GIBBERISH
    if domain < 0:
        domain = _cleaned(s, sender, at)
    found = _known(s, known, s.domain, domain)
    if found >= 0 and lists.providers[found]:
        row.traits |= PROVIDER
    _patterns(s, domain, user, row)
    row.reputation = _reputation(lists, found, s.domain, domain, row.labels)
    if _cheap(s.domain, domain) or ends_with(s.domain, domain, b".us", 3):
        row.traits |= CHEAP_SUFFIX
    # the registrable domain
    stop = domain
    for i in range(domain):
        s.bare[i] = s.domain[i]
    _host(s.bare, &start, &stop)
    _split(s, lists.rules, s.bare + start, stop - start, &parts)
    if parts.suffix_stop and parts.label_start < parts.label_stop:
        stop = start + parts.suffix_stop
        start += parts.label_start
    else:
        row.traits |= UNKNOWN_SUFFIX
        start, stop = 0, domain
    found = _known(s, known, s.bare + start, stop - start)
    if found >= 0 and lists.preserved[found]:
        row.traits |= KNOWN
    row.registered_start = <int32_t> _utf8_size(s.domain, start)
    row.registered_stop = <int32_t> _utf8_size(s.domain, stop)
    _score(s, words, row, row.provider if context == FROM_SENDER else context,
           domain, sender, at, user)


cdef Py_ssize_t _utf8_size(const uint32_t* text, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i, n = 0
    for i in range(size):
        n += 1 + (text[i] >= 0x80) + (text[i] >= 0x800) + (text[i] >= 0x10000)
    return n


# (d) the door

cdef Py_ssize_t _longest(const int64_t[::1] offsets, Py_ssize_t room) except -1:
    """The size of the longest text, at least 1. ValueError when the offsets do not fit."""
    cdef Py_ssize_t i, longest = 1
    for i in range(offsets.shape[0] - 1):
        if offsets[i] < 0 or offsets[i + 1] < offsets[i] or offsets[i + 1] > room:
            raise ValueError(f"offsets of text {i} do not fit")
        longest = max(longest, offsets[i + 1] - offsets[i])
    return longest


def judge_batch(
    SuffixRules rules not None,
    NameSet known not None,                     # IN   known domains, and of each:
    const uint8_t[::1] providers not None,      # IN   position in PROVIDERS, or 0
    const uint8_t[::1] reputations not None,    # IN   or 0
    const uint8_t[::1] preserved not None,      # IN   0 or 1
    NameSet words not None,                     # IN
    const uint8_t[::1] senders not None,        # IN   lower-cased UTF-8
    const int64_t[::1] sender_offsets not None,     # IN   (n + 1,)
    user_sizes,                                 # IN   int32 (n,): characters before `@`; None
    domains,                                    # IN   as senders; None: those of the senders
    domain_offsets,                             # IN   as sender_offsets, or None
    const uint8_t[::1] contexts not None,       # IN   (n,)  in PROVIDERS, or CONTEXT_FROM_SENDER
    Bytes names not None,                       # OUT  the domains
    int64_t[::1] name_offsets not None,         # OUT  (n + 1,)
    uint8_t[::1] rows not None,                 # OUT  (n * ROW_BYTES,)
):
    """Fill a row for each sender. ValueError when shapes or offsets do not fit."""
    cdef Py_ssize_t n = contexts.shape[0], i, room, used, sender, domain, k
    cdef const int32_t[::1] users = None
    cdef const uint8_t[::1] given = None
    cdef const int64_t[::1] given_offsets = sender_offsets
    cdef bint derive = domains is None
    cdef Scratch s
    cdef Lists lists
    cdef Row row
    cdef uint8_t nothing = 0
    cdef const uint8_t* sender_bytes = &senders[0] if senders.shape[0] else &nothing
    cdef const uint8_t* domain_bytes = &nothing
    cdef Py_ssize_t user = -1
    if user_sizes is not None:
        users = user_sizes
    if not derive:
        given, given_offsets = domains, domain_offsets
        if given.shape[0]:
            domain_bytes = &given[0]
    if (sender_offsets.shape[0] != n + 1 or given_offsets.shape[0] != n + 1
            or name_offsets.shape[0] != n + 1 or rows.shape[0] != n * <Py_ssize_t> sizeof(Row)
            or (users is not None and users.shape[0] != n)
            or providers.shape[0] != known.count or reputations.shape[0] != known.count
            or preserved.shape[0] != known.count or known.count == 0):
        raise ValueError("columns do not fit")
    for i in range(n):
        if contexts[i] != FROM_SENDER and contexts[i] >= 7:
            raise ValueError(f"context {i} is not known")
    for i in range(known.count):
        if providers[i] >= 7:
            raise ValueError(f"provider of known domain {i} is not known")
    room = _longest(sender_offsets, senders.shape[0])
    if not derive:
        room = max(room, _longest(given_offsets, given.shape[0]))
    if room > 1 << 30:
        raise ValueError("a text is too long")
    names.clear()
    lists.rules = &rules.rules
    lists.providers, lists.reputations = &providers[0], &reputations[0]
    lists.preserved = &preserved[0]
    s.counters.terms = TERMS
    s.counters.mask = 256
    while s.counters.mask < 2 * room:
        s.counters.mask *= 2
    s.counters.counts = <int32_t*> calloc(<size_t> s.counters.mask, sizeof(int32_t))
    s.counters.keys = <uint32_t*> malloc(<size_t> s.counters.mask * sizeof(uint32_t))
    s.counters.mask -= 1
    s.sender = <uint32_t*> malloc(<size_t> room * 4 * 4 + 16)
    s.utf8 = <uint8_t*> malloc(<size_t> room * 4 + 16)
    try:
        if (s.counters.counts is NULL or s.counters.keys is NULL or s.sender is NULL
                or s.utf8 is NULL):
            raise MemoryError
        s.domain, s.bare = s.sender + room, s.sender + 2 * room
        s.counters.order = s.sender + 3 * room
        name_offsets[0] = 0
        with nogil:
            for i in range(n):
                sender = _read(sender_bytes + sender_offsets[i],
                               sender_offsets[i + 1] - sender_offsets[i], s.sender)
                domain = -1
                if not derive:
                    domain = _read(domain_bytes + given_offsets[i],
                                   given_offsets[i + 1] - given_offsets[i], s.domain)
                if users is not None:
                    user = users[i]
                _judge(&s, &lists, known, words, sender, domain, user, contexts[i], &row)
                if derive:
                    domain = _cleaned(&s, sender, _find(s.sender, 0, sender, 64))
                used = 0
                for k in range(domain):
                    used += write_char(s.utf8 + used, s.domain[k])
                arena_append(&names.arena, s.utf8, 0, used)
                name_offsets[i + 1] = names.arena.size
                memcpy(&rows[i * <Py_ssize_t> sizeof(Row)], &row, sizeof(Row))
        if names.arena.failed:
            raise MemoryError
    finally:
        free(s.counters.counts)
        free(s.counters.keys)
        free(s.sender)
        free(s.utf8)


def _build():
    for number, row in enumerate((b"qwertyuiop", b"asdfghjkl", b"zxcvbnm", b"1234567890")):
        for place, key in enumerate(row):
            KEY_PLACE[key] = 1 + 16 * number + place
    cdef double share
    for total in range(1, MAX_TERM):
        for count in range(1, MAX_TERM):
            share = <double> count / total
            TERMS[total * MAX_TERM + count] = share * log2(share)


_build()
