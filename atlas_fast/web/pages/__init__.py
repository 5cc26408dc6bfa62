"""The pages: one module for each group, each with a router, typed pages and thin routes."""

from __future__ import annotations

from atlas_fast.web.pages import (
    accounts,
    analytics,
    login,
    messages,
    overview,
    performance,
    runs,
    settings,
    validation,
)

__all__ = ["ROUTERS"]

ROUTERS = [
    overview.router, performance.router, messages.router, analytics.router, validation.router,
    runs.router, accounts.router, settings.router, login.router,
]  # fmt: skip
