"""The door: names, origins, form tokens, log-in, limits, headers."""

import asyncio
import re

import pytest
from webrig import HOST, TestClient, Visitor, create_app, fill, mail

from atlas_fast import limits
from atlas_fast.errors import SettingsError, UsageError
from atlas_fast.web.limiting import Buckets
from atlas_fast.web.security import COOKIE, HEADERS
from atlas_fast.web.sessions import Login, Sessions, hash_of
from atlas_fast.web.settings import WebSettings, checked, from_settings

SECRET = "correct horse battery"


@pytest.fixture(scope="module")
def hashed():
    return hash_of(SECRET)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("web"), [mail(n) for n in range(5)])


@pytest.fixture
def visitor(store):
    return Visitor(store)


@pytest.fixture
def locked(store, hashed):
    return Visitor(store, WebSettings(login=hashed))


def marks(store):
    import sqlite3

    connection = sqlite3.connect(store)
    try:
        return connection.execute("SELECT COUNT(*) FROM user_feedback").fetchone()[0]
    finally:
        connection.close()


JUDGE = {"do": "right", "id": "1"}


def test_a_change_with_everything_right_is_made(visitor, store):
    before = marks(store)
    visitor.get("/messages")
    answer = visitor.post("/messages/mark", JUDGE)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/messages?done=judged&n=1"
    assert marks(store) == before + 1


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://localhost"},
        {"origin": "http://localhost.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_a_foreign_origin_is_refused(visitor, store, headers):
    before = marks(store)
    visitor.get("/messages")
    assert visitor.post("/messages/mark", JUDGE, headers=headers).status_code == 403
    assert marks(store) == before


@pytest.mark.parametrize("token", ["", "0" * 64, "é", None])
def test_a_wrong_form_token_is_refused(visitor, store, token):
    before = marks(store)
    visitor.get("/messages")
    data = dict(JUDGE) if token is None else JUDGE | {"csrf": token}
    answer = visitor.client.post("/messages/mark", data=data, headers={"origin": HOST})
    assert answer.status_code == 403 and marks(store) == before


def test_a_stolen_form_token_is_of_no_use(visitor, store):
    """It belongs to the session whose page it was on."""
    thief, before = Visitor(store), marks(store)
    visitor.get("/messages")
    thief.get("/messages")
    stolen = JUDGE | {"csrf": visitor.token}
    assert thief.client.post("/messages/mark", data=stolen).status_code == 403
    thief.client.cookies.clear()
    assert thief.client.post("/messages/mark", data=stolen).status_code == 403
    assert marks(store) == before


def test_every_changing_route_refuses_without_a_token(visitor):
    """Whatever the routes are: no POST of a browser gets through without one."""
    visitor.get("/")
    paths = {path for path, of in visitor.app.openapi()["paths"].items() if set(of) - {"get"}}
    paths |= {
        "/messages/mark", "/messages/1", "/accounts/1/run", "/settings/keywords",
        "/settings/import", "/login", "/logout",
    }  # fmt: skip
    assert len(paths) > 15
    for path in paths:
        path = re.sub(r"\{\w+\}", "1", path)
        for more in ({"data": JUDGE}, {"json": {}}, {"content": b"{}"}):
            answer = visitor.client.post(path, headers={"origin": HOST}, **more)
            assert answer.status_code == 403, path


def test_a_page_of_another_site_cannot_post_json_without_a_cookie(visitor):
    visitor.client.cookies.clear()
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = visitor.client.post("/api/feedback", json={}, headers=headers)
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8001", "localhost.evil.example", ""]
)
def test_a_foreign_name_is_refused(visitor, host):
    """Against rebinding: a page of another name that was pointed here must not read anything."""
    for path in ("/", "/api/user-stats", "/healthz"):
        assert visitor.client.get(path, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8001", "[::1]:8001", "LOCALHOST:1"])
def test_own_names_are_not(visitor, host):
    assert visitor.client.get("/healthz", headers={"host": host}).status_code == 200


def test_names_of_the_settings(store):
    visitor = Visitor(store, WebSettings(names=("mail.example.org",)))
    assert visitor.client.get("/healthz", headers={"host": "mail.example.org"}).status_code == 200


def test_every_answer_has_the_headers(visitor):
    for path in ("/", "/messages/99", "/nothing", "/static/x/y.js", "/healthz", "/openapi.json"):
        answer = visitor.client.get(path)
        for name, value in HEADERS:
            assert answer.headers[name.decode()] == value.decode(), path
    policy = visitor.client.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy and "*" not in policy
    assert visitor.client.get("/").headers["cache-control"] == "no-store"
    refused = visitor.client.get("/", headers={"host": "evil.example"})
    assert refused.headers["x-frame-options"] == "DENY"


def test_cookies(visitor, locked):
    cookie = visitor.client.get("/").headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    https = Visitor(visitor.app.state.site.where, WebSettings(https=True))
    answer = https.client.get("/")
    assert "Secure" in answer.headers["set-cookie"].split("; ")
    assert answer.headers["strict-transport-security"]


# -- log-in


def test_without_login_nothing_is_answered(locked):
    for path in ("/", "/messages", "/messages/1", "/settings/export"):
        answer = locked.client.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=%2F")
    for path in ("/api/user-stats", "/openapi.json", "/metrics", "/live", "/settings/export"):
        answer = locked.client.get(path, headers={"accept": "*/*"})
        assert answer.status_code == 401 and "ann@example.org" not in answer.text
    assert locked.client.post("/messages/mark", data=JUDGE).status_code == 401
    assert locked.client.post("/api/feedback", json={}).status_code == 401
    assert locked.client.get("/healthz").text == "ok\n"


def log_in(visitor, secret=SECRET, target="/messages"):
    visitor.get("/login?next=" + target)
    return visitor.post("/login", {"secret": secret, "next": target})


def test_log_in_and_out(locked):
    planted = locked.get("/login").headers["set-cookie"]
    assert log_in(locked, "wrong").status_code == 401
    answer = log_in(locked)
    assert (answer.status_code, answer.headers["location"]) == (303, "/messages")
    assert answer.headers["set-cookie"] != planted
    assert locked.get("/messages").status_code == 200
    kept = dict(locked.client.cookies)
    assert locked.post("/logout").status_code == 303
    locked.client.cookies.update(kept)  # a copy of the cookie
    assert locked.get("/messages").status_code == 303


def test_a_cookie_that_was_not_made_here_is_nobody(locked):
    for cookie in ("a.known.9999999999." + "0" * 64, "...", "x", "é", "a" * 5_000):
        locked.client.cookies.clear()
        headers = {"cookie": f"{COOKIE}={cookie}".encode("utf-8", "replace")}
        assert locked.client.get("/messages", headers=headers).status_code == 303


def test_an_open_session_does_not_become_a_known_one(locked):
    """The kind is part of the proof."""
    locked.get("/login")
    value = locked.client.cookies[COOKIE]
    locked.client.cookies.clear()
    forged = value.replace(".open.", ".known.")
    assert forged != value
    headers = {"cookie": f"{COOKIE}={forged}"}
    assert locked.client.get("/messages", headers=headers).status_code == 303


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)",
               "/login", "\t//evil.example", "/a\r\nset-cookie: b=c"]
)  # fmt: skip
def test_log_in_leads_nowhere_else(store, hashed, target):
    visitor = Visitor(store, WebSettings(login=hashed))
    visitor.get("/login")
    answer = visitor.post("/login", {"secret": SECRET, "next": target})
    assert answer.status_code == 303 and answer.headers["location"] == "/"


