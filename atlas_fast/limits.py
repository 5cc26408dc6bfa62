"""Every cap: one name, its value, unit and reason. docs/limits.md is generated from this file."""

from __future__ import annotations

MAX_MESSAGE_BYTES = 64 << 20
"""Bytes of one message that are read; the rest is not looked at (flag MSG_CUT)."""

MAX_FIELDS = 10_000
"""Header fields of one message that are kept; more are skipped (flag HDR_TOO_MANY_FIELDS)."""

MAX_FIELD_BYTES = 64 << 10
"""Bytes of one field body that are decoded to text (flag HDR_FIELD_CUT); spans keep the whole."""

MAX_ADDRESSES = 1_000
"""Mailboxes of one address field that are kept (flag HDR_FIELD_CUT)."""

MAX_DEPTH = 32
"""Depth of the part tree; deeper parts are leaves without text (flag MIME_TOO_DEEP)."""

MAX_PARTS = 1_000
"""Parts of one message; further ones are skipped (flag MIME_TOO_MANY_PARTS)."""

MAX_TEXT_BYTES = 128 << 10
"""UTF-8 bytes of text that one message gives to the features (flag TEXT_CUT)."""

MAX_LINKS = 500
"""Links of one message that are kept (flag TEXT_CUT)."""

BATCH_MESSAGES = 2_000
"""Messages of one batch at most."""

BATCH_BYTES = 32 << 20
"""Bytes of one batch at most, unless a single message is longer."""

MAX_RANGES = 50_000_000
"""Networks of one MMDB file; one with more is refused (a tree can be made to grow endlessly)."""
