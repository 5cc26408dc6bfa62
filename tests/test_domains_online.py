"""WHOIS and DNS without a network: a fake registry, and a DNS server on the loopback."""

import socket
import threading
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from atlas_fast import domains as face
from atlas_fast import limits, validation
from atlas_fast.domains_online import DAY, MemoryCache, OnlineDomains, age_class
from atlas_fast.errors import UsageError

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


def ago(days, zone=UTC):
    return (NOW - timedelta(days=days)).astimezone(zone) if zone else (
        NOW - timedelta(days=days)
    ).replace(tzinfo=None)  # fmt: skip


@pytest.mark.parametrize(
    ("days", "provider", "expected"),
    [
        (0, "unknown", "SUSPICIOUS"), (29, "unknown", "SUSPICIOUS"), (30, "unknown", "QUARANTINE"),
        (89, "gmail", "QUARANTINE"), (90, "unknown", "SAFE"), (13, "icloud", "SUSPICIOUS"),
        (14, "icloud", "QUARANTINE"), (59, "icloud", "QUARANTINE"), (60, "icloud", "SAFE"),
    ],
)  # fmt: skip
def test_ages(days, provider, expected):
    for zone in (UTC, timezone(timedelta(hours=9)), None):
        assert age_class(ago(days, zone), provider, NOW) == expected
    assert age_class(None, provider, NOW) == "QUARANTINE"


class Registry:
    """Answers as python-whois gives them, and the moments of the questions."""

    def __init__(self, answers):
        self.answers, self.asked, self.time = answers, [], 100.0

    def __call__(self, domain):
        self.asked.append((domain, self.time))
        answer = self.answers.get(domain, OSError("unreachable"))
        if isinstance(answer, Exception):
            raise answer
        return {"creation_date": answer}

    def sleep(self, seconds):
        self.time += seconds

    def online(self, **settings):
        cache = MemoryCache(clock=lambda: self.time)
        return OnlineDomains(
            cache=cache, whois=self, clock=lambda: self.time, sleep=self.sleep, now=lambda: NOW,
            **settings,
        )  # fmt: skip


def test_answers_of_a_registry():
    registry = Registry(
        {"old.test": ago(4000), "new.test": [ago(3, None), ago(9)], "none.test": None,
         "empty.test": [], "text.test": "yesterday"}
    )  # fmt: skip
    online = registry.online()
    expected = {
        "old.test": "SAFE", "new.test": "SUSPICIOUS", "none.test": "QUARANTINE",
        "empty.test": "QUARANTINE", "text.test": "QUARANTINE", "dead.test": "QUARANTINE",
    }  # fmt: skip
    assert {name: online.age(name) for name in expected} == expected
    assert online.created("NEW.test.") == ago(3).replace(microsecond=0)
    assert len(registry.asked) == 6
    times = [time for _, time in registry.asked]
    assert [b - a for a, b in pairwise(times)] == [1.0] * 5


def test_answers_are_kept_for_their_time():
    registry = Registry({"old.test": ago(4000)})
    online = registry.online(ttl=10 * DAY, failure_ttl=60)
    online.age("old.test"), online.age("dead.test")
    assert len(registry.asked) == 2
    registry.time += 120
    online.age("old.test"), online.age("dead.test")
    assert [name for name, _ in registry.asked] == ["old.test", "dead.test", "dead.test"]
    registry.time += 11 * DAY
    online.age("old.test")
    assert len(registry.asked) == 4


def test_bounds_are_those_of_the_provider():
    registry = Registry({"young.test": ago(20)})
    online = registry.online()
    assert online.age("young.test", "icloud") == "QUARANTINE"
    assert online.age("young.test", "gmail") == "SUSPICIOUS"
    assert len(registry.asked) == 1


def test_what_is_never_asked():
    registry = Registry({})
    online = registry.online()
    assert online.age("gmail.com") == "SAFE"
    assert online.created("") is None
    assert online.created("x" * (limits.MAX_NAME_CHARACTERS + 1)) is None
    assert registry.asked == []


def test_one_question_at_a_time():
    registry = Registry({"old.test": ago(4000)})
    online = registry.online()
    threads = [threading.Thread(target=online.age, args=("old.test",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registry.asked) == 1


def test_it_is_a_lookup_of_validate(monkeypatch):
    from domaindata import psl

    monkeypatch.setattr(face, "_rules", lambda: psl()[0])
    registry = Registry({"kelpfarm.com": ago(5)})
    found = validation.validate("rosa@kelpfarm.com", lookup=registry.online().age)
    assert found == (
        True,
        "Traditional suspicious pattern and very new domain (< 30 days): kelpfarm.com",
        True,
    )


def test_a_cache_is_bounded():
    cache = MemoryCache(size=3)
    for number in range(5):
        cache.set(str(number), number, 100)
    assert [cache.get(str(number)) for number in range(5)] == [None, None, 2, 3, 4]


@pytest.mark.parametrize("settings", [{"per_second": 0}, {"timeout": -1}])
def test_settings_that_make_no_sense(settings):
    with pytest.raises(UsageError):
        OnlineDomains(**settings)


def test_python_whois_is_asked(monkeypatch):
    whois = pytest.importorskip("whois")
    asked = []

    def fake(domain, **settings):
        asked.append((domain, settings))
        return {"creation_date": ago(4000)}

    monkeypatch.setattr(whois, "whois", fake)
    assert OnlineDomains(timeout=4, now=lambda: NOW).age("old.test") == "SAFE"
    assert asked == [("old.test", {"timeout": 4, "quiet": True})]


ZONE = {
    ("mx.test.", "MX"): ["10 mail.mx.test."],
    ("null.test.", "MX"): ["0 ."],
    ("plain.test.", "A"): ["192.0.2.1"],
    ("six.test.", "AAAA"): ["2001:db8::1"],
    ("nothing.test.", "TXT"): ['"x"'],
}


@pytest.fixture
def resolver():
    """A resolver whose only server is ours, on the loopback; names not in ZONE do not exist."""
    pytest.importorskip("dns")
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.resolver
    import dns.rrset

    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(20)
    served = []

    def serve():
        while True:
            raw, peer = server.recvfrom(4096)
            if raw == b"stop":
                return
            query = dns.message.from_wire(raw)
            question = query.question[0]
            name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
            served.append((name, kind))
            if name == "silent.test.":
                continue
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.RA
            if not any(name == known for known, _ in ZONE):
                answer.set_rcode(dns.rcode.NXDOMAIN)
            elif (name, kind) in ZONE:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *ZONE[name, kind]))
            server.sendto(answer.to_wire(), peer)

    thread = threading.Thread(target=serve)
    thread.start()
    made = dns.resolver.Resolver(configure=False)
    made.nameservers, made.port = ["127.0.0.1"], server.getsockname()[1]
    made.served = served
    yield made
    server.sendto(b"stop", server.getsockname())
    thread.join()
    server.close()


def test_mail_by_dns(resolver):
    online = OnlineDomains(resolver=resolver, per_second=1000, timeout=5)
    expected = {
        "mx.test": True, "null.test": False, "plain.test": True, "six.test": True,
        "nothing.test": False, "absent.test": False,
    }  # fmt: skip
    assert {name: online.accepts_mail(name) for name in expected} == expected
    asked = len(resolver.served)
    assert {name: online.accepts_mail(name.upper()) for name in expected} == expected
    assert len(resolver.served) == asked
    assert online.accepts_mail("a..b") is None


def test_no_answer_is_no_verdict(resolver):
    online = OnlineDomains(resolver=resolver, per_second=1000, timeout=0.3)
    assert online.accepts_mail("silent.test") is None
