"""Equal values to equal ids, with a dict."""


def intern(values: list[bytes]) -> tuple[list[int], list[int]]:
    """(id of each value, position at which each id was first seen)."""
    ids: dict[bytes, int] = {}
    first = []
    for position, value in enumerate(values):
        if value not in ids:
            ids[value] = len(ids)
            first.append(position)
    return [ids[value] for value in values], first
