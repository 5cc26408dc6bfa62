"""The enrichment stages against the faces, one message at a time; what a run tells of its caches."""

import ipaddress
import json
import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_fast import Pipeline, UsageError, domains, geo, scan, triage
from atlas_fast import auth as auth_face
from atlas_fast.batch import Batch
from atlas_fast.cache import Cache
from atlas_fast.cli import main
from atlas_fast.errors import ReferenceDataError, SettingsError
from atlas_fast.origin import origin
from atlas_fast.pipeline import make_enricher
from atlas_fast.sources import open_source
from atlas_fast.stages import enrich, parse
from atlas_fast.stages.enrich import Enricher
from atlas_fast.store import schema


def batch_of(raws):
    stops = np.cumsum([len(raw) for raw in raws]).astype(np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), stops[:-1]])
    places = [str(i) for i in range(len(raws))]
    return Batch(np.frombuffer(b"".join(raws), np.uint8), starts, stops, source="t", places=places)


def enriched(raws, enricher=None, **settings):
    enricher = enricher or Enricher(cache=Cache(None), **settings)
    batch = batch_of(raws)
    parse.run(batch)
    for _, stage in enricher.stages:
        stage(batch)
    return batch


def generated(n, seed=1):
    (batch,) = open_source(f"synthetic:{n},{seed}").batches(n, 1 << 30)
    return list(batch)


RECEIVED = (
    b"Received: from mail.example (mail.example [%s])\n\tby mx.receiver.example with ESMTP id 1;"
    b" Mon, 1 Jan 2001 00:00:00 +0000\n"
)


def check(raws):
    """Every column is what the face says of each message alone."""
    found = enriched(raws).enrichment
    suffixes = domains.registrable_many
    for i, raw in enumerate(raws):
        alone = origin(raw)
        assert found.origin.row(i) == alone
        row = found.geo[i]
        if alone.ip is None:
            assert row["record"] == geo.UNKNOWN and row["country"] == b""
        else:
            record = geo.lookup(alone.ip)
            assert (row["country"].decode() or None) == record.country_code
            assert (int(row["asn"]) or None) == record.asn
            assert row["risk"] == np.float32(record.risk)
        sender = parse_domain(raw)
        domain = found.domain[i]
        if 0 < len(sender.encode()) <= 255:
            verdict = domains.verdict(sender)
            assert min(int(domain["score"]), 100) == verdict.confidence
            assert bool(found.suspicious[i]) == verdict.suspicious
            expected = None
            if domain["registrable"] >= 0:
                part = sender.encode()[domain["registrable"] : domain["stop"]]
                expected = part.decode().lower()
            assert expected == verdict.registrable
        else:
            assert domain["registrable"] == -1 and domain["score"] == 0
        alone_auth = auth_face.authenticate(raw, registrable=lambda c: suffixes(c).registrable)
        assert found.auth.row(i) == alone_auth


def parse_domain(raw):
    batch = batch_of([raw])
    parse.run(batch)
    return batch.headers.from_domain[0]


def test_generated_mail():
    check(generated(300))


def test_real_mail(corpus):
    check([raw for *_, raw in corpus[::25]])


