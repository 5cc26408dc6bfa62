"""Header and MIME columns of a batch."""

from __future__ import annotations

from atlas_fast._kernels.messages import Messages
from atlas_fast.batch import Batch
from atlas_fast.headers import HeaderColumns
from atlas_fast.mime import MimeColumns


def run(batch: Batch) -> None:
    """Fill `headers` and `mime`; damage bits go into `flags`."""
    messages = Messages.of_spans(batch.raw, batch.starts, batch.stops)
    batch.headers = HeaderColumns(messages, batch.flags)
    batch.mime = MimeColumns(batch.headers)
