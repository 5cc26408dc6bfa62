"""The verdict on one message, plainly: from its fields in order, and the border of its trace."""

import re

from oracles import authres, received

RUN = ("authentication-results", "received-spf", "return-path")
PASS, FAIL, SOFTFAIL = 1, 2, 3


def host(text):
    return text.lower().removesuffix(".")


def related(a, b):
    if a is None or b is None:
        return False
    a, b = sorted((host(a), host(b)), key=len)
    return a != "" and (a == b or ("." in a and b.endswith("." + a)))


def cut(raw, span):
    return None if span is None else raw[slice(*span)].decode("latin-1")


def domain(text, max_domain):
    """What follows the last @, lower-cased; empty where it is no domain."""
    if text is None:
        return ""
    text = text.removesuffix(">")
    _, at, tail = text.rpartition("@")
    if not at:
        tail = tail.removeprefix("<")
    tail = tail.removesuffix(".")
    if len(tail) > max_domain or not re.fullmatch(r"[0-9A-Za-z._-]*", tail):
        return ""
    return tail.lower()


def borders(fields, border):
    """(first index that is not above, the run below it, `by` of the border)."""
    if border < 0:
        start = next((i for i, (name, _) in enumerate(fields) if name == RUN[0]), None)
        if start is None:
            return len(fields), range(0), None
        while start < len(fields) and fields[start][0] in RUN:
            start += 1
        return start, range(0), None
    at = [i for i, (name, _) in enumerate(fields) if name == "received"][border]
    stop = at + 1
    while stop < len(fields) and fields[stop][0] in RUN:
        stop += 1
    by = received.parse(fields[at][1])[2]
    return at, range(at + 1, stop), cut(fields[at][1], by)


def tag(body, wanted, max_tags):
    for name, value in authres.tags(body, max_tags):
        if cut(body, name) == wanted:
            return cut(body, value)
    return None


def chain(fields, max_sets, max_tags):
    """(sets of a whole chain, is it broken)."""
    parts = {"arc-seal": [], "arc-message-signature": [], "arc-authentication-results": []}
    cv = {}
    for name, body in fields:
        if name not in parts:
            continue
        number = tag(body, "i", max_tags) or ""
        number = int(number) if re.fullmatch("[0-9]{1,2}", number, re.ASCII) else 0
        parts[name].append(number)
        if name == "arc-seal":
            found = [v for n, v in authres.tags(body, max_tags) if cut(body, n).lower() == "cv"]
            cv[number] = cut(body, found[-1]).lower() if found else ""
    if not any(parts.values()):
        return 0, False
    n = len(parts["arc-seal"])
    wanted = list(range(1, n + 1))
    whole = 0 < n <= max_sets and all(sorted(numbers) == wanted for numbers in parts.values())
    if whole and cv == {i: "none" if i == 1 else "pass" for i in wanted}:
        return n, False
    return 0, True


