"""The original's JSON routes: the same paths, methods and keys; what it did wrong is mended.

A route that could not do what was asked answers 200 with `success` false and the reason in
`message` (`error` where the original has that). A body or parameter of another type answers 422.
docs/compatibility.md lists what differs.
"""

from __future__ import annotations

from atlas_fast.web.legacy import accounts, figures, flagging, judging, upkeep

__all__ = ["ROUTERS"]

ROUTERS = [
    figures.router, judging.router, flagging.router, accounts.router,
    accounts.told, upkeep.router,
]  # fmt: skip