def test_bearer_tokens(locked, store):
    good = {"authorization": f"Bearer {SECRET}"}
    assert locked.client.get("/api/user-stats", headers=good).status_code == 200
    assert locked.client.get("/messages", headers=good).status_code == 200
    bad = {"authorization": "Bearer no"}
    assert locked.client.get("/api/user-stats", headers=bad).status_code == 401
    before = marks(store)
    answer = locked.client.post("/messages/mark", data=JUDGE, headers=good)
    assert answer.status_code == 303 and marks(store) == before + 1


def test_guessing_is_limited(store, hashed):
    visitor = Visitor(store, WebSettings(login=hashed, logins=3))
    codes = [log_in(visitor, f"wrong {n}").status_code for n in range(5)]
    assert codes == [401, 401, 401, 429, 429]
    answer = visitor.client.get("/api/user-stats", headers={"authorization": "Bearer x"})
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
    assert log_in(visitor).status_code == 429  # even the right one


def test_others_cannot_reach_it_without_a_login(hashed):
    for host in ("0.0.0.0", "::", "192.0.2.1", "mail.example.org"):
        with pytest.raises(UsageError, match="login"):
            checked(WebSettings(), host=host)
        assert checked(WebSettings(login=hashed), host=host).host == host
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.9"):
        assert checked(WebSettings(), host=host).host == host
    with pytest.raises(UsageError, match="hash"):
        checked(WebSettings(login="plain text"))


