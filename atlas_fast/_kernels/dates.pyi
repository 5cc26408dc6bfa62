from typing_extensions import Buffer

NO_ZONE: int

def parse_date_text(raw: Buffer) -> tuple[int, int] | None: ...
