"""Positions in a list of names."""


def position(names: list[bytes], name: bytes) -> int:
    """The place of the name, or -1."""
    return names.index(name) if name in names else -1
