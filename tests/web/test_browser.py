"""The pages in Chromium: no error, nothing asked of other hosts, usable at two widths, by keyboard,
in the dark, without JavaScript, and by people who cannot see them."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from browserrig import WIDTHS, browser_or_skip, browsing, chromium, screenshots, serving
from hostilemail import ALL
from webrig import fill, mail

from atlas_fast import triage
from atlas_fast.web.sessions import hash_of

PATHS = {
    "overview": "/", "performance": "/performance", "messages": "/messages",
    "filtered": "/messages?action=DELETED&text=order", "message": "/messages/1",
    "analytics": "/analytics?country=US", "validation": "/validation", "runs": "/runs",
    "run": "/runs/1", "accounts": "/accounts", "settings": "/settings", "nothing": "/messages?run=9",
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two runs: an mbox, and made-up mail of several kinds."""
    browser_or_skip()
    where = fill(tmp_path_factory.mktemp("browser"), [mail(n) for n in range(20)])
    triage("synthetic:400,1", store=where)
    with closing(sqlite3.connect(where)) as connection, connection:
        connection.execute(
            "UPDATE processed_emails_bulletproof SET confidence_score = 55 WHERE id IN (410, 411, 412)"
        )
        connection.execute(
            "INSERT INTO accounts (id, email_address, provider, host, port, encrypted_password) "
            "VALUES (7, 'ann@example.org', 'generic', '127.0.0.1', 0, '')"
        )
    return where


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(store):
    with serving(store) as found:
        yield found


def settled(page):
    """Figures are drawn."""
    if page.locator("figure[data-chart]").count():
        page.wait_for_selector("figure .plot svg.main-svg", state="attached")


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_loads(browser, address, tmp_path, width):
    where = screenshots(tmp_path)
    with browsing(browser, address, WIDTHS[width]) as (page, watch):
        for name, path in PATHS.items():
            answer = page.goto(path)
            assert answer.status == 200
            settled(page)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= WIDTHS[width], f"{path} is {wide} wide"
            page.screenshot(path=where / f"{name}-{width}.png", full_page=True)
            watch.none()
            assert page.evaluate("window.Plotly ? Plotly.version : 'none'") != ""


def test_in_the_dark(browser, address, tmp_path):
    where = screenshots(tmp_path)
    with browsing(browser, address, color_scheme="dark") as (page, watch):
        for name in ("overview", "messages", "message"):
            page.goto(PATHS[name])
            settled(page)
            page.screenshot(path=where / f"{name}-dark.png", full_page=True)
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(map(int, re.findall(r"\d+", dark)[:3])) < 60
        watch.none()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_accessibility(browser, address, scheme):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed"
    )
    with browsing(browser, address, color_scheme=scheme, bypass_csp=True) as (page, _):
        for name, path in PATHS.items():
            if scheme == "dark" and name not in ("overview", "message"):
                continue
            page.goto(path)
            settled(page)
            page.add_style_tag(content=".pulse { animation: none !important; }")
            found = axe.Axe().run(page).response["violations"]
            serious = [
                (one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]])
                for one in found if one["impact"] in ("serious", "critical")
            ]  # fmt: skip
            assert not serious, (path, serious)


def test_without_javascript(browser, address):
    """Figures are bars and tables, and changes go by forms."""
    with browsing(browser, address, java_script_enabled=False) as (page, watch):
        page.goto("/")
        assert page.locator("figure svg.bars rect").count() >= 1
        page.goto("/analytics")
        page.locator("summary").first.click()
        assert page.locator("figure table").first.is_visible()
        page.goto("/messages")
        page.locator("input[name=id]").first.check()
        page.get_by_role("button", name="Protect").click()
        assert "1 messages are protected" in page.get_by_role("status").inner_text()
        watch.none()