@pytest.mark.parametrize("address", ["10.0.0.5", "::1", "127.0.0.1"])
def test_an_application_that_another_server_runs_is_guarded_too(store, hashed, address):
    """However it is bound: what others reach asks for a login."""
    loop = address != "10.0.0.5"
    url = f"http://[{address}]" if ":" in address else f"http://{address}"
    open_to_all = TestClient(create_app(store), base_url=url)
    assert open_to_all.get("/messages").status_code == (200 if loop else 403)
    locked = TestClient(create_app(store, WebSettings(login=hashed)), base_url=url)
    assert locked.get("/api/user-stats").status_code == 401


def test_a_bearer_has_no_session_to_end(locked):
    good = {"authorization": f"Bearer {SECRET}"}
    for path in ("/login", "/logout"):
        assert locked.client.post(path, data={"secret": SECRET}, headers=good).status_code == 303


def test_settings_table():
    made = from_settings({"port": 80, "names": ["a.example"], "https": True})
    assert (made.port, made.names, made.https) == (80, ("a.example",), True)
    for table in ({"portt": 1}, {"port": "1"}, {"names": "a"}, {"https": 1}, {"logins": 0}):
        with pytest.raises(SettingsError):
            from_settings(table)


# -- limits


def test_requests_are_limited(store):
    visitor = Visitor(store, WebSettings(reads=5, writes=1))
    codes = [visitor.client.get("/healthz").status_code for _ in range(40)]
    assert codes[0] == 200 and 429 in codes
    codes = [visitor.client.post("/messages/mark").status_code for _ in range(5)]
    assert codes[-1] == 429


def test_long_bodies_are_refused(visitor):
    visitor.get("/messages")
    form = {"csrf": visitor.token, "do": "right", "back": "x" * limits.MAX_WEB_BODY}
    assert visitor.client.post("/messages/mark", data=form).status_code == 413

    def parts():
        for _ in range(limits.MAX_WEB_BODY // 1000 + 2):
            yield b"x" * 1000

    answer = visitor.client.post("/messages/mark", content=parts())  # no length is told
    assert answer.status_code == 413
    answer = visitor.client.post("/messages/mark", content=b"", headers={"content-length": "-5"})
    assert answer.status_code == 413


def test_many_fields_and_broken_forms_are_refused(visitor):
    visitor.get("/messages")
    many = "&".join(f"id={n}" for n in range(2_000)) + f"&csrf={visitor.token}"
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert visitor.client.post("/messages/mark", content=many, headers=kind).status_code == 400
    broken = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"--x\r\nnonsense", b"", b"\x00" * 100):
        answer = visitor.client.post("/settings/import", content=body, headers=broken)
        assert answer.status_code in (400, 403)
    assert (
        visitor.client.post("/messages/mark", content=b"csrf=%ff", headers=kind).status_code == 403
    )


