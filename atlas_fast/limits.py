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

IMAP_BODY_BYTES = 64 << 10
"""Bytes of a message, from its start, that are fetched over IMAP; more is MSG_CUT."""

IMAP_HEADER_BYTES = 1 << 20
"""Bytes that are fetched of a message whose header section is longer than IMAP_BODY_BYTES."""

IMAP_WINDOW = 5_000
"""Messages that one FETCH asks for at most."""

IMAP_SET_BYTES = 7_000
"""Bytes of a set of UIDs in a command; servers take lines of 8,000."""

IMAP_LINE_BYTES = 16 << 20
"""Bytes of a response line, literals apart; a SEARCH answer has all UIDs in one."""

IMAP_LITERAL_BYTES = 1 << 20
"""Bytes of a literal that is not a message body."""

IMAP_LITERALS = 16
"""Literals of one response that is not a message body."""

IMAP_DEPTH = 20
"""Depth of parentheses in a response."""

IMAP_VALUES = 20_000
"""Values in a response that is taken apart."""

IMAP_LINES = 500_000
"""Untagged responses to one command, beyond those that were asked for."""

IMAP_MESSAGES = 20_000_000
"""Messages of one folder; a SEARCH answer that claims more is refused."""

IMAP_FOLDERS = 20_000
"""Folders that a LIST answer may have."""

IMAP_SECONDS = 60
"""Seconds that one command waits for the server in all, before the bytes that arrive add to it."""

IMAP_SLOWEST = 4_096
"""Bytes that arrive for each further second that a command may wait."""

IMAP_RETRIES = 5
"""New connections in a row that brought nothing further, after which a run gives up."""
