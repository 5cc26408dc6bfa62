from typing_extensions import Buffer

Span = tuple[int, int] | None

def parse_received_text(
    raw: Buffer,
) -> tuple[Span, Span, Span, Span, Span, Span, Span, Span, tuple[int, int] | None]: ...