def test_a_page_that_breaks_says_nothing_of_itself(store, monkeypatch, caplog):
    from atlas_fast.web import render

    visitor = Visitor(store)
    monkeypatch.setattr(render.Pages, "__call__", lambda *_: 1 / 0)
    answer = visitor.client.get("/")
    assert answer.status_code == 500 and "division" not in answer.text
    assert answer.headers["content-security-policy"]
    assert "ZeroDivisionError" in caplog.text


def test_buckets():
    now = [0.0]
    buckets = Buckets(rate=2, burst=3, clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") == 0.5
    assert buckets.take("b") == 0
    now[0] += 0.5
    assert buckets.take("a") == 0 and buckets.take("a") > 0
    for number in range(limits.MAX_WEB_ADDRESSES + 5):
        buckets.take(str(number))
    assert len(buckets._buckets) == limits.MAX_WEB_ADDRESSES


def test_sessions_end():
    now = [1_000.0]
    sessions = Sessions(60, clock=lambda: now[0])
    session, cookie = sessions.make("known")
    assert sessions.read(cookie) == session and session.known
    now[0] += 61
    assert sessions.read(cookie) is None
    session, cookie = sessions.make("known")
    sessions.end(session)
    assert sessions.read(cookie) is None
    assert Sessions(60).read(cookie) is None  # of another server


def test_remembered_log_outs_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "MAX_WEB_SESSIONS", 3)
    sessions = Sessions(60)
    made = [sessions.make("known") for _ in range(5)]
    for session, _ in made:
        sessions.end(session)
    assert len(sessions._ended) <= 3
    assert all(sessions.read(cookie) is None for _, cookie in made)


def test_a_login_is_known_again_without_argon2(hashed):
    login = Login(hashed)
    assert not login.known(SECRET)
    assert login.right(SECRET) and login.known(SECRET) and not login.known("x")
    assert not login.right("x" * (limits.MAX_WEB_SECRET + 1))
    assert not Login("").right("") and not Login("$argon2id$nonsense").right("x")


def test_no_websocket(visitor):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/", "headers": [], "state": {}}
    stack = visitor.app.middleware_stack or visitor.app.build_middleware_stack()
    asyncio.run(stack(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_pages_of_two_sessions_are_not_mixed_up(store, hashed):
    """A page that was rendered a moment ago is given again with the other session's form token;
    what answers a form is not kept at all."""
    one, two = Visitor(store), Visitor(store)
    two.app, two.client.app = one.app, one.client.app
    one.get("/messages")
    two.get("/messages")
    assert one.token != two.token
    assert one.token not in two.text
    assert two.post("/messages/mark", {"do": "nonsense"}).status_code == 400
    locked = Visitor(store, WebSettings(login=hashed, logins=100))
    for target in ("/runs", "/analytics"):
        locked.get("/login")
        page = locked.post("/login", {"secret": "wrong", "next": target}).text
        assert f'value="{target}"' in page


def test_serve_from_the_command_line(tmp_path, monkeypatch, capsys):
    """The hash that it prints opens the door; without one, others' addresses are refused."""
    import io

    from atlas_fast.cli import main

    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET + "\n"))
    assert main(["serve", "--hash"]) == 0
    assert Login(capsys.readouterr().out.strip()).right(SECRET)
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(["serve", "--hash"]) == 2
    assert main(["serve", "--store", str(tmp_path / "x.db"), "--host", "0.0.0.0"]) == 2
    assert "set a login first" in capsys.readouterr().err
    assert main(["serve", "--store", str(tmp_path / "x.db"), "--tls-cert", "x"]) == 2
    assert main(["serve", "--store", "postgresql://x/y", "--port", "0"]) == 2
    settings = tmp_path / "settings.toml"
    settings.write_text('[web]\nlogin = "secret"\n')
    monkeypatch.setenv("ATLAS_FAST_SETTINGS", str(settings))
    assert main(["serve", "--store", str(tmp_path / "x.db")]) == 2
    assert "must be the hash" in capsys.readouterr().err
