"""The page that `--html` writes, in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.command_line import FAILS, INVALID, ROOT, CommandLine
from tests.playing import lacking

AXE = ROOT / "tests" / "node" / "node_modules" / "axe-core" / "axe.min.js"
MOST = 2 * 1024 * 1024  # bytes of the page of the whole pack
DEADLOCK = """
name: both wait
roles:
  server: {protocol: tcp, side: server, steps: [{expect: "a"}, {send: "b"}]}
  client: {side: client, to: server, steps: [{expect: "b"}, {send: "a"}]}
"""


class Browser:
    """Chromium with a page of ours."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, path: Path, scheme: str = "light") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self._driver.get(path.resolve().as_uri())
        self._filled()

    def click(self, element: WebElement) -> None:
        element.click()
        self._filled()

    def _filled(self) -> None:
        """Wait until what is open has been drawn: the event 'toggle' comes a task later (HTML, section 4.11.1)."""
        WebDriverWait(self._driver, 30, 0.01).until(lambda _: not self.all("details[open]:not(:has(.body))"))

    def complaints(self) -> list[Any]:
        """What is in its console since it was last looked at."""
        return list(self._driver.get_log("browser"))  # type: ignore[no-untyped-call]

    def all(self, selector: str) -> list[WebElement]:
        """Those that are shown."""
        return [one for one in self._driver.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()]

    def one(self, selector: str) -> WebElement:
        (found,) = self.all(selector)
        return found

    def texts(self, selector: str) -> list[str]:
        return [one.text for one in self.all(selector)]

    def press(self, *keys: str) -> None:
        for key in keys:
            self._driver.switch_to.active_element.send_keys(key)

    @property
    def title(self) -> str:
        return self._driver.title

    def barriers(self) -> list[tuple[str, str]]:
        """What axe-core finds that is serious, or worse."""
        self._driver.execute_script(AXE.read_text("utf-8"))
        found = self._driver.execute_async_script("axe.run().then(arguments[0])")
        grave = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
        return [(one["id"], node["html"]) for one in grave for node in one["nodes"]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        lacking("chromium or chromedriver is not there")
    if not AXE.exists():
        lacking("axe-core is not there: npm ci --prefix tests/node")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield Browser(started)
    started.quit()


def page(sockrun: CommandLine, **files: str) -> Path:
    """The page of these scenarios, which need not pass."""
    for name, text in files.items():
        sockrun.write(f"{name}.yaml", text)
    sockrun("run", ".", "--html", "page.html")
    return sockrun.folder / "page.html"


def told(path: Path) -> Any:
    found = re.search('<script type="application/json" id="data">(.*)</script>', path.read_text())
    assert found is not None
    return json.loads(found[1])


# --- what is seen ------------------------------------------------------------------------------


def test_a_mismatch_is_seen_beside_the_step_that_caused_it(sockrun: CommandLine, browser: Browser) -> None:
    browser.open(page(sockrun, bad=FAILS))
    assert browser.title.startswith("sockrun: 1 failed in ")
    assert browser.texts("summary h2") == ["bad.yaml"]
    assert "byte 1 is 0x6f, not 0x61" in browser.one(".why").text
    assert [one.text for one in browser.all("svg .who")] == ["client", "server"]
    assert 'server → client: "pong\\n"' in browser.one(".rows [aria-pressed=true]").text
    assert browser.texts("mark.chosen") == ['"pong\\n"']
    assert browser.texts("mark.taken") == ['expect: "pang\\n"', "        note: the answer"]
    assert browser.one(".bytes").text == "00000000  70 6f 6e 67 0a                                    |pong.|"
    assert browser.complaints() == []


def test_a_deadlock_is_seen_on_both_lifelines(sockrun: CommandLine, browser: Browser) -> None:
    browser.open(page(sockrun, bad=DEADLOCK))
    stuck = browser.texts(".rows .failed")
    assert sorted(stuck) == ['client waits for "b" from server', 'server waits for "a" from client']
    assert len(browser.all("svg .wait.failed")) == 2


def test_what_has_passed_is_drawn_when_it_is_opened(sockrun: CommandLine, browser: Browser) -> None:
    sockrun.passing("a.yaml")
    sockrun.passing("b.yaml")
    browser.open(page(sockrun))
    assert browser.all("svg") == []
    browser.click(browser.all("summary")[1])
    assert len(browser.all("svg")) == 1
    browser.click(browser.all(".rows button")[1])
    assert browser.one(".bytes").text.endswith("|ping|")


def test_an_arrow_is_clicked_like_its_row(sockrun: CommandLine, browser: Browser) -> None:
    browser.open(page(sockrun, bad=FAILS))
    browser.click(browser.all("svg .label")[1])
    assert 'client → server: "ping\\n"' in browser.one(".rows [aria-pressed=true]").text


def test_an_invalid_file_and_what_was_skipped_are_there_with_the_reason(sockrun: CommandLine, browser: Browser) -> None:
    sockrun.passing("c.yaml")
    lacks = (sockrun.folder / "c.yaml").read_text() + "requires: {command: [no-such-program]}\n"
    browser.open(page(sockrun, a=INVALID, c=lacks))
    assert browser.texts("summary .status") == ["INVALID", "SKIPPED"]
    assert "unknown key 'paylod'" in browser.one(".why").text
    browser.click(browser.all("summary")[1])
    assert "no-such-program" in browser.texts(".why")[1]


def test_an_included_file_is_shown_where_its_step_is(sockrun: CommandLine, browser: Browser) -> None:
    sockrun.write("part.inc", 'steps: [send: "from elsewhere"]\n')
    text = """
roles:
  server: {protocol: tcp, side: server, expect: "from here"}
  client: {side: client, to: server, steps: [include: part.inc]}
"""
    browser.open(page(sockrun, bad=text))
    assert "part.inc" in browser.texts(".beside h3")
    assert browser.texts("mark.chosen") == ['send: "from elsewhere"']


# --- how it is used ----------------------------------------------------------------------------


def test_it_is_used_with_the_keyboard_alone(sockrun: CommandLine, browser: Browser) -> None:
    sockrun.passing("a.yaml")
    browser.open(page(sockrun, bad=FAILS))
    browser.press("/")
    browser.press("bad.yaml", Keys.TAB)
    assert browser.texts("summary h2") == ["bad.yaml"]
    assert browser.one("#shown").text == "1 of 2 shown"
    browser.one(".rows [aria-pressed=true]").send_keys(Keys.HOME)
    assert "connect" in browser.one(".rows [aria-pressed=true]").text
    browser.press(Keys.ARROW_DOWN)
    assert 'client → server: "ping\\n"' in browser.one(".rows button:focus").text
    assert browser.one(".bytes").text.endswith("|ping.|")


def test_scenarios_are_filtered_by_how_they_ended(sockrun: CommandLine, browser: Browser) -> None:
    sockrun.passing("a.yaml")
    browser.open(page(sockrun, bad=FAILS))
    assert browser.texts("#statuses label") == ["1 failed", "1 passed"]
    browser.click(browser.all("#statuses label")[0])
    assert browser.texts("summary h2") == ["a.yaml"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(sockrun: CommandLine, browser: Browser, scheme: str) -> None:
    sockrun.passing("a.yaml")
    browser.open(page(sockrun, bad=FAILS, worse=DEADLOCK, worst=INVALID), scheme)
    for summary in browser.all("details:not([open]) summary"):
        browser.click(summary)
    assert len(browser.all("svg")) == 3
    assert browser.barriers() == []


# --- what it is made of ------------------------------------------------------------------------


def test_nothing_of_a_run_becomes_markup(sockrun: CommandLine, browser: Browser) -> None:
    evil = "</script><img src=x onerror=alert(1)><!--"
    text = FAILS.replace("wrong answer", f'"{evil}"').replace("pong", evil).replace("the answer", evil)
    browser.open(page(sockrun, bad=text))
    assert browser.one(".name").text == evil
    assert evil in browser.one(".rows [aria-pressed=true]").text
    assert browser.all("img") == []
    assert browser.complaints() == []


def test_bytes_of_a_secret_are_hidden_too(sockrun: CommandLine) -> None:
    text = """
secrets: {password: hunter2}
roles:
  server: {protocol: tcp, side: server, expect: {length: 7}, payload: "no"}
  client: {side: client, to: server, payload: "${password}", expect: "yes"}
"""
    found = told(page(sockrun, a=text))
    data = [b64decode(row["data"]) for one in found["scenarios"] for row in one["rows"] if "data" in row]
    assert b"*" * 7 in data
    assert "hunter2" not in json.dumps(found)


def test_the_whole_pack_is_a_small_page_without_a_complaint(sockrun: CommandLine, browser: Browser) -> None:
    sockrun("run", str(ROOT / "scenarios"), "--html", "page.html", "-q")
    path = sockrun.folder / "page.html"
    assert path.stat().st_size < MOST
    browser.open(path)
    scenarios = told(path)["scenarios"]
    assert len(browser.all("summary")) == len(scenarios) > 80
    assert [one for one in scenarios if one["status"] not in ("passed", "skipped")] == []
    browser.click(browser.all("summary")[0])
    assert browser.complaints() == []
    assert browser.barriers() == []


def test_worker_processes_give_the_same_page(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    page(sockrun, bad=FAILS)
    sockrun("run", ".", "--html", "jobs.html", "--jobs", "2")
    alone, together = (
        {one["id"]: [row.get("words") for row in one["rows"]] for one in told(sockrun.folder / name)["scenarios"]}
        for name in ("page.html", "jobs.html")
    )
    assert alone == together