def evidence(fields, border, ids=(), below=True, caps=(50, 64, 32, 64, 50, 255)):
    """(evidence as (domain, kind, result, source), {method: (result, source)}, sets, signals,
    untrusted, first field that counts)."""
    max_fields, max_methods, max_properties, max_tags, max_sets, max_domain = caps
    above, beside, by = borders(fields, border)
    trusted, counted_above, first, spf = None, False, -1, False
    said, items, signals, untrusted = {}, [], 0, 0
    path = next((body for name, body in fields[:above] if name == "return-path"), None)
    path = None if path is None else path.decode("latin-1")
    seen = {"authentication-results": 0, "dkim-signature": 0}
    for i, (name, body) in enumerate(fields):
        if name in seen:
            seen[name] += 1
            if seen[name] > max_fields:
                signals |= 16
                continue
        if name == "dkim-signature":
            value = tag(body, "d", max_tags)
            if value is not None:
                items.append((domain(value, max_domain), 3, 0, 0))
        if name != "authentication-results":
            continue
        id_, version, _, was_cut, statements = authres.results(body, max_methods, max_properties)
        id_ = cut(body, id_)
        near = below and i in beside
        if ids:
            claims = id_ is not None and id_.lower() in ids
            counts = claims and (i < above or (near and not counted_above))
        elif trusted is not None:
            claims = (id_ or "").lower() == trusted[0]
            counts = claims and i < above
        else:
            claims = related(id_, by)
            counts = i < above or (near and claims)
            if counts:
                trusted = ((id_ or "").lower(),)
        if not counts:
            signals |= 1 | (2 if claims and id_ is not None else 0)
            untrusted = min(untrusted + 1, 255)
            continue
        counted_above |= i < above
        first = i if first < 0 else first
        if cut(body, version) not in (None, "1"):
            continue
        signals |= 16 if was_cut else 0
        for method, mversion, _, code, _, properties in statements:
            method = cut(body, method).lower()
            if cut(body, mversion) not in (None, "1"):
                continue
            props = {}
            for ptype, key, value in properties:
                props.setdefault(
                    ((cut(body, ptype) or "").lower(), cut(body, key).lower()), cut(body, value)
                )
            if method == "spf":
                spf, kind = True, 0
                value = props.get(("smtp", "mailfrom"))
                if value is None:
                    value = props.get(("smtp", "helo"))
                    kind = 0 if value is None else 1
                    value = path if value is None else value
                items.append((domain(value, max_domain), kind, code, 1))
            elif method == "dkim":
                value = props.get(("header", "d"))
                value = props.get(("header", "i")) if value is None else value
                items.append((domain(value, max_domain), 2, code, 1))
            elif method in ("dmarc", "arc", "iprev"):
                said.setdefault(method, (code, 1))
    spfs = [(i, body) for i, (name, body) in enumerate(fields) if name == "received-spf"]
    for i, body in spfs[:max_fields]:
        word, code, pairs = authres.spf(body, max_properties)
        keys = {cut(body, key).lower(): cut(body, value) for key, value in pairs}
        if i >= above and not (below and i in beside and related(keys.get("receiver"), by)):
            signals |= 4
            continue
        if spf or word is None:
            continue
        spf = True
        if (keys.get("identity") or "").lower() == "helo":
            items.append((domain(keys.get("helo"), max_domain), 1, code, 2))
        else:
            sender = keys.get("envelope-from")
            items.append((domain(path if sender is None else sender, max_domain), 0, code, 2))
    sets, broken = chain(fields, max_sets, max_tags)
    if broken:
        signals |= 8
        said.setdefault("arc", (FAIL, 3))
    return items, said, sets, signals, untrusted, first


def aligned(a, b, org):
    """2 strict, 1 relaxed, 0 not; org maps a domain to its organizational one, or None."""
    a = a.removesuffix(".")
    if not a or not b:
        return 0
    if a == b:
        return 2
    mine, theirs = org(a), org(b)
    return 1 if mine is not None and mine == theirs else 0


def verdict(items, said, sender, org):
    """(spf, source, dkim, source, spf aligned, dkim aligned, signed aligned, authentic, modifier,
    dmarc, source)."""
    spfs = sorted((i for i in items if i[1] < 2), key=lambda one: one[1])
    dkims = [(i, aligned(sender, i[0], org)) for i in items if i[1] == 2]
    dkims.sort(key=lambda one: -(1 + one[1] if one[0][2] == PASS else 0))
    spf, spf_source = (spfs[0][2], spfs[0][3]) if spfs else (0, 0)
    dkim, dkim_source = (dkims[0][0][2], dkims[0][0][3]) if dkims else (0, 0)
    spf_aligned = aligned(sender, spfs[0][0], org) if spf == PASS else 0
    dkim_aligned = dkims[0][1] if dkim == PASS else 0
    signed = max((aligned(sender, i[0], org) for i in items if i[1] == 3), default=0)
    authentic = FAIL not in (spf, dkim) and PASS in (spf, dkim)
    modifier = {FAIL: -25, SOFTFAIL: -10, PASS: 5}.get(spf, 0) + {FAIL: -20, PASS: 5}.get(dkim, 0)
    modifier += 5 if spf == dkim == PASS else 0
    dmarc = said.get("dmarc")
    if dmarc is None:
        dmarc = (PASS, 3) if spf_aligned or dkim_aligned else (0, 0)
    return (
        spf, spf_source, dkim, dkim_source, spf_aligned, dkim_aligned, signed, authentic,
        float(max(-30, min(10, modifier))), *dmarc,
    )  # fmt: skip
