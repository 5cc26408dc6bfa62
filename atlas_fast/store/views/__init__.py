"""What pages and routes ask of a store: read-only, bounded in time and rows."""

from __future__ import annotations

from atlas_fast.store.views.figures import (
    Analytics,
    Overview,
    analytics,
    category_subcategories,
    country_categories,
    country_subcategories,
    overview,
)
from atlas_fast.store.views.judging import (
    Category,
    Change,
    Outcome,
    Queue,
    alternatives,
    change,
    reclassify_rejected,
    validation_categories,
    validation_page,
    validation_queue,
)
from atlas_fast.store.views.messages import Filter, MessageRow, Page, messages, rows_of
from atlas_fast.store.views.one import Message, message
from atlas_fast.store.views.reader import StoreReader, TooLong
from atlas_fast.store.views.routes import (
    account_items,
    badges,
    contribution,
    item,
    last_import,
    milestones,
    run_items,
)
from atlas_fast.store.views.runs import (
    Account,
    Performance,
    Run,
    RunPage,
    RunRow,
    accounts,
    performance,
    run,
    runs,
)

__all__ = [
    "Account",
    "Analytics",
    "Category",
    "Change",
    "Filter",
    "Message",
    "MessageRow",
    "Outcome",
    "Overview",
    "Page",
    "Performance",
    "Queue",
    "Run",
    "RunPage",
    "RunRow",
    "StoreReader",
    "TooLong",
    "account_items",
    "accounts",
    "alternatives",
    "analytics",
    "badges",
    "category_subcategories",
    "change",
    "contribution",
    "country_categories",
    "country_subcategories",
    "item",
    "last_import",
    "message",
    "messages",
    "milestones",
    "overview",
    "performance",
    "reclassify_rejected",
    "rows_of",
    "run",
    "run_items",
    "runs",
    "validation_categories",
    "validation_page",
    "validation_queue",
]
