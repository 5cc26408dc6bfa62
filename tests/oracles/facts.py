"""Facts of a message and words of its links, plainly: what docs/features.md says of the form."""

import re

from oracles.wording import BLANK, log2, start, take, take_bytes

(TEXT_SHAPE, SUBJECT_SHAPE, LINK, LINKS, HOST_LABEL, PART, PARTS, EXTENSION, FROM, FROM_LABEL,
 FROM_SHAPE, REPLY, ID, ID_SHAPE, PRESENT, FIELD_NAME, MAILER, DATE_SHAPE, TYPE, ORIGIN, AUTH,
 DAMAGE, RECIPIENTS, LEXICON, URL_HOST, URL_WORD, URL_KEY, URL_END, URL) = range(7, 36)  # fmt: skip
MAX_LINKS, MAX_PARTS, MAX_FIELDS, MAX_SITES, MAX_VALUE = 100, 50, 100, 32, 500
PRESENT_FIELDS = (1, 3, 2, 28, 29, 30, 31, 32, 36, 37, 38)
NAMED = {0, 1, 2, 3, 4, 5, 7, 8, 9, 25, 28, 29, 30, 31, 32, 36, 37, 38}
ROLES = [
    "info",
    "news",
    "sales",
    "support",
    "webmaster",
    "admin",
    "noreply",
    "no-reply",
    "postmaster",
    "mailer",
    "service",
    "offer",
    "promo",
    "marketing",
    "list",
    "owner",
    "contact",
    "help",
    "editor",
    "subscri",
    "reply",
    "bounce",
    "order",
    "account",
]
FREE = set(
    [
        "hotmail.com",
        "yahoo.com",
        "aol.com",
        "msn.com",
        "netscape.net",
        "lycos.com",
        "excite.com",
        "mail.com",
        "email.com",
        "gmx.net",
        "gmx.de",
        "earthlink.net",
        "juno.com",
        "mail.ru",
        "gmail.com",
        "outlook.com",
        "icloud.com",
        "live.com",
        "altavista.com",
        "usa.net",
        "compuserve.com",
        "rocketmail.com",
        "163.com",
        "sina.com",
        "qq.com",
        "web.de",
        "yahoo.fr",
        "yahoo.co.uk",
        "googlemail.com",
        "yandex.ru",
        "proton.me",
        "protonmail.com",
    ]
)


def count(pattern, text):
    return len(re.findall(pattern, text))


def low(raw):
    return raw.lower()


def shape(h, raw, most):
    """Hash of the runs of classes of bytes."""
    kinds = []
    for byte in raw:
        kind = (
            57 if 48 <= byte <= 57 else 97 if 97 <= byte <= 122 else 65 if 65 <= byte <= 90
            else 128 if byte >= 128 else 45 if byte == 43 else byte
        )  # fmt: skip
        if (not kinds and kind) or (kinds and kinds[-1] != kind):
            kinds.append(kind)
    return take_bytes(h, bytes(kinds[:most]))


def last_label(name):
    return name[name.rfind(b".") + 1 :]


def site(host):
    labels = host.split(b".")
    if len(labels) < 2:
        return host
    wide = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return b".".join(labels[-3:] if wide else labels[-2:])


def site_hash(host):
    return take_bytes(start(URL_HOST), low(site(host)))


