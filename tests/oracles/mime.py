"""The part tree by the standard library."""

import email


def walk(raw: bytes):
    """(content type, payload bytes or None) of every part, depth first."""
    out = []
    for part in email.message_from_bytes(raw).walk():
        leaf = not part.is_multipart()
        out.append((part.get_content_type(), part.get_payload(decode=True) if leaf else None))
    return out
