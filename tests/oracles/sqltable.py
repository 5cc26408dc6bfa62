"""What a table over columns holds: a tuple a row."""

NONE = -(1 << 63)


def rows(columns: list[tuple[str, list]], n: int) -> list[tuple]:
    """`columns`: ("text", list of bytes), ("coded", texts, codes), ("integer", list), ("real", list
    with None for a NaN) or ("blob", list)."""
    made = []
    for kind, *given in columns:
        if kind == "coded":
            texts, codes = given
            made.append([None if code < 0 else texts[code] for code in codes])
        elif kind == "integer":
            made.append([None if value == NONE else value for value in given[0]])
        else:
            made.append(list(given[0]))
    return [tuple(column[row] for column in made) for row in range(n)]