def text(row, raw):
    size = min(len(raw), 65536)
    raw = raw[:size]
    letters = count(rb"[A-Za-z]", raw)
    row.fact(TEXT_SHAPE, 0, log2(size))
    row.fact(TEXT_SHAPE, 1, count(rb"[A-Z]", raw) * 20 // (letters + 1))
    row.fact(TEXT_SHAPE, 2, count(rb"[0-9]", raw) * 20 // (size + 1))
    row.fact(TEXT_SHAPE, 3, count(rb"[\x80-\xff]", raw) * 10 // (size + 1))
    row.fact(TEXT_SHAPE, 4, log2(raw.count(b"!")))
    row.fact(TEXT_SHAPE, 5, log2(raw.count(b"$")))
    row.fact(TEXT_SHAPE, 6, log2(size // (raw.count(b"\n") + 1)))
    row.fact(TEXT_SHAPE, 7, log2(raw.count(b">")))
    row.fact(TEXT_SHAPE, 8, log2(raw.count(b"?")))


def subject(row, raw, present, replies):
    row.fact(SUBJECT_SHAPE, 0, present)
    row.fact(SUBJECT_SHAPE, 1, replies)
    letters = count(rb"[A-Za-z]", raw)
    row.fact(SUBJECT_SHAPE, 2, log2(len(raw)))
    row.fact(SUBJECT_SHAPE, 3, count(rb"[A-Z]", raw) * 8 // (letters + 1))
    row.fact(SUBJECT_SHAPE, 4, log2(raw.count(b"!")))
    row.fact(SUBJECT_SHAPE, 5, log2(raw.count(b"$")))
    row.fact(SUBJECT_SHAPE, 6, log2(count(rb"[0-9]", raw)))
    row.fact(SUBJECT_SHAPE, 7, count(rb"[\x80-\xff]", raw) * 4 // (len(raw) + 1))
    row.fact(SUBJECT_SHAPE, 8, b"    " in raw)


def host_of(url):
    """(host, what follows it), or None."""
    match = re.match(rb"[^:]*://", url, re.DOTALL)
    if not match or match.end() >= len(url):
        return None
    rest = url[match.end() :]
    stop = re.search(rb"[/?#]|\Z", rest).start()
    begin = rest.rfind(b"@", 0, stop) + 1
    end = begin
    while end < stop and rest[end : end + 1] != b":":
        end += 1
    return (rest[begin:end], rest[end:]) if end > begin else None


def link(row, url, kind, shown):
    """The site of the link, None without a host."""
    if not url:
        row.fact(LINK, 0, kind)
        return None
    found = host_of(url)
    if found is None:
        start_ = low(url)
        row.fact(LINK, 1, kind * 4 + start_.startswith(b"mailto:") + 2 * start_.startswith(b"cid:"))
        return None
    host, rest = found
    label = last_label(host)
    row.add(take_bytes(take(start(HOST_LABEL), kind), low(label)))
    row.fact(LINK, 2, label[:1].isdigit())
    row.fact(LINK, 3, host.count(b"."))
    row.fact(LINK, 4, log2(count(rb"[0-9]", host)))
    row.fact(LINK, 5, log2(len(rest)))
    row.fact(LINK, 6, log2(rest.count(b"%")))
    row.fact(LINK, 7, rest[:1] == b":")
    row.fact(LINK, 8, b"?" in rest)
    shown = shown.lstrip(BLANK)
    if kind != 3 and shown[:4].lower() == b"http":
        there = host_of(shown)
        row.fact(LINK, 9, there is not None and low(there[0]) == low(host))
    return low(site(host))


def links(row, here, domain):
    """`here`: (url, kind, shown text) of the links that count."""
    kinds = [kind for _, kind, _ in here]
    sites = [one for one in (link(row, *each) for each in here[:MAX_LINKS]) if one is not None]
    own = sites.count(low(site(domain))) if domain else 0
    row.fact(LINKS, 0, log2(len(here) - kinds.count(1) - kinds.count(2) - kinds.count(3)))
    row.fact(LINKS, 1, log2(kinds.count(1)))
    row.fact(LINKS, 2, log2(kinds.count(2)))
    row.fact(LINKS, 3, log2(kinds.count(3)))
    row.fact(LINKS, 4, log2(min(len(set(sites)), MAX_SITES)))
    row.fact(LINKS, 5, 1 + 3 * own // len(sites) if sites else 0)
    row.fact(LINKS, 6, (own > 0) * 2 + bool(sites))
    row.fact(LINKS, 7, min(len(sites), 4))


def url_words(row, here):
    for url, kind, _ in here[:MAX_LINKS]:
        found = host_of(url)
        if found is None:
            continue
        host, rest = found[0], found[1][:MAX_VALUE]
        row.add(site_hash(host))
        row.fact(URL, 0, low(host[:4]) == b"www.")
        row.add(shape(take(start(URL), 1), host.split(b".")[0], 6))
        path, _, query = rest.partition(b"?")
        n, dot, pos = 0, -1, 0
        while pos < len(path) and n < 10:
            word = re.match(rb"[A-Za-z]+", path[pos:])
            if word is None:
                dot = pos if path[pos] == 46 else -1 if path[pos] == 47 else dot
                pos += 1
                continue
            pos += word.end()
            if word.end() >= 3:
                row.add(take_bytes(start(URL_WORD), low(word[0])))
                n += 1
        if dot >= 0 and len(path) - dot <= 6:
            row.add(take_bytes(take(start(URL_END), kind), low(path[dot:])))
        row.fact(URL, 2, (len(path) <= 1) * 8 + kind)
        row.fact(URL, 3, b"@" in rest)
        n = 0
        for pair in query.split(b"&") if b"?" in rest else []:
            name, equals, _ = pair.partition(b"=")
            if n < 6 and name and equals and len(name) <= 20:
                row.add(take_bytes(start(URL_KEY), low(re.sub(rb"[0-9]+", b"9", name))))
                n += 1


def parts(row, found, hidden, text_size):
    """`found`: (media, encoding, disposition, charset, has_charset, filename, has_type, size)."""
    plain = html = files = source = 0
    for media, encoding, disposition, charset, has_charset, name, _, size in found[:MAX_PARTS]:
        plain += media == 0
        html += media == 1
        source += size if media == 1 else 0
        files += disposition == 2
        row.fact(PART, 0, media * 64 + encoding * 8 + disposition)
        if media <= 1:
            row.fact(PART, 1, (charset + 2) * 2 + has_charset)
        if name:
            row.add(take_bytes(start(EXTENSION), low(last_label(name))))
    row.fact(PARTS, 0, log2(len(found)))
    row.fact(PARTS, 1, log2(plain) * 8 + log2(html))
    row.fact(PARTS, 2, log2(files))
    row.fact(PARTS, 3, log2(hidden))
    if source > 0:
        row.fact(PARTS, 5, log2(source))
        row.fact(PARTS, 6, 10 * text_size // source if text_size < source else 10)
    if found:
        row.fact(PARTS, 4, found[0][0] * 2 + found[0][6])


def sender(row, name, address, domain):
    local = address[: max(len(address) - len(domain) - 1, 0)]
    words = re.findall(rb"[A-Za-z\x80-\xff]+", name[:100])
    long = [low(word) for word in words if len(word) > 2 and len(local) < 65]
    role = [n for n, role in enumerate(ROLES, 1) if low(local).startswith(role.encode())]
    row.fact(FROM, 0, bool(name))
    row.fact(FROM, 1, log2(count(rb"[0-9]", local)))
    row.fact(FROM, 2, log2(len(address) - len(domain) - 1))
    row.fact(FROM, 3, domain.count(b"."))
    row.fact(FROM, 4, b"@" in name)
    row.fact(FROM, 5, count(rb"[A-Z]", name) * 4 // (len(name) + 1))
    row.fact(FROM, 6, not domain)
    row.fact(FROM, 7, min(len(words), 5))
    row.fact(FROM, 8, any(word in low(local) for word in long))
    row.fact(FROM, 9, len(domain) < 256 and any(word in low(domain) for word in long))
    row.fact(FROM, 10, low(domain).decode("latin-1") in FREE)
    row.fact(FROM, 11, role[0] if role else 0)
    row.add(shape(take(start(FROM_SHAPE), 0), name, 12))
    row.add(shape(take(start(FROM_SHAPE), 1), local, 8))
    row.add(take_bytes(start(FROM_LABEL), low(last_label(domain))))


def domain_at(address):
    at = address.rfind(b"@") + 1
    return at if at else len(address)


def alike(a, b):
    least = min(len(a), len(b))
    return least > 0 and low(a[-least:]) == low(b[-least:])


def identity(row, domain, reply, msgid, known):
    """`known`: body by number of the known field, for those that are there."""
    if 5 in known:
        row.fact(REPLY, 0, alike(reply[domain_at(reply) :], domain))
    else:
        row.fact(REPLY, 1, 0)
    if msgid.endswith(b">"):
        msgid = msgid[:-1]
    at = domain_at(msgid)
    row.fact(ID, 0, 4 in known)
    row.fact(ID, 1, alike(msgid[at:], domain))
    row.fact(ID, 2, at == len(msgid))
    row.fact(ID, 3, b"$" in msgid[:at])
    row.fact(ID, 4, log2(at))
    row.fact(ID, 5, b"." in msgid[at:])
    row.fact(ID, 6, at // 4 if at < 60 else 15)
    row.add(shape(start(ID_SHAPE), msgid[:at], 40))
    for number in PRESENT_FIELDS:
        row.fact(PRESENT, number, number in known)
    for number in (31, 32):
        if number in known:
            name = re.match(rb"[A-Za-z]{0,40}", known[number])[0]
            row.add(take_bytes(start(MAILER), low(name)))


def fields(row, known, named):
    """`named`: (number, name as it is spelled) of the fields in their order."""
    for number, name in named[:MAX_FIELDS]:
        if number in NAMED:
            row.add(take_bytes(start(FIELD_NAME), name))
    if 7 in known:
        content_type(row, known[7][:MAX_VALUE])
    if 3 in known:
        row.add(take_bytes(start(DATE_SHAPE), date_form(known[3][:MAX_VALUE])))
    if 0 in known:
        row.fact(FROM, 12, known[0][:1] == b'"')
        row.fact(FROM, 13, b"(" in known[0])


def content_type(row, raw):
    row.add(shape(take(start(TYPE), 0), raw.split(b";")[0], 20))
    at = low(raw).find(b"boundary=")
    if at >= 0:
        value = raw[at + 9 :]
        quoted = value[:1] == b'"'
        row.add(shape(take(start(TYPE), 1 + quoted), value[quoted:], 12))
    at = low(raw).find(b"charset=")
    if at >= 0:
        value = raw[at + 8 :]
        quoted = value[:1] == b'"'
        row.fact(TYPE, 3, quoted * 2 + bool(re.match(rb"[A-Z]", value[quoted:])))


def date_form(raw):
    out = b""
    for match in re.finditer(rb"[A-Za-z]+|[0-9]+|.", raw, re.DOTALL):
        one = match[0]
        if one.isalpha():
            out += b"a" if re.search(rb"[a-z]", one[1:]) else b"A"
        else:
            out += b"9" if one.isdigit() else b"-" if one == b"+" else one
    return out[:40]


def origin(row, received, domain):
    """`received`: bodies of the Received fields in their order."""
    if not received:
        return
    raw = received[-1][:MAX_VALUE]
    if raw[:4].lower() == b"from":
        rest = raw[4:].lstrip(BLANK)
        helo = re.match(rb"[^ \t\r\n]*", rest)[0]
        raw = rest[len(helo) :]
        row.add(shape(take(start(ORIGIN), 0), helo, 6))
        row.fact(ORIGIN, 1, bool(domain) and low(site(helo)) == low(site(domain)))
    else:
        row.fact(ORIGIN, 2, 0)
    by = recipient = id_ = address = unknown = protocol = False
    pos = 0
    while pos < len(raw):
        word = re.match(rb"[ \t\r\n]*([^ \t\r\n]*)", raw[pos:])
        pos += word.end()
        name = low(word[1])
        address |= b"[" in name
        by |= name == b"by"
        id_ |= name == b"id"
        recipient |= name == b"for"
        unknown |= b"unknown" in name
        if name == b"with" and not protocol:
            value = re.match(rb"[ \t\r\n]*([A-Za-z]*)", raw[pos:])
            pos += value.end()
            row.add(take_bytes(take(start(ORIGIN), 3), low(value[1])))
            protocol = True
    row.fact(ORIGIN, 4, by * 4 + id_ * 2 + recipient)
    row.fact(ORIGIN, 5, address * 2 + unknown)
    row.fact(ORIGIN, 6, protocol)


def authentication(row, known, results):
    """`results`: body of the Authentication-Results that counts, None without."""
    row.fact(AUTH, 0, 13 in known)
    if results is None:
        return
    for piece in results[:MAX_VALUE].split(b";")[1:]:
        word = re.match(rb"[A-Za-z=]*", piece.lstrip(BLANK))[0]
        if b"=" in word and len(word) < 24:
            row.add(take_bytes(take(start(AUTH), 1), low(word)))
