"""Caches, monitors, streams and parallel work under the original's names."""

import json
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from atlas_fast.compat.core import parallel_processor
from atlas_fast.compat.core.parallel_processor import (
    ParallelEmailProcessor,
    StreamingParallelProcessor,
)
from atlas_fast.compat.models.bulk_operations import BulkOperationManager
from atlas_fast.compat.models.database import DatabaseManager
from atlas_fast.compat.utils import cache_manager, domain_cache, domain_validator
from atlas_fast.compat.utils import performance_monitor as monitor
from atlas_fast.compat.utils.cache_manager import CacheEntry, LRUCache, MultiLevelCache, cached
from atlas_fast.compat.utils.stream_processor import (
    EmailStreamIterator,
    MemoryMonitor,
    StreamingEmailProcessor,
    create_email_stream,
)
from atlas_fast.domains_online import OnlineDomains
from atlas_fast.errors import UsageError


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(cache_manager.time, "time", lambda: now[0])
    return now


def test_entries_and_the_least_recently_used(clock):
    entry = CacheEntry("x", 10)
    clock[0] += 10
    assert not entry.is_expired() and entry.access() == "x" and entry.access_count == 1
    clock[0] += 0.1
    assert entry.is_expired()
    cache = LRUCache(2, 10)
    cache.set("a", 1)
    cache.set("b", 2)
    assert cache.get("a") == 1
    cache.set("c", 3, 5)
    assert cache.get("b") is None and cache.get("a") == 1
    clock[0] += 6
    assert cache.get("c") is None
    assert cache.get_stats() == {
        "size": 1, "max_size": 2, "hits": 2, "misses": 2, "hit_rate": 0.5, "evictions": 1,
        "expirations": 1,
    }  # fmt: skip
    cache.clear()
    assert cache.get_stats()["hits"] == 0 == cache.get_stats()["hit_rate"]


def test_caches_by_name():
    caches = MultiLevelCache()
    sizes = {name: (c.max_size, c.default_ttl) for name, c in caches.caches.items()}
    assert sizes == {
        "classification": (50_000, 7_200), "domain": (20_000, 86_400),
        "geographic": (10_000, 604_800), "authentication": (5_000, 3_600),
        "general": (10_000, 3_600),
    }  # fmt: skip
    caches.set("domain", {"a": 1}, domain="Example.ORG")
    assert caches.get("domain", domain="example.org") == {"a": 1}
    assert caches.get("nothing", key=1) is None
    caches.set("nothing", 1, key=1)
    caches.clear_cache("domain")
    assert caches.get("domain", domain="example.org") is None


def test_keys_do_not_collide_and_values_are_copies():
    """In the original `a:b` + `c` was `a` + `b:c`, and a caller could change what was kept."""
    caches, value = MultiLevelCache(), {"list": [1]}
    caches.set("classification", value, sender="a:b", subject="c")
    assert caches.get("classification", sender="a", subject="b:c") is None
    value["list"].append(2)
    found = caches.get("classification", sender="A:b", subject="C")
    assert found == {"list": [1]}
    found["list"].append(3)
    assert caches.get("classification", sender="a:b", subject="c") == {"list": [1]}


def test_helpers_of_the_process():
    cache_manager.clear_cache()
    cache_manager.set_geographic_cache("192.0.2.1", {"a": 1})
    cache_manager.set_domain_cache("Example.org", {"b": 1})
    cache_manager.set_auth_cache("A@example.org", "Example.org", {"c": 1})
    cache_manager.set_classification_cache("a", "b", {"d": 1})
    assert cache_manager.get_geographic_cache("192.0.2.1") == {"a": 1}
    assert cache_manager.get_domain_cache("example.ORG") == {"b": 1}
    assert cache_manager.get_auth_cache("a@EXAMPLE.org", "example.org") == {"c": 1}
    assert cache_manager.get_classification_cache("A", "B") == {"d": 1}
    cache_manager.warm_domain_cache([{"domain": "two.example", "x": 1}, {}])
    cache_manager.warm_geographic_cache([{"ip": "192.0.2.2", "x": 2}])
    assert cache_manager.get_domain_cache("two.example")["x"] == 1
    assert cache_manager.get_geographic_cache("192.0.2.2")["x"] == 2
    assert cache_manager.get_cache_stats()["domain"]["size"] == 2
    cache_manager.clear_cache("domain")
    assert cache_manager.get_domain_cache("two.example") is None
    cache_manager.clear_cache()


