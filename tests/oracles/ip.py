"""Internet addresses by the standard library."""

import ipaddress


def parse(text: str):
    """Packed bytes, or None."""
    if "%" in text:  # a scope id is no part of an address in mail
        return None
    try:
        return ipaddress.ip_address(text).packed
    except ValueError:
        return None
