"""Mail that attacks whoever shows it: on every page it is text."""

import re
import time
from html.parser import HTMLParser

import pytest
from browserrig import browsing, chromium, serving
from hostilemail import ALL, LONG, attack, mailbox
from webrig import Visitor, fill

from atlas_fast import limits
from atlas_fast.web.settings import WebSettings

LISTS = ("/", "/messages", "/validation", "/analytics", "/performance", "/runs", "/runs/1",
         "/accounts", "/settings")  # fmt: skip


class Elements(HTMLParser):
    """Tags, attributes that can run something, and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.found, self.handlers, self.addresses, self.inline = [], [], [], []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)
        for name, value in attributes:
            if name.startswith("on") or name == "style" or name == "srcdoc":
                self.handlers.append((tag, name))
            if name in ("href", "src", "action", "formaction", "data"):
                self.addresses.append(value)
        self._in_script = tag == "script"

    def handle_endtag(self, tag):
        self._in_script = False

    def handle_data(self, data):
        if self._in_script and data.strip():
            self.inline.append(data)


def harmless(text):
    """Only our own elements, nothing inline, no address but ours."""
    seen = Elements(text)
    assert not seen.handlers and not seen.inline
    assert not set(seen.found) & {"iframe", "object", "embed", "base", "style", "img", "math"}
    foreign = [one for one in seen.addresses if not re.match(r"/(?!/)|#|data:,$", one)]
    assert not foreign
    assert "\u202e" not in text and "\u200b" not in text and "\x00" not in text
    assert "\x1b" not in text and "49" not in re.findall(r">(49)<", text)
    assert len(text) < 1_500_000


@pytest.mark.parametrize(
    "text",
    ["<p onclick=x>", "<script>x</script>", "<a href=javascript:x>", "<iframe>", "<p style=x>",
     "\u202e", "<p>49</p>", "<a href=//evil.example>"],
)  # fmt: skip
def test_the_check_sees_attacks(text):
    with pytest.raises(AssertionError):
        harmless(text)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("hostile"), mailbox())


@pytest.fixture(scope="module")
def visitor(store):
    return Visitor(store)


def test_lists_show_text(visitor):
    for path in LISTS:
        answer = visitor.get(path)
        assert answer.status_code == 200, path
        harmless(answer.text)


def test_each_message_shows_text(visitor):
    seen = 0
    for number in range(1, len(ALL) + 1):
        answer = visitor.get(f"/messages/{number}")
        assert answer.status_code == 200
        harmless(answer.text)
        seen += "Received fields, the newest first" in answer.text  # was read again
    assert seen == len(ALL)


def test_templates_are_not_run(visitor):
    page = "".join(visitor.get(f"/messages/{n}").text for n in range(1, len(ALL) + 1))
    assert "{{ 7*7 }}" in page and "root:" not in page


def test_hidden_characters_are_shown(visitor):
    page = "".join(visitor.get(f"/messages/{n}").text for n in range(1, len(ALL) + 1))
    assert "\\u{202e}" in page and "\\u{200b}" in page


def test_long_values_are_cut(visitor):
    number = len(ALL)
    for back in range(len(LONG)):
        assert len(visitor.get(f"/messages/{number - back}").text) < 400_000


@pytest.mark.parametrize("text", [text for text in ALL if len(text) < 500], ids=repr)
def test_filters_say_what_was_asked_as_text(visitor, text):
    for name in (
        "text",
        "sender",
        "domain",
        "country",
        "category",
        "since",
        "run",
        "after",
        "flag",
    ):
        answer = visitor.get("/messages", params={name: text.encode("utf-8", "replace")})
        assert answer.status_code == 200
        harmless(answer.text)
    for path in ("/validation?category=", "/analytics?country=", "/?days=", "/messages/", "/runs/",
                 "/?done=", "/messages?done=judged&n="):  # fmt: skip
        value = re.sub(r"[^!-~]|[/?#%]", "x", text)
        answer = visitor.get(path + value)
        assert answer.status_code in (200, 404)
        harmless(answer.text)


def test_no_path_to_the_file_system(visitor, store):
    for path in ("/static/x/app.css", "/static/../app.py", "/static/%2e%2e/x", "/static/x/..%2fapp.py",
                 "/static//etc/passwd", "/messages/..%2f..%2fetc%2fpasswd", "/runs/../../x"):  # fmt: skip
        answer = visitor.get(path)
        assert answer.status_code in (400, 404, 405) or answer.url.path in ("/x", "/app.py"), path


def test_settings_made_of_attacks_are_text(tmp_path):
    settings = WebSettings(writes=10_000)
    visitor = Visitor(fill(tmp_path, [attack(1, "x")]), settings)
    visitor.get("/settings")
    for text in ALL:
        value = text.encode("utf-8", "replace").decode()[: limits.MAX_WEB_SEARCH]
        for name in ("keywords", "whitelist", "protected"):
            answer = visitor.post(f"/settings/{name}", {"value": value, "kind": "sender"})
            assert answer.status_code in (303, 400)
        assert visitor.post("/settings/relays", {"value": value}).status_code in (303, 400)
    page = visitor.get("/settings").text
    harmless(page)
    assert "{{ 7*7 }}" in page


def test_no_script_runs_in_a_browser(store):
    """And the pages stay usable: lists, every message, a correction of one of them."""
    with (
        chromium() as browser,
        serving(store) as address,
        browsing(browser, address) as (page, watch),
    ):
        begin = time.monotonic()
        for path in [*LISTS, *(f"/messages/{n}" for n in range(1, len(ALL) + 1))]:
            page.goto(path)
            assert page.evaluate("window.owned") is None, path
            assert page.title().endswith(" · atlas_fast")
        watch.none()
        assert not watch.dialogs
        page.goto("/messages/3")
        page.get_by_role("button", name="False positive").click()
        assert page.get_by_role("status").inner_text().startswith("Noted for 1")
        assert page.get_by_role("heading", level=1).inner_text().startswith("<img src=x onerror")
        watch.none()
        assert time.monotonic() - begin < 120
