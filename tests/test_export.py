"""Rows out of a store: CSV, JSON lines, Parquet; hostile text in each."""

import csv
import io
import json
import re
import sqlite3
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_fast.cli import main
from atlas_fast.errors import StoreError, UsageError
from atlas_fast.export import FORMATS, Wanted, export
from atlas_fast.export.cells import SIGNS, cell
from atlas_fast.export.lines import CsvWriter, JsonLinesWriter
from atlas_fast.pipeline import triage
from atlas_fast.store.reading import COLUMNS
from atlas_fast.store.schema import MESSAGES

hostile = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from("=+-@\uff1d\uff0b\uff0d\uff20\u2212,;|\t\r\n\"' \xa0\x00\x7f\x85\xad\u200b\u202e\u2028\ufeff"),
    ),
    max_size=20,
)
FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", " =1", "   +1", '"=1', "\t=1", "\r=1",
    "\n=1", "\t", "\rx", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\u22121", "a;=1", "a,@x", "a\t=1", "a\r\n=1",
    'x";=1', "a; -1", "a|=1", "a;\xa0=1", "=", ";;=1",
]  # fmt: skip
PLAIN = [
    "",
    "hello",
    "a=b",
    "a - b",
    "x@y.example",
    "Re: 1+1=2",
    "2026-01-31 08:00",
    "a,b",
    "naïve",
]


SENDER = list(COLUMNS).index("sender_email")


def row(**values):
    return tuple(values.get(name) for name in COLUMNS)


def written(writer, rows):
    out = io.BytesIO()
    one = writer(out)
    one.write(rows)
    one.close(True)
    return out.getvalue()


def reread(data: bytes, **dialect) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), **dialect))


def starts_formula(text: str) -> bool:
    """What a spreadsheet would make of a cell, looking past what it may trim."""
    for character in text:
        if character in SIGNS:
            return True
        if character == '"' or character.isspace():
            continue
        return unicodedata.category(character) in ("Cf", "Cc")
    return False


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_text(text):
    assert "'" in cell(text)
    rows = reread(written(CsvWriter, [row(subject=text)]))
    assert not starts_formula(rows[1][list(COLUMNS).index("subject")])


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_formula_stays(text):
    assert cell(text) == text


def test_numbers_are_numbers_and_bytes_are_hexadecimal():
    line = written(CsvWriter, [row(id=-1, confidence_score=-2.5, message_key=b"\x00\xff")])
    found = dict(zip(*reread(line), strict=True))
    assert (found["id"], found["confidence_score"], found["message_key"]) == ("-1", "-2.5", "00ff")
    assert found["subject"] == ""


@given(st.lists(st.tuples(hostile, hostile), min_size=1, max_size=5))
def test_csv_is_read_back_cell_by_cell(pairs):
    rows = [row(id=i, subject=a, reason=b) for i, (a, b) in enumerate(pairs)]
    head, *found = reread(written(CsvWriter, rows))
    assert head == list(COLUMNS)
    assert found == [["" if v is None else str(cell(v)) for v in one] for one in rows]


@given(hostile, st.sampled_from(",;|\t"))
def test_no_cell_is_a_formula_at_any_separator(text, separator):
    data = written(CsvWriter, [row(subject=text, reason=text)])
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        for found in reread(data, delimiter=separator, quoting=quoting):
            assert not [one for one in found if starts_formula(one)]


@given(hostile)
def test_nothing_invisible_is_in_a_sheet(text):
    shown = cell(text)
    assert all(one.isprintable() or one in "\t\r\n" for one in shown)
    if text.isprintable():
        assert shown.replace("'", "") == text.replace("'", "")


@given(st.lists(hostile, min_size=1, max_size=5))
def test_json_lines_give_the_text_back(texts):
    data = written(JsonLinesWriter, [row(subject=text, message_key=b"\x01") for text in texts])
    lines = data.decode().splitlines()  # at every line end that Unicode knows
    assert [json.loads(line)["subject"] for line in lines] == texts
    assert all(json.loads(line)["message_key"] == "01" for line in lines)
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", data.decode()
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "a.db"
    triage("synthetic:3000,5", path)
    triage("synthetic:500,6", path)
    with sqlite3.connect(path) as connection:
        connection.execute(
            f"INSERT INTO {MESSAGES} (sender_email, subject, action, raw_data, timestamp) "
            "VALUES ('=x', ?, 'DELETED', ?, '2020-01-01 00:00:00')",
            ("=\0\u202e" + "s" * (1 << 20), b"\xff\xfe"),
        )
    connection.close()
    return path


def stored(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM {MESSAGES} ORDER BY id"
        ).fetchall()
    finally:
        connection.close()


