from typing_extensions import Buffer

RESULT_NAMES: tuple[str, ...]

_Span = tuple[int, int] | None
_Property = tuple[_Span, tuple[int, int], tuple[int, int]]
_Statement = tuple[tuple[int, int], _Span, tuple[int, int], int, _Span, list[_Property]]

def parse_results(
    raw: Buffer, max_methods: int, max_properties: int
) -> tuple[_Span, _Span, bool, bool, list[_Statement]]: ...
def parse_spf(
    raw: Buffer, max_pairs: int
) -> tuple[_Span, int, list[tuple[tuple[int, int], tuple[int, int]]]]: ...
def parse_tags(raw: Buffer, max_tags: int) -> list[tuple[tuple[int, int], tuple[int, int]]]: ...
