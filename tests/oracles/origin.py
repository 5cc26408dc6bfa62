"""Where a message entered, plainly: down the Received chain as long as a trusted server wrote it."""

import ipaddress
import re

from oracles import ip, received

GLOBAL, LOCAL, SPECIAL, TRUSTED = "global", "local", "special", "trusted"
NAT64 = ipaddress.ip_network("64:ff9b::/96")
SIX_TO_FOUR = ipaddress.ip_network("2002::/16")


def address_of(text: str):
    """An ipaddress object, IPv4 inside of IPv6 taken out where it means the same host."""
    packed = ip.parse(text)
    if packed is None:
        return None
    address = ipaddress.ip_address(packed)
    if address.version == 6 and address.ipv4_mapped:
        return address.ipv4_mapped
    if address.version == 6 and address in NAT64:
        return ipaddress.ip_address(packed[12:])
    return address


def judge(address, ranges, relays):
    """The kind of the longest prefix that holds the address."""
    if any(address in ipaddress.ip_network(relay) for relay in relays):
        return TRUSTED
    inside = address
    if address.version == 6 and address in SIX_TO_FOUR:
        inside = ipaddress.ip_address(address.packed[2:6])
    best, kind = -1, GLOBAL
    for text, name in ranges:
        network = ipaddress.ip_network(text)
        if inside in network and network.prefixlen > best:
            best, kind = network.prefixlen, name
    return SPECIAL if inside is not address and kind == LOCAL else kind


def is_named(host: str, names) -> bool:
    host = host.lower().removesuffix(".")
    return any(host == name or host.endswith("." + name) for name in names)


def walk(bodies, web, ranges, relays=(), names=(), max_hops=100):
    """(address or None, hop, border, reason) from bodies of Received and of X-Originating-IP."""
    found, hop, border, reason = None, -1, -1, "NO_ADDRESS" if bodies else "NO_RECEIVED"
    ours = True
    for number, body in enumerate(bodies):
        if number >= max_hops:
            if found is None:
                return None, -1, border, "TOO_MANY_HOPS"
            break
        text = body.decode("latin-1")
        from_, from_ip, by, _, with_, *_ = received.parse(body)
        if found is not None:
            if not (by and is_named(text[slice(*by)], names)):
                break
            found, reason = None, "ONLY_LOCAL"
        if ours:
            border = number
        protocol = text[slice(*with_)].lower() if with_ else ""
        fetched = ours and protocol.startswith(("pop", "imap"))
        address = address_of(text[slice(*from_ip)]) if from_ip else None
        if address is None:
            ours = ours and (from_ is None or fetched)
            continue
        if reason == "NO_ADDRESS":
            reason = "ONLY_LOCAL"
        kind = judge(address, ranges, relays)
        if kind == SPECIAL:
            ours = False
        elif kind == GLOBAL and not fetched:
            found, hop = address, number
            reason = "FIRST_EXTERNAL" if ours else "SENDERS_WORD"
            if not ours:
                break
    if found is None and web is not None:
        for word in re.findall(r"[0-9A-Za-z.:]+", web.decode("latin-1")):
            address = address_of(word)
            if address is not None:
                if judge(address, ranges, relays) == GLOBAL:
                    return address, -1, border, "ORIGINATING_IP"
                break
    return found, hop if found is not None else -1, border, reason