def test_cached():
    calls = []

    @cached("general")
    def answer(value):
        calls.append(value)
        return value or None

    assert [answer(1), answer(1), answer("1"), answer(0), answer(0)] == [1, 1, "1", None, None]
    assert calls == [1, "1", 0, 0]

    @cached("general")
    def made():
        return {"list": [1]}

    assert made() is made()
    with pytest.raises(KeyError):
        cached("nothing")(answer)(1)


def test_threads_share_a_cache():
    cache = LRUCache(50)

    def work(number):
        for i in range(2000):
            cache.set(str((number * i) % 80), i)
            cache.get(str(i % 80))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    stats = cache.get_stats()
    assert stats["hits"] + stats["misses"] == 8000 and stats["size"] <= 50


# the table of domains


@pytest.fixture
def table(tmp_path, monkeypatch):
    manager = DatabaseManager(str(tmp_path / "mail.db"))
    monkeypatch.setattr(domain_cache, "db", manager)
    yield manager
    manager.close_connection()


def test_domain_cache(table):
    cache = domain_cache.DomainValidationCache(2)
    assert cache.get_cached_validation("a.example") is None
    assert cache.get_cache_statistics()["total_entries"] == 0 == cache.clear_cache()
    cache.cache_validation_result("A.example", "SAFE", "why", False, "gmail", 9)
    cache.cache_validation_result("b.example", "SUSPICIOUS", "new", True)
    found = cache.get_cached_validation("a.EXAMPLE")
    assert found["cache_hit"] is True and found["access_count"] == 1
    assert (found["validation_result"], found["validation_reason"]) == ("SAFE", "why")
    assert (found["is_suspicious"], found["provider_hint"]) == (False, "gmail")
    assert cache.get_cached_validation("a.example")["access_count"] == 2
    stats = cache.get_cache_statistics()
    assert stats == {
        "total_entries": 2, "by_validation_result": {"SAFE": 1, "SUSPICIOUS": 1},
        "average_access_count": 2.0, "max_access_count": 3, "total_cache_hits": 4,
        "recent_hits_1h": 2, "cache_duration_hours": 2,
    }  # fmt: skip
    assert [row["domain"] for row in cache.get_most_accessed_domains(1)] == ["a.example"]
    other = domain_cache.DomainValidationCache()
    assert other.get_cached_validation("b.example")["is_suspicious"] is True
    assert cache.clear_cache() == 2


@pytest.mark.parametrize(("age", "there"), [(0, True), (1.9, True), (2.1, False), (30, False)])
def test_lifetime_is_counted_in_one_time_zone(table, age, there):
    """The original compared UTC with local text: an answer lived from nothing to a day."""
    cache = domain_cache.DomainValidationCache(2)
    cache.cache_validation_result("a.example", "SAFE", "", False)
    table.execute_update(
        "UPDATE domain_validation_cache SET cached_timestamp = datetime('now', ?)",
        (f"-{age * 3600} seconds",),
    )
    assert (cache.get_cached_validation("a.example") is not None) is there
    assert cache.cleanup_expired_cache() == (not there)


def test_a_verdict_is_kept_for_its_provider_and_only_where_whois_answers(table, monkeypatch):
    asked = []

    def whois(name):
        asked.append(name)
        if name == "silent.example":
            raise OSError("timed out")
        return {"creation_date": datetime.now(UTC) - timedelta(days=70)}

    def absent(name):
        raise UsageError("WHOIS needs python-whois")

    def ask(name, provider=None):
        return domain_validator.cached_domain_validation(name, provider)

    online = OnlineDomains(whois=whois, per_second=1e6)
    monkeypatch.setattr(domain_validator, "_online", lambda: online)
    first = ask("old.example")
    assert first[0] == "QUARANTINE" and "cached" not in first[1]
    assert ask("old.example") == (first[0], f"{first[1]} (cached)", first[2])
    assert ask("old.example", "icloud")[0] == "SAFE"  # its bounds are lower
    for _ in range(2):
        assert ask("silent.example")[0] == "QUARANTINE"
        assert domain_cache.domain_cache.get_cached_validation("silent.example") is None
    assert asked == ["old.example", "silent.example"]
    waits = []
    lacking = OnlineDomains(sleep=waits.append)
    monkeypatch.setattr(lacking, "_ask_whois", absent)
    monkeypatch.setattr(domain_validator, "_online", lambda: lacking)
    for _ in range(3):
        assert ask("new.example")[0] == "QUARANTINE"
    assert not waits  # nobody was asked
    assert domain_cache.domain_cache.get_cached_validation("new.example") is None


# monitors