def test_correct_a_verdict(browser, address, store):
    with browsing(browser, address) as (page, watch):
        page.goto("/messages?action=DELETED")
        page.locator("td.subject a").first.click()
        page.wait_for_url(re.compile(r"/messages/\d+$"))
        number = page.url.rpartition("/")[2]
        page.get_by_label("It is rather").select_option("Legitimate")
        page.get_by_label("Why").fill("from a friend")
        page.get_by_role("button", name="Wrong").click()
        assert page.get_by_role("status").inner_text().startswith("Noted for 1")
        assert page.get_by_text("from a friend").is_visible()
        watch.none()
    with closing(sqlite3.connect(store)) as connection:
        found = connection.execute(
            "SELECT user_classification FROM user_feedback WHERE email_uid = ?", (f"internal_{number}",)
        ).fetchall()  # fmt: skip
    assert found == [("Not Spam",)]


def test_filter(browser, address):
    with browsing(browser, address) as (page, watch):
        page.goto("/messages")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "text"
        page.keyboard.type("lunch")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("text=lunch"))
        subjects = page.locator("td.subject a").all_inner_texts()
        assert len(subjects) == 20 and all("lunch" in one for one in subjects)
        watch.none()


def test_flag_many(browser, address, store):
    with browsing(browser, address) as (page, watch):
        page.goto("/messages?run=2")
        page.get_by_label("Choose all messages").check()
        assert page.locator("[data-count]").inner_text() == "50 chosen"
        page.locator("input[name=id]").nth(3).uncheck()
        page.get_by_role("button", name="Flag for deletion").click()
        page.wait_for_url(re.compile("done=deletion"))
        assert "49 messages are flagged" in page.get_by_role("status").inner_text()
        assert page.locator("td .chip", has_text="to delete").count() == 49
        watch.none()
    with closing(sqlite3.connect(store)) as connection:
        found = connection.execute("SELECT COUNT(*) FROM email_flags WHERE flag_type = 'DELETE'")
        assert found.fetchone()[0] == 49


def test_judge_by_keyboard(browser, address, store):
    with browsing(browser, address) as (page, watch):
        page.goto("/validation")
        first = page.locator("[data-case]").first
        assert first.get_attribute("aria-current") == "true"
        page.keyboard.press("r")
        page.locator("[data-told]").first.get_by_text("Noted: right.").wait_for()
        assert page.locator("[data-case]").nth(1).get_attribute("aria-current") == "true"
        page.keyboard.press("4")
        page.locator("[data-told]").nth(1).get_by_text("Noted: Scams.").wait_for()
        page.keyboard.press("k")
        assert page.locator("[data-case]").nth(1).get_attribute("aria-current") == "true"
        watch.none()
    with closing(sqlite3.connect(store)) as connection:
        found = connection.execute(
            "SELECT user_validated, category FROM processed_emails_bulletproof WHERE id IN (411, 412) "
            "ORDER BY id DESC"
        ).fetchall()
    assert [one[0] for one in found] == [1, 1] and found[1][1] == "Payment Scam"


def test_keyboard_alone_reaches_everything(browser, address):
    """A stop at the content first, then every link and button has a visible ring."""
    with browsing(browser, address) as (page, _):
        page.goto("/messages/1")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        seen = set()
        for _ in range(30):
            page.keyboard.press("Tab")
            seen.add(page.evaluate("document.activeElement.textContent.trim()"))
            ring = "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
            tag, style = page.evaluate(ring)
            assert style != "none" or tag == "BODY"
        assert {"Right", "Wrong", "False positive", "Protect"} <= seen


def test_settings(browser, address):
    with browsing(browser, address) as (page, watch):
        page.goto("/settings")
        page.get_by_label("New keyword").fill(ALL[2])
        page.locator("#keywords").get_by_role("button", name="Add").click()
        assert "Saved" in page.get_by_role("status").inner_text()
        assert page.locator("#keywords th").inner_text() == ALL[2]
        with page.expect_download() as download:
            page.get_by_role("link", name="Export").click()
        assert download.value.suggested_filename == "atlas_fast-preferences.json"
        page.locator("#keywords").get_by_role("button", name="Remove").click()
        assert page.locator("#keywords th").count() == 0
        page.get_by_label("An export of").set_input_files(download.value.path())
        page.get_by_role("button", name="Import").click()
        assert "1 entries were imported" in page.get_by_role("status").inner_text()
        watch.none()