AUTH = st.sampled_from([
    b"Authentication-Results: mx.receiver.example; spf=pass smtp.mailfrom=a@a.example\n",
    b"Authentication-Results: mx.receiver.example; dkim=pass header.d=b.a.example; dmarc=fail\n",
    b"Authentication-Results: mx.receiver.example; dkim=fail header.d=c.example\n",
    b"Received-SPF: softfail (mx.receiver.example: x) envelope-from=a@a.example;\n",
    b"DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=AA; b=AA\n",
    b"Authentication-Results: other.example; spf=pass smtp.mailfrom=x@a.example\n",
    RECEIVED % b"192.0.2.1", RECEIVED % b"8.8.8.8", RECEIVED % b"IPv6:2001:4860:4860::8888",
    RECEIVED % b"IPv6:::ffff:8.8.8.8", RECEIVED % b"256.1.1.1",
])  # fmt: skip
FROM = st.sampled_from(
    [b"a@a.example", b"x@b.a.example", b"y@C.Example", b"nobody", b"z@xn--e1afmkfd.xn--p1ai"]
)
mails = st.lists(
    st.tuples(st.lists(AUTH, max_size=5), FROM).map(
        lambda pair: b"".join(pair[0]) + b"From: " + pair[1] + b"\nSubject: s\n\nb\n"
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=60)
@given(mails)
def test_claims_hold_all_that_a_verdict_depends_on(raws):
    """With the cache, cold and warm, and without it: the same authentication."""
    enricher = Enricher(cache=Cache(None))
    for _ in range(2):
        batch = enriched(raws, enricher)
        plain = auth_face.AuthColumns(
            batch.headers, batch.enrichment.origin, enricher.auth_settings,
            lambda column: domains.registrable_many(column).registrable,
        )  # fmt: skip
        for i in range(len(raws)):
            assert batch.enrichment.auth.row(i) == plain.row(i)


@settings(max_examples=40)
@given(mails)
def test_a_batch_is_its_messages(raws):
    check(raws)


def test_replies_and_links_that_lead_elsewhere():
    raw = (
        b"From: a@news.shop.example\nReply-To: b@%s\nContent-Type: text/html\n\n"
        b"<a href='http://www.shop.example/'>x</a><a href='https://u@OTHER.example:1/y'>y</a>"
        b"<a href='mailto:c@d'>z</a><a href='http://third.example'>t</a>"
    )
    found = enriched([raw % b"shop.example", raw % b"else.example", b"Subject: s\n\nx"]).enrichment
    assert found.reply_elsewhere.tolist() == [False, True, False]
    assert found.links_elsewhere.tolist() == [2, 2, 0]
    assert found.link_score.dtype == np.int16 and found.link_score[2] == 0


def test_the_worst_link_counts():
    bad = "qxzkvwtrbnpl7h3jd9.example"
    raw = f"From: a@b.example\nContent-Type: text/html\n\n<a href='http://{bad}/'>x</a>".encode()
    found = enriched([raw, raw.replace(bad.encode(), b"b.example")]).enrichment
    worst = domains.judge_many([""], [bad], np.array([1], np.uint8)).rows["score"][0]
    assert found.link_score[0] == max(int(worst), 0) > found.link_score[1]


def test_a_host_of_ten_thousand_characters():
    host = b"a" * 10_000
    raw = b"From: x@%s\nReply-To: y@%s\nContent-Type: text/html\n\n<a href='http://%s/'>z</a>"
    found = enriched([raw % (host, host, host)]).enrichment
    assert found.domain["registrable"].tolist() == [-1]
    assert found.links_elsewhere.tolist() == [0]


def test_trusted_relays_and_ids():
    raw = RECEIVED % b"8.8.8.8" + RECEIVED % b"9.9.9.9" + b"From: a@b.example\n\nx"
    assert str(enriched([raw]).enrichment.origin.row(0).ip) == "8.8.8.8"
    trusting = enriched([raw], trusted_relays=["8.8.8.0/24", "mx.receiver.example"])
    assert str(trusting.enrichment.origin.row(0).ip) == "9.9.9.9"
    forged = b"Authentication-Results: evil.example; spf=pass smtp.mailfrom=a@b.example\n" + raw
    assert enriched([forged], authserv_ids=["mx.receiver.example"]).enrichment.auth.spf[0] == 0
    assert enriched([forged]).enrichment.auth.spf[0] == 1
    with pytest.raises(UsageError):
        Enricher(cache=Cache(None), trusted_relays=["1.2.3.4.5/9"])


def test_empty_batches_and_messages():
    assert len(enriched([b"", b"\n\n"]).enrichment.geo) == 2
    assert enriched([b""]).enrichment.links_elsewhere.tolist() == [0]


def test_without_reference_data_nothing_fails(monkeypatch, tmp_path):
    def absent(*_):
        raise ReferenceDataError("no table geo: no source is installed")

    monkeypatch.setattr(enrich, "open_geo", absent)
    raws = generated(50)
    enricher = Enricher(cache=Cache(None))
    found = enriched(raws, enricher).enrichment
    assert found.geo is None and found.domain is None and found.suspicious is None
    assert found.origin is not None and len(found.auth) == 50
    assert len(enricher.notes) == 1 and "reference data" in enricher.notes[0]
    report = triage("synthetic:50,1", tmp_path / "a.db", pipeline=Pipeline(enrich=enricher))
    assert report.errors == 0 and report.notes == enricher.notes
    methods = dict(stored(tmp_path / "a.db", "detection_method, geographic_risk_score"))
    assert methods.get("GEOIP_LOOKUP_ERROR") == 0.35
    assert set(methods) <= {"GEOIP_LOOKUP_ERROR", "NO_EXTERNAL_IP_FOUND"}


def test_wrong_settings_stop_a_run_before_it_begins(monkeypatch, tmp_path):
    path = tmp_path / "s.toml"
    path.write_text("[geo.risk]\nXX = 7\n")
    monkeypatch.setenv("ATLAS_FAST_SETTINGS", str(path))
    monkeypatch.setattr(geo, "_current", None)
    with pytest.raises(SettingsError):
        Enricher(cache=Cache(None))


def stored(path, columns):
    connection = sqlite3.connect(path)
    found = connection.execute(f"SELECT {columns} FROM {schema.MESSAGES} ORDER BY id").fetchall()
    connection.close()
    return found


def test_rows_have_the_originals_columns(tmp_path):
    folder = tmp_path / "mail"
    folder.mkdir()
    addresses = (
        b"61.50.141.181",
        b"IPv6:2001:4860:4860::8888",
        b"192.0.2.7",
        b"IPv6:::ffff:8.8.8.8",
    )
    for i, address in enumerate(addresses):
        (folder / f"{i}.eml").write_bytes(RECEIVED % address + b"From: a@b.example\n\nx\n")
    assert triage(folder, tmp_path / "a.db").errors == 0
    rows = stored(
        tmp_path / "a.db",
        "sender_ip, sender_country_code, sender_country_name, geographic_risk_score, detection_method",
    )
    assert rows == [
        ("61.50.141.181", "CN", "China", 0.95, "GEOIP2FAST_LOOKUP"),
        ("2001:4860:4860::8888", "US", "United States", 0.1, "GEOIP2FAST_LOOKUP"),
        (None, None, None, 0.0, "NO_EXTERNAL_IP_FOUND"),
        ("8.8.8.8", "US", "United States", 0.1, "GEOIP2FAST_LOOKUP"),
    ]


def test_stored_addresses_are_those_of_the_columns(tmp_path):
    triage("synthetic:400,3", tmp_path / "a.db")
    ips = [row[0] for row in stored(tmp_path / "a.db", "sender_ip")]
    expected = []
    for batch in scan("synthetic:400,3"):
        expected += [batch.enrichment.origin.row(i).ip for i in range(len(batch))]
    assert [ip and ipaddress.ip_address(ip) for ip in ips] == expected


def test_the_report_counts_every_ask(tmp_path):
    enricher = Enricher(cache=Cache(tmp_path / "cache"))
    first = triage("synthetic:3000,1", pipeline=Pipeline(enrich=enricher, max_messages=500))
    for counts in first.caches.values():
        lookups = counts["l1_hits"] + counts["l2_hits"] + counts["computed"]
        assert counts["asked"] == counts["interned"] + lookups
        assert counts["hit_rate"] == pytest.approx(
            (lookups - counts["computed"]) / lookups, abs=1e-6
        )
    assert first.caches["authentication"]["asked"] == 3000
    enricher.cache.close()
    again = Enricher(cache=Cache(tmp_path / "cache"))
    second = triage("synthetic:3000,2", pipeline=Pipeline(enrich=again, max_messages=500))
    assert second.caches["domain"]["l2_hits"] > 0
    assert second.caches["domain"]["known_rate"] > 0.9
    assert {"origin", "geo", "domains", "auth", "cache"} <= set(second.stages)
    json.dumps(second.to_dict())
    again.cache.close()


def test_workers_share_a_cache(tmp_path):
    enricher = Enricher(cache=Cache(tmp_path / "cache"))
    report = triage(
        "synthetic:3000,1", tmp_path / "a.db",
        pipeline=Pipeline(enrich=enricher, workers=3, max_messages=200),
    )  # fmt: skip
    one = Enricher(cache=Cache(None))
    triage("synthetic:3000,1", tmp_path / "b.db", pipeline=Pipeline(enrich=one, max_messages=700))
    columns = "sender_ip, sender_country_code, geographic_risk_score, detection_method"
    assert stored(tmp_path / "a.db", columns) == stored(tmp_path / "b.db", columns)
    assert report.errors == 0
    enricher.cache.close()


def test_the_command_line(tmp_path, capsys):
    assert main(["run", "synthetic:200,1", "--no-store", "--no-enrich", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["caches"] == {} and "origin" not in plain["stages"]
    options = ["--trusted-relay", "10.0.0.0/8", "--authserv-id", "mx.example"]
    assert main(["run", "synthetic:200,1", "--no-store", *options]) == 0
    assert "cache domain" in capsys.readouterr().out
    assert main(["run", "synthetic:2,1", "--no-store", "--trusted-relay", "1.2.3/9"]) == 2
    capsys.readouterr()
    assert main(["cache", "stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kinds"]["domain"]["entries"] > 0
    assert main(["cache", "stats"]) == 0
    assert "86,400 s" in capsys.readouterr().out
    assert main(["cache", "clear", "domain"]) == 0
    assert "entries forgotten" in capsys.readouterr().out
    assert main(["cache", "stats", "--json"]) == 0
    kinds = json.loads(capsys.readouterr().out)["kinds"]
    assert kinds["domain"]["entries"] == 0 and kinds["authentication"]["entries"] > 0


def test_looking_at_a_cache_makes_none(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ATLAS_FAST_CACHE", str(tmp_path / "none"))
    assert main(["cache", "stats", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bytes"] == 0 and {one["entries"] for one in found["kinds"].values()} == {0}
    assert main(["cache", "stats"]) == main(["cache", "clear"]) == 0
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_had_is_an_error_of_its_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ATLAS_FAST_CACHE", str(tmp_path))
    (tmp_path / "1" / "users").mkdir(parents=True)
    (tmp_path / "1" / "data.mdb").touch()
    assert main(["cache", "stats"]) == 1
    assert "kept in this process only" in capsys.readouterr().err


def test_verify_without_its_packages(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dns", None)
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    with pytest.raises(UsageError, match="verify"):
        make_enricher(verify=True, cache=Cache(None))