def test_metrics(tmp_path):
    metrics = monitor.PerformanceMetrics()
    for duration in (0.001, 0.003):
        metrics.record("database", "insert", duration, {"n": 1})
    metrics.record("database", "other", 0.005)
    stats = metrics.get_stats("database")
    assert (stats["category"], stats["count"]) == ("database", 3)
    assert stats["total_time_ms"] == pytest.approx(9) and stats["avg_time_ms"] == pytest.approx(3)
    assert stats["operations"]["insert"] == {
        "count": 2, "avg_ms": pytest.approx(2), "min_ms": pytest.approx(1),
        "max_ms": pytest.approx(3), "total_ms": pytest.approx(4),
    }  # fmt: skip
    assert metrics.get_stats("none") == {
        "category": "none", "count": 0, "total_time_ms": 0, "avg_time_ms": 0, "min_time_ms": 0,
        "max_time_ms": 0, "operations": {},
    }  # fmt: skip
    metrics.save_report(str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report) == {"database", "report_generated", "monitoring_duration_seconds"}
    metrics.reset()
    assert metrics.get_stats() == {}


def test_metrics_do_not_grow_without_bound(monkeypatch):
    monkeypatch.setattr(monitor.limits, "METRIC_OPERATIONS", 3)
    metrics = monitor.PerformanceMetrics()
    for i in range(100):
        metrics.record("c", str(i), 1.0)
    assert metrics.get_stats("c")["count"] == 3 and metrics.get_stats("other")["count"] == 97


def test_decorators_count_failures_too():
    monitor.reset_metrics()

    @monitor.performance_monitor("c")
    def fails():
        raise ValueError

    with pytest.raises(ValueError):
        fails()
    assert monitor.monitor_classification(len)("abc") == 3
    with monitor.monitor_operation("c", "block"):
        pass
    assert set(monitor.get_performance_stats("c")["operations"]) == {"fails", "block"}
    assert monitor.get_performance_stats("classification")["count"] == 1
    monitor.reset_metrics()


def test_the_baseline_is_measured():
    figures = monitor.generate_performance_baseline()
    assert set(figures) == {"database", "email_processing", "classification"}
    assert all(value > 0 for part in figures.values() for value in part.values())


def test_memory_monitor():
    watch = MemoryMonitor(check_interval=0.01)
    watch.start_monitoring()
    watch.start_monitoring()
    limit = time.monotonic() + 30
    while not watch.stats_history and time.monotonic() < limit:
        time.sleep(0.01)
    watch.stop_monitoring()
    watch.stop_monitoring()
    stats = watch.stats_history[-1]
    assert stats.process_memory_mb > 1 and 0 <= stats.memory_percent <= 100
    assert set(stats.gc_collections) == {0, 1, 2} and watch.optimize_memory() >= 0


# streams


class Mailbox:
    """As much of imaplib as a stream uses; `lost` are UIDs that are gone when they are fetched."""

    def __init__(self, n, lost=(), fails_at=None):
        self.n, self.lost, self.fails_at = n, set(lost), fails_at
        self.fetches, self.selected = 0, []

    def select(self, folder, readonly=False):
        self.selected.append((folder, readonly))
        return ("OK", [str(self.n).encode()]) if folder == "INBOX" else ("NO", [b"none"])

    def uid(self, command, *arguments):
        if command == "search":
            return "OK", [" ".join(map(str, range(1, self.n + 1))).encode()]
        self.fetches += 1
        if self.fetches == self.fails_at:
            return "NO", [b"broken"]
        assert "PEEK" in arguments[1]
        data = []
        for uid in arguments[0].split(","):
            if int(uid) not in self.lost:
                text = f"Subject: {uid}\r\n\r\n".encode() + b"\xff"
                if int(uid) % 2:
                    data += [(b"9 (UID %s BODY[HEADER] {9}" % uid.encode(), text), b")"]
                else:
                    data += [(b"9 (BODY[HEADER] {9}", text), b" UID %s)" % uid.encode()]
        return "OK", data


def test_streams_read_many_at_once_and_change_nothing():
    mail = Mailbox(120, lost={7, 50})
    pairs = list(create_email_stream(mail, "INBOX", 50))
    assert [int(uid) for uid, _ in pairs] == [i for i in range(1, 121) if i not in (7, 50)]
    assert all(head == f"Subject: {uid}\r\n\r\n" for uid, head in pairs)
    assert mail.fetches == 3 and mail.selected == [("INBOX", True)]


def test_a_batch_that_fails_is_an_error_not_an_end():
    stream = EmailStreamIterator(Mailbox(100, fails_at=2), "INBOX", 50)
    with pytest.raises(OSError, match="fetched"):
        list(stream)
    with pytest.raises(OSError, match="opened"):
        list(EmailStreamIterator(Mailbox(1), "Nowhere"))
    assert list(EmailStreamIterator(Mailbox(0), "INBOX")) == []