def test_log_in(browser, store):
    secret = "a long enough secret"
    settings = store.parent / "settings.toml"
    settings.write_text(f'[web]\nlogin = "{hash_of(secret)}"\n')
    with (
        serving(store, ATLAS_FAST_SETTINGS=str(settings)) as found,
        browsing(browser, found) as (page, watch),
    ):
        page.goto("/messages?run=2")
        assert "/login?next=" in page.url
        page.get_by_label("Password").fill(secret)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(re.compile(r"/messages\?run=2$"))
        watch.none()
        page.get_by_role("button", name="Log out").click()
        assert page.get_by_role("status").inner_text() == "You are logged out."
        page.goto("/messages")
        assert "/login" in page.url


def begin_run(store, messages):
    """With a seed of its own: what a store has is passed over faster than a page looks."""
    return subprocess.Popen(
        [sys.executable, "-m", "atlas_fast", "demo", "--messages", str(messages), "--seed", str(messages),
         "--store", str(store)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ.copy(),
    )  # fmt: skip


def test_watch_a_run_and_its_end(browser, store, address, tmp_path):
    """It begins while the page is open; figures move without a reload; then it is history."""
    with browsing(browser, address) as (page, watch):
        page.goto("/performance")
        assert page.get_by_role("status").first.inner_text() == "No run is going on."
        run = begin_run(store, 150_000)
        try:
            page.wait_for_selector("[data-run]")
            page.evaluate("window.same = 1")
            seen = set()
            for _ in range(100):
                if not page.evaluate("window.same"):
                    break
                part = page.locator("[data-run] [data-f=messages]")
                if part.count():
                    seen.add(part.first.inner_text())
                if len(seen) == 3:
                    page.screenshot(path=screenshots(tmp_path) / "live.png", full_page=True)
                    break
                time.sleep(0.2)
            assert len(seen) >= 3, seen
            assert page.evaluate("window.same") == 1
            assert run.wait(120) == 0
        finally:
            run.kill()
            run.wait()
        page.get_by_text("No run is going on.").wait_for()
        assert "150,000" in page.locator("main").inner_text()
        watch.none()


def test_a_run_that_is_killed(browser, store, address, tmp_path):
    with browsing(browser, address) as (page, watch):
        run = begin_run(store, 500_000)
        try:
            page.goto("/performance")
            page.wait_for_selector("[data-run]")
            run.send_signal(signal.SIGKILL)
            run.wait()
            page.get_by_text("was stopped in the middle: its process is gone").wait_for()
        finally:
            run.kill()
            run.wait()
        page.screenshot(path=screenshots(tmp_path) / "killed.png", full_page=True)
        page.locator(".alert a").first.click()
        assert page.get_by_text("interrupted").first.is_visible()
        watch.none()


def test_the_server_stops_while_a_page_is_open(browser, store, tmp_path):
    """The page says so, and goes on when it is back at the same place."""
    with serving(store) as found, browsing(browser, found) as (page, _):
        page.goto("/performance")
        settled(page)
        page.context.set_offline(True)
        page.get_by_text("The server does not answer; trying again.").wait_for()
        page.context.set_offline(False)


def test_no_store_and_an_empty_one(browser, tmp_path):
    where = screenshots(tmp_path)
    with serving(tmp_path / "none.db") as found, browsing(browser, found, 360) as (page, watch):
        for path in ("/", "/performance", "/messages", "/settings"):
            page.goto(path)
            assert page.get_by_role("heading", name="There is no store yet").is_visible()
            watch.none()
        triage("synthetic:0,1", store=tmp_path / "none.db")
        page.goto("/messages")
        assert page.get_by_text("Nothing has been stored yet").is_visible()
        page.screenshot(path=where / "empty-phone.png")
        watch.none()
