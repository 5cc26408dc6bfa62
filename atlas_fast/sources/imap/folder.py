"""A folder of an IMAP account as a source of batches.

The folder is opened with EXAMINE: reading changes nothing on the server, no \\Seen, no \\Recent.
A thread reads ahead while batches are worked on. A connection that is lost is made again and
reading goes on with what has not come yet; if UIDVALIDITY has changed by then, the folder is read
from its start, for the UIDs of before mean nothing any more.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from hashlib import blake2b

import numpy as np

from atlas_fast import limits
from atlas_fast.batch import KEY_BYTES, Batch
from atlas_fast.errors import ImapError, SourceError
from atlas_fast.flags import Flag
from atlas_fast.sources.imap.ahead import ahead
from atlas_fast.sources.imap.client import Client
from atlas_fast.sources.imap.fetch import Block, Reader
from atlas_fast.sources.imap.grammar import uid_sets
from atlas_fast.sources.imap.mailbox import Mailbox
from atlas_fast.sources.imap.wire import Lost

__all__ = ["ImapFolder", "message_key"]

CHUNK = 50_000
"""UIDs of which it is known at one time which have come: memory does not grow with the folder."""


class ImapFolder:
    """Source of the messages of one folder.

    A place is a UID, a mark `UIDVALIDITY:UID`; keys are made of account, folder, UIDVALIDITY and
    UID. `uidvalidity` is that of the batches that came last; `expected` how many messages there
    are to read, once that is known; `vanished` counts those that were gone when they were asked
    for; `problems` has the rest. `also`: UIDs that are read whatever the mark says. With
    `headers_only` header sections are fetched and nothing of a body; `body_bytes` means nothing.
    """

    content_in_keys = False

    def __init__(
        self,
        mailbox: Mailbox,
        folder: str,
        *,
        body_bytes: int = limits.IMAP_BODY_BYTES,
        also: Collection[int] = (),
    ):
        self.mailbox, self.folder = mailbox, folder
        self.body_bytes, self.also = body_bytes, also
        self.headers_only = False
        self.identity = f"imap://{mailbox.account}@{mailbox.host}/{folder}"
        self.problems: list[str] = []
        self.uidvalidity = 0
        self.expected: int | None = None
        self.vanished = 0
        self._reader: Reader | None = None

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]:
        yield from ahead(self._batches(max_messages, max_bytes, after))

    def state(self) -> str:
        """UIDVALIDITY: as long as it is the same, UIDs up to a mark are the messages they were."""
        while True:
            try:
                return str(self.mailbox.client.select(self.folder, read_only=True).uidvalidity)
            except Lost as error:
                self.mailbox.lost(error)

    def estimate(self) -> int | None:
        return None

    def _batches(
        self, max_messages: int, max_bytes: int, after: str, starts: int = 0
    ) -> Generator[Batch, None, None]:
        validity, low = parse_mark(after)
        size = max_messages, max_bytes
        try:
            while True:
                try:
                    self.uidvalidity = self.mailbox.client.select(
                        self.folder, read_only=True
                    ).uidvalidity
                    if self.uidvalidity != validity:
                        validity, low = self.uidvalidity, 0
                    uids = self._uids(low)
                    self.expected = len(uids)
                    break
                except Lost as error:
                    self.mailbox.lost(error)
            for start in range(0, len(uids), CHUNK):
                chunk = _Chunk(uids[start : start + CHUNK])
                yield from self._chunk(chunk, size)
                if self.uidvalidity != validity:
                    self.problems.append(
                        f"{self.folder}: UIDVALIDITY changed while it was read; read from its start"
                    )
                    if starts >= limits.IMAP_RETRIES:
                        raise ImapError(f"{self.folder}: UIDVALIDITY changes again and again")
                    yield from self._batches(max_messages, max_bytes, "", starts + 1)
                    return
        finally:
            self._let_go()

    def _uids(self, low: int) -> np.ndarray:
        """UIDs above `low`, and those of `also` that are there."""
        search = self.mailbox.client.search
        found = search(b"UID %d:*" % (low + 1))
        found = found[found > low]  # `n:*` has the last message even if that is below n
        old = sorted(uid for uid in self.also if 0 < uid <= low)
        more = [search(b"UID " + text) for text, _ in uid_sets(old)]
        return np.concatenate([*more, found]) if more else found

    def _chunk(self, chunk: _Chunk, size: tuple[int, int]) -> Generator[Batch, None, None]:
        """Batches of a chunk of UIDs, across lost connections; ends early on a new UIDVALIDITY."""
        validity = self.uidvalidity
        tries = 0
        while True:
            try:
                client = self._select()
                if self.uidvalidity != validity:
                    return
                most = limits.IMAP_BODY_BYTES if self.headers_only else self.body_bytes
                yield from self._read(client, chunk, chunk.normal(), most, size)
                most = max(most, limits.IMAP_HEADER_BYTES)
                for uid in sorted(chunk.long):
                    yield from self._read(client, chunk, np.array([uid], np.uint32), most, size)
                left = chunk.left()
                if not left:
                    return
                there = client.present(left)
                self.vanished += len(left) - len(there)
                chunk.pending.intersection_update(there)
                tries += 1
                if tries > 1 or not there:
                    said = self._reader.refused if self._reader is not None else None
                    for uid in sorted(chunk.pending):
                        self.problems.append(f"{uid}: not delivered{f': {said}' if said else ''}")
                    return
            except Lost as error:
                self.mailbox.lost(error)

    def _select(self) -> Client:
        """The client with the folder selected; `uidvalidity` is set anew when it was not."""
        client = self.mailbox.client
        if client.selected is None or client.selected.name != self.folder:
            self.uidvalidity = client.select(self.folder, read_only=True).uidvalidity
        return client

    def _read(
        self, client: Client, chunk: _Chunk, uids: np.ndarray, most: int, size: tuple[int, int]
    ) -> Generator[Batch, None, None]:
        if not len(uids):
            return
        self._reader = Reader(client, uids, most, *size, self.headers_only)
        for block in self._reader:
            self.mailbox.progress()
            keep = chunk.take(block, most < limits.IMAP_HEADER_BYTES)
            if keep:
                yield self._batch(block, keep, chunk.mark(self.uidvalidity))

    def _batch(self, block: Block, keep: list[int], mark: str) -> Batch:
        places = [str(block.uids[i]) for i in keep]
        chosen = np.array(keep, np.int64)
        batch = Batch(
            np.frombuffer(block.raw, np.uint8),
            np.array(block.starts, np.int64)[chosen],
            np.array(block.stops, np.int64)[chosen],
            source=self.folder,
            places=places,
            mark=mark,
            keys=self._keys(places),
        )
        if block.cut or block.left:
            batch.flags[np.isin(chosen, block.cut + block.left)] |= np.uint32(Flag.MSG_CUT)
        return batch

    def _keys(self, places: list[str]) -> np.ndarray:
        base = _key_base(self.mailbox.account, self.folder, self.uidvalidity)
        digests = []
        for place in places:
            one = base.copy()
            one.update(place.encode())
            digests.append(one.digest())
        return np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), KEY_BYTES)

    def _let_go(self) -> None:
        """Leave the connection usable: an answer that was not read to its end is in the way."""
        reader, self._reader = self._reader, None
        if reader is None or reader.done:
            return
        if reader.client.owned:
            self.mailbox.drop()
            return
        try:
            reader.drain()
        except SourceError:
            return


class _Chunk:
    """UIDs of a chunk that have not come; `long` are those whose header section is to be fetched
    again in one piece."""

    def __init__(self, uids: np.ndarray):
        self._order = uids.tolist()
        self._at = 0
        self.pending = set(self._order)
        self.long: set[int] = set()

    def normal(self) -> np.ndarray:
        return np.array(sorted(self.pending - self.long), np.uint32)

    def left(self) -> list[int]:
        return sorted(self.pending)

    def take(self, block: Block, may_wait: bool) -> list[int]:
        """Positions of the messages of a block that are whole enough; the others are `long`."""
        late = set()
        if may_wait:
            for i in block.cut:
                start, stop = block.starts[i], block.stops[i]
                if not any(block.raw.find(gap, start, stop) >= 0 for gap in (b"\n\r\n", b"\n\n")):
                    late.add(i)
                    self.long.add(block.uids[i])
        keep = [i for i in range(len(block)) if i not in late]
        came = {block.uids[i] for i in keep}
        self.pending -= came
        self.long -= came
        return keep

    def mark(self, validity: int) -> str:
        """Up to where nothing is missing."""
        while self._at < len(self._order) and self._order[self._at] not in self.pending:
            self._at += 1
        return f"{validity}:{self._order[self._at - 1] if self._at else 0}"


def parse_mark(mark: str) -> tuple[int, int]:
    """UIDVALIDITY and UID of a mark; zeros for none. Raises SourceError for another text."""
    if not mark:
        return 0, 0
    validity, colon, uid = mark.partition(":")
    if not (colon and validity.isdecimal() and uid.isdecimal()):
        raise SourceError(f"{mark!r} is no mark of an IMAP folder")
    return int(validity), int(uid)


def _key_base(account: str, folder: str, uidvalidity: int) -> blake2b:
    parts = (account, folder, str(uidvalidity), "")
    return blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=KEY_BYTES)


def message_key(account: str, folder: str, uidvalidity: int, uid: int) -> bytes:
    """Key of one message, the same in every run."""
    base = _key_base(account, folder, uidvalidity)
    base.update(str(uid).encode())
    return base.digest()
