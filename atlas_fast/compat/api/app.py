"""`app`: the web interface over the store of `models.database.DB_FILE`, made when it is asked for.

`python -m atlas_email.api.app` serves it where the original did, but to this machine only: an
address that others reach needs a login first (docs/web.md). The store is made when it is missing.
"""

from __future__ import annotations

from typing import Any

from atlas_fast.compat.models import database

__all__ = ["PORT", "app"]  # noqa: F822 (__getattr__ makes it)

PORT = 8001
_made: list[Any] = []


def __getattr__(name: str) -> Any:
    """The application; an import of this module alone makes nothing."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not _made:
        from atlas_fast.web.app import create_app
        from atlas_fast.web.settings import of_file

        database.db.close_connection()  # makes the store, or brings it up to date
        _made.append(create_app(database.DB_FILE, of_file()))
    return _made[0]


def main() -> None:
    """Serve it until Ctrl-C."""
    import uvicorn

    uvicorn.run(
        __getattr__("app"), host="127.0.0.1", port=PORT, log_level="warning", access_log=False,
        server_header=False, proxy_headers=False, ws="none",
    )  # fmt: skip


if __name__ == "__main__":
    main()