def test_stream_processor(capsys):
    seen, progress = [], []

    def work(pairs):
        seen.append(len(pairs))
        if len(seen) == 2:
            raise ValueError("odd\x1b")

    processor = StreamingEmailProcessor(40)
    for _ in range(2):  # counts are those of the call
        seen.clear()
        result = processor.process_email_stream(
            Mailbox(100), "INBOX", work, lambda *values: progress.append(values)
        )
        assert seen == [40, 40, 20]
        counts = ("chunks_processed", "emails_processed", "processing_errors")
        assert [result[key] for key in counts] == [3, 100, 1]
        assert 0 < result["final_memory_mb"] <= result["peak_memory_mb"] + 1
    assert progress[2] == (1.0, 100, 100)
    assert capsys.readouterr().err == "INBOX: ValueError: odd\\u{1b}\n" * 2
    small = StreamingEmailProcessor(40, memory_limit_mb=1)
    assert small.process_email_stream(Mailbox(90), "INBOX", len)["memory_optimizations"] == 3


# parallel


@pytest.fixture
def bulk(tmp_path, monkeypatch):
    manager = DatabaseManager(str(tmp_path / "mail.db"))
    made = BulkOperationManager(manager, 500)
    monkeypatch.setattr(parallel_processor, "get_bulk_manager", lambda: made)
    yield manager
    manager.close_connection()


def tasks(n):
    return [
        (str(i), f"From: Ana <a{i}@example.org>\r\nSubject: Number {i}\r\n\r\n") for i in range(n)
    ]


def test_parallel_results_are_in_order_and_stored(bulk):
    progress = []
    processor = ParallelEmailProcessor(worker_count=3, queue_size=60, batch_size=20)
    results = processor.process_emails_parallel(
        None, tasks(250), "INBOX", lambda *values: progress.append(values)
    )
    assert [result.uid for result in results] == [str(i) for i in range(250)]
    assert all(result.success and result.action in ("DELETED", "PRESERVED") for result in results)
    assert progress[-1] == (1.0, 250, 250)
    rows = bulk.execute_query(
        "SELECT uid, sender_email, subject, action, folder_name "
        "FROM processed_emails_bulletproof ORDER BY id"
    )
    assert len(rows) == 250 and rows[7]["uid"] == "7" and "a7@example.org" in rows[7][1]
    assert [row["action"] for row in rows] == [result.action for result in results]
    stats = processor.get_statistics()
    assert (stats["total_processed"], stats["successful"], stats["failed"]) == (250, 250, 0)
    processor.shutdown()


def test_what_is_no_spam_is_not_labelled_deleted(bulk, monkeypatch):
    """`Not Spam` contains `spam`: the original labelled every clean message DELETED."""
    clean = parallel_processor.engine.Answer("Legitimate", "Not Spam", "", 0.1, {}, "", {})
    monkeypatch.setattr(parallel_processor.engine, "classify_many", lambda raw: [clean] * len(raw))
    (result,) = ParallelEmailProcessor().process_emails_parallel(None, tasks(1), "INBOX")
    assert (result.action, result.category) == ("PRESERVED", "Not Spam")


def test_a_message_that_fails_costs_only_itself(bulk, monkeypatch):
    real = parallel_processor.engine.classify_many

    def fails(messages):
        if any(b"Number 13\n" in message for message in messages):
            raise ValueError("broken")
        return real(messages)

    monkeypatch.setattr(parallel_processor.engine, "classify_many", fails)
    processor = ParallelEmailProcessor(2, 100, 10)
    results = processor.process_emails_parallel(None, tasks(30), "INBOX")
    assert [r.uid for r in results if r.action == "ERROR"] == ["13"]
    assert results[13].error == "ValueError: broken"
    assert processor.get_statistics()["failed"] == 1
    with sqlite3.connect(bulk.db_path) as connection:
        query = "SELECT COUNT(*) FROM processed_emails_bulletproof"
        assert connection.execute(query).fetchone() == (29,)
    connection.close()


def test_streaming(bulk):
    processor = StreamingParallelProcessor(2)
    made = processor.process_email_stream(iter(tasks(25)), None, "INBOX", 10)
    assert (made["chunks_processed"], made["total_processed"]) == (3, 25)
    assert made["statistics"]["total_processed"] == 25
    processor.stop()
    assert processor.process_email_stream(tasks(5), None, "INBOX")["total_processed"] == 0
