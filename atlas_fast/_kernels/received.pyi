from typing_extensions import Buffer

_Span = tuple[int, int] | None

def parse_received_text(
    raw: Buffer,
) -> tuple[_Span, _Span, _Span, _Span, _Span, _Span, _Span, _Span, tuple[int, int] | None]: ...
