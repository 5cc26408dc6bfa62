"""Header sections alone over IMAP: nothing of a body crosses the wire, the rows are those of files."""

import re
import sqlite3
from contextlib import closing

import pytest
from breakable import Breakable
from dovecot import Dovecot, needs_dovecot
from imaprig import mail_run, mailbox, stages

from atlas_fast import limits, triage
from atlas_fast.classify.policy import Filters
from atlas_fast.flags import Flag
from atlas_fast.pipeline import Pipeline
from atlas_fast.sources.imap.folder import ImapFolder
from atlas_fast.store import schema

pytestmark = needs_dovecot

MARKER = b"this-is-of-a-body"
FIELDS = b"From: Ann <ann@example.org>\r\nSubject: offer %d\r\nMessage-ID: <%d@example.org>\r\n"
OWN = {"id", "timestamp", "created_at", "session_id", "folder_name", "uid", "message_key"}
"""Columns that say where a message is from, and when."""


def odd_mails():
    """Header sections that end in many ways; each body has the marker."""
    heads = [
        b"\r\n",
        b"X-Folded: a\r\n b\r\n\tc\r\n\r\n",
        b"no field at all\r\nX-After: it\r\n\r\n",
        b"X-Space: a\r\n \r\n\r\n",
        b": no name\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n",
        b"X-Long: " + b"l" * 2_000 + b"\r\n\r\n",
        b"X-Longer: " + b"l" * limits.IMAP_BODY_BYTES + b"\r\n\r\n",
    ]
    for over in (0, 1, 2):  # about what is asked for at first
        size = limits.IMAP_BODY_BYTES + over - len(FIELDS % (0, 0)) - len(b"X-Fits: \r\n\r\n")
        heads.append(b"X-Fits: " + b"f" * size + b"\r\n\r\n")
    found = [FIELDS % (i % 9, i % 9) + head + MARKER + b"\r\n" for i, head in enumerate(heads)]
    found.append(FIELDS % (90, 90) + b"\r\n")  # no body
    found.append(FIELDS % (91, 91))  # nor an end of the section
    found.append(b"\r\n" + MARKER + b"\r\n")  # no field
    return found


@pytest.fixture(scope="module")
def server():
    made = Dovecot()
    yield made
    made.close()


def without_origin(path):
    """Rows without what tells their source and time, as dictionaries, in the order of the source."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(f"SELECT * FROM {schema.MESSAGES}").fetchall()
    found.sort(key=lambda row: int(row["uid"].removesuffix(".eml")))
    return [{name: row[name] for name in row.keys() if name not in OWN} for row in found]  # noqa: SIM118


def written(folder, raws):
    folder.mkdir()
    for number, raw in enumerate(raws):
        (folder / f"{number:05}.eml").write_bytes(raw)
    return str(folder)


def compared(server, tmp_path, raws):
    """Read over IMAP in all ways and from files; the rows of files, and what crossed the wire."""
    server.fill("heads", raws)
    files = triage(written(tmp_path / "mail", raws), tmp_path / "files.db", headers_only=True)
    assert files.messages == len(raws)
    want, up, down = without_origin(tmp_path / "files.db"), bytearray(), bytearray()

    def watch(data, from_server):
        (down if from_server else up).extend(data)
        return data

    with Breakable(server.port, watch) as proxy:
        for workers in (1, 2):
            store = tmp_path / f"source{workers}.db"
            with mailbox(proxy.port) as box:
                report = triage(ImapFolder(box, "heads"), store, workers, headers_only=True)
            assert (report.messages, report.errors) == (files.messages, files.errors)
            assert without_origin(store) == want
        mail_run(
            proxy.port, "heads", tmp_path / "run.db", preview=True, filters=Filters(()),
            pipeline=Pipeline(headers_only=True),
        )  # fmt: skip
        assert without_origin(tmp_path / "run.db") == want
    server.drop("heads")
    return want, bytes(up), bytes(down)


def test_nothing_of_a_body_is_fetched(server, tmp_path):
    raws = odd_mails()
    found, up, down = compared(server, tmp_path, raws)
    assert MARKER not in down and b"BODY[HEADER]<0>" in down
    fetched = re.findall(rb"UID FETCH \S+ (\([^)\r]*\))", up)
    assert len(fetched) == 3 * 4  # three header sections are asked for again, to their end
    assert all(
        re.fullmatch(rb"\(UID RFC822\.SIZE BODY\.PEEK\[HEADER]<0\.\d+>\)", one) for one in fetched
    )
    cut = [bool(row["flags"] & Flag.MSG_CUT) for row in found]
    assert cut == [MARKER in raw for raw in raws]


def test_the_rows_are_those_of_files(server, tmp_path, corpus):
    raws = [re.sub(rb"\r?\n", b"\r\n", raw) for _, _, raw in corpus[::40] if b"\0" not in raw]
    found, _, down = compared(server, tmp_path, raws)
    assert len({row["category"] for row in found}) > 2
    assert len(down) < 4 * sum(raw.find(b"\r\n\r\n") + 400 for raw in raws)


@pytest.mark.parametrize("only", [True, False])
@pytest.mark.parametrize("begin", ["run", "triage"])
def test_either_way_into_one_store(server, tmp_path, begin, only):
    """Rows stay as the first run read them, new messages come as the run reads them, by a mail run
    and by `triage`, in any order: keys do not have the content."""
    raws, store = odd_mails(), tmp_path / "x.db"
    late = FIELDS % (95, 95) + b"\r\n" + MARKER + b"\r\n"

    def stored(how, headers_only):
        pipeline = Pipeline(stages(), headers_only=headers_only)
        if how == "run":
            return mail_run(server.port, "heads", store, pipeline=pipeline).stored
        with mailbox(server.port) as box:
            return triage(ImapFolder(box, "heads"), store, pipeline=pipeline).stored

    server.fill("heads", raws)
    assert stored(begin, only) == len(raws)
    want = without_origin(store)
    for again in (not only, only, not only):
        assert stored("triage", again) == stored("run", again) == 0
    assert without_origin(store) == want
    server.fill("heads", [late])  # beside them
    assert stored({"run": "triage", "triage": "run"}[begin], not only) == 1
    *old, new = without_origin(store)
    assert old == want and bool(new["flags"] & Flag.MSG_CUT) is not only
    server.drop("heads")