def test_each_format_has_each_row(store, tmp_path):
    rows = stored(store)
    for format in FORMATS:
        if format == "parquet":
            pytest.importorskip("pyarrow")
        assert export(store, tmp_path / f"out.{format}", format) == len(rows) == 3501
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"out.{f}" for f in FORMATS)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    expected = [
        {n: v.hex() if isinstance(v, bytes) else v for n, v in zip(COLUMNS, one, strict=True)}
        for one in rows
    ]
    assert lines == expected
    csv.field_size_limit(1 << 22)
    sheet = reread((tmp_path / "out.csv").read_bytes())[1:]
    assert sheet == [["" if v is None else str(cell(v)) for v in one] for one in rows]


def test_parquet_holds_the_rows(store, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    export(store, tmp_path / "out.parquet", "parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == list(COLUMNS)
    rows = [tuple(one.values()) for one in table.to_pylist()]
    expected = stored(store)
    assert rows[:-1] == expected[:-1]
    assert rows[-1] == (
        *(v.hex() if n == "raw_data" else v for n, v in zip(COLUMNS, expected[-1], strict=True)),
    )


def test_a_number_column_with_text_is_an_error_in_parquet_only(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.db"
    triage("synthetic:3,5", path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE {MESSAGES} SET confidence_score = '=evil()' WHERE id = 2")
    connection.close()
    with pytest.raises(StoreError, match="confidence_score"):
        export(path, tmp_path / "out.parquet", "parquet")
    assert [one.name for one in tmp_path.iterdir() if "out" in one.name] == []
    export(path, tmp_path / "out.csv", "csv")
    assert '"\'=evil()"' in (tmp_path / "out.csv").read_text()


def test_filters(store):
    def count(**wanted):
        return export(store, io.BytesIO(), "jsonl", Wanted(**wanted))

    assert count(run=1) == 3000 and count(run=2) == 500 and count(run=9) == 0
    rows = stored(store)
    new, old = list(COLUMNS).index("category_v2"), list(COLUMNS).index("category")
    legitimate = sum(one[new] == "Legitimate" for one in rows)
    assert count(category="Legitimate") == legitimate == sum(one[old] == "Not Spam" for one in rows)
    assert count(category="Not Spam", run=2) == sum(one[new] == "Legitimate" for one in rows[3000:])
    assert count(category="' OR 1=1 --") == 0
    assert count(since="2020-01-02") == 3500 and count(since="2020-01-01T00:00") == 3501
    for wrong in ("yesterday", "2026-1-1", "2026-01-01'; DROP TABLE x", "2026-01-01 "):
        with pytest.raises(UsageError):
            Wanted(since=wrong)


def test_what_cannot_be_exported(tmp_path):
    with pytest.raises(StoreError, match="no such store"):
        export(tmp_path / "none.db", io.BytesIO(), "csv")
    assert not list(tmp_path.iterdir())
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE x (y)").connection.close()
    with pytest.raises(StoreError, match="no such table"):
        export(other, tmp_path / "out.csv", "csv")
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked at" * 40)
    with pytest.raises(StoreError, match="not a database"):
        export(tmp_path / "text.db", tmp_path / "out.csv", "csv")
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(UsageError, match="format"):
        export(other, io.BytesIO(), "xml")


def test_the_rows_are_those_of_one_moment(store):
    """A row that is written while the export runs is not in it, and the writer does not wait."""
    from atlas_fast.store import open_reader

    reader = open_reader(store)
    chunks = reader.rows(Wanted())
    first = next(chunks)
    with sqlite3.connect(store, timeout=1) as connection:
        connection.execute(
            f"INSERT INTO {MESSAGES} (sender_email, subject, action) VALUES ('late', '', 'DELETED')"
        )
        connection.commit()
        rest = [one for chunk in chunks for one in chunk]
        connection.execute(f"DELETE FROM {MESSAGES} WHERE sender_email = 'late'")
    connection.close()
    reader.close()
    assert len(first) + len(rest) == 3501
    assert "late" not in {one[SENDER] for one in rest}


def test_the_command(store, tmp_path, capsys):
    assert (
        main(["export", "--store", str(store), "--out", str(tmp_path / "o.csv"), "--run", "2"]) == 0
    )
    assert "500 rows in" in capsys.readouterr().out
    assert main(["export", "--store", str(store), "--out", str(tmp_path / "o.x")]) == 2
    assert main(["export", "--store", str(tmp_path / "no.db")]) == 1
    assert main(["export", "--store", str(store), "--since", "soon"]) == 2


def test_the_command_into_pipes(store):
    command = [sys.executable, "-m", "atlas_fast", "export", "--store", str(store)]
    whole = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert whole.stdout.count(b"\n") == 3501 and not whole.stderr
    parquet = subprocess.run([*command, "--format", "parquet"], capture_output=True, timeout=60)
    assert parquet.returncode == 2 or parquet.stdout[:4] == parquet.stdout[-4:] == b"PAR1"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as early:
        early.stdout.readline()
        early.stdout.close()
        assert early.wait(60) == 1 and early.stderr.read() == b""
