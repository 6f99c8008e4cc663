"""The page of a simulation, as a real browser lays it out: Chromium, over its debugging pipe.

Skipped where there is none; CTXASR_CHROMIUM names it where it is not on the PATH.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from simulation_documents import document

from ctxasr.report.simulation_page import write_page

ANSWER_S_MAX = 60.0
"""A browser on a busy machine takes some seconds to start."""

SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """Chromium's debugging protocol over a pipe: JSON texts, each ended by a zero byte.

    A library for this brings a browser or a server of its own; here a pipe is enough.
    """

    def __init__(self, program: str, profile: Path) -> None:
        from_us, self._to_browser = os.pipe()
        self._from_browser, from_browser = os.pipe()

        def hand_over() -> None:  # Chromium reads its file descriptor 3 and writes to 4
            high = [os.dup(one) for one in (from_us, from_browser)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [program, *SWITCHES, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            close_fds=False, start_new_session=True,
            preexec_fn=hand_over,  # noqa: PLW1509  safe with threads: it makes system calls only
        )  # fmt: skip
        os.close(from_us)
        os.close(from_browser)
        self._read, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self.ask("Browser.close")
        try:
            self._process.wait(ANSWER_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to_browser)
        os.close(self._from_browser)

    def open(self, url: str) -> None:
        """A page of its own, loaded; what it logs and asks for is among the events."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Page.navigate", url=url)
        while not any(one["method"] == "Page.loadEventFired" for one in self.events):
            self._take()

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session and not method.startswith(("Browser", "Target")):
            message["sessionId"] = self._session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        while True:
            found = self._take()
            if found.get("id") == self._number:
                assert "error" not in found, f"{method}: {found['error']}"
                result: dict[str, Any] = found["result"]
                return result

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is in the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def screen(self, width: int, scheme: str = "light") -> None:
        """A screen so wide, for eyes that want it light or dark."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900,
                 deviceScaleFactor=1, mobile=False)  # fmt: skip
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", features=media)

    def picture(self, path: Path) -> None:
        """Of the whole page, as PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _take(self) -> dict[str, Any]:
        deadline = time.monotonic() + ANSWER_S_MAX
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._from_browser], [], [], deadline - time.monotonic())
            assert ready, "the browser does not answer"
            part = os.read(self._from_browser, 1 << 20)
            assert part, "the browser has ended"
            self._read += part
        text, _, self._read = self._read.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        if "method" in found:
            self.events.append(found)
        return found


def find_browser() -> str:
    named = os.environ.get("CTXASR_CHROMIUM")
    names = (named,) if named else ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if named and not found:
        pytest.fail(f"CTXASR_CHROMIUM={named}: there is no such program")
    if not found:
        pytest.skip("no Chromium on the PATH (Debian: apt install chromium)")
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser that shows the page."""
    program, folder = find_browser(), tmp_path_factory.mktemp("browser")
    path = folder / "fleet.html"
    write_page(document(), path)
    with Browser(program, folder / "profile") as one:
        one.open(path.as_uri())
        yield one


def test_nothing_is_asked_for_and_nothing_complains(browser: Browser) -> None:
    asked = [
        one["params"]["request"]["url"]
        for one in browser.events
        if one["method"] == "Network.requestWillBeSent"
    ]
    assert len(asked) == 1, asked
    assert asked[0].endswith("fleet.html")
    complaints = {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled",
                  "Network.loadingFailed"}  # fmt: skip
    assert [one for one in browser.events if one["method"] in complaints] == []


@pytest.mark.parametrize("width", [400, 768, 1_280])
def test_every_plot_and_table_is_laid_out(browser: Browser, width: int) -> None:
    browser.screen(width)
    plots = browser.value(
        "[...document.querySelectorAll('figure svg')].map(one => {"
        " const box = one.getBoundingClientRect(), drawn = one.getBBox();"
        " return [box.width, box.height, drawn.width, drawn.height, one.textContent.length]; })"
    )
    assert len(plots) == 8
    for box_width, box_height, drawn_width, drawn_height, letters in plots:
        assert min(width, 500) * 0.7 < box_width <= width
        assert box_height > 60
        assert drawn_width > 400
        assert drawn_height > 60
        assert letters > 100
    tables = browser.value(
        "[...document.querySelectorAll('table')].map(one => [one.innerText.length,"
        " one.getBoundingClientRect().height, one.closest('.scroll').clientWidth])"
    )
    assert len(tables) >= 12
    for letters, height, room in tables:
        assert letters > 30
        assert height > 60
        assert room > 200
    text = browser.value("document.body.innerText")
    for words in ("A fleet of 10,000 dialogues", "97.27%", "41.6%", "2\N{EN DASH}3", "seed 7"):
        assert words in text


@pytest.mark.parametrize("width", [320, 400, 768, 1_280, 2_560])
def test_the_page_never_scrolls_sideways(browser: Browser, width: int) -> None:
    browser.screen(width)
    assert browser.value("document.documentElement.scrollWidth") <= width
    outside = browser.value(
        "[...document.querySelectorAll('body *')].filter(one => !one.closest('.scroll, pre, svg')"
        " && one.getBoundingClientRect().right > innerWidth + 0.5).map(one => one.outerHTML)"
    )
    assert outside == []


TEXT_COLOURS = """
(() => {
  const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = colour => rgb(colour).map(one => one / 255)
    .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const contrast = colour => {
    const [low, high] = [light(colour), paper].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const least = list => Math.min(...list);
  const shapes = [...document.querySelectorAll('figure svg :is(path, use, rect)')]
    .map(one => getComputedStyle(one))
    .flatMap(style => [style.fill, style.stroke])
    .filter(colour => colour.startsWith('rgb('));
  const series = [1, 2, 3, 4, 5, 6].map(at => {
    const probe = document.createElement('i');
    probe.style.color = `var(--series-${at})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  });
  return {
    paper,
    texts: least([...document.querySelectorAll('p, td, th, dt, dd, li, a, caption, pre, h1, h2')]
      .map(one => contrast(getComputedStyle(one).color))),
    drawn: least([...document.querySelectorAll('svg text')]
      .map(one => contrast(getComputedStyle(one).fill))),
    series: least(series.map(contrast)),
    shown: series.filter(one => shapes.includes(one)).length,
  };
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_curves_stand_out_light_and_dark(browser: Browser, scheme: str) -> None:
    """WCAG 2.2: text at least 4.5 to 1, what a plot draws at least 3 to 1."""
    browser.screen(1_280, scheme)
    found = browser.value(TEXT_COLOURS)
    assert (found["paper"] > 0.8) == (scheme == "light")
    assert found["texts"] >= 4.5
    assert found["drawn"] >= 4.5
    assert found["series"] >= 3.0
    assert found["shown"] == 6, "every colour of the page is one of a plot's"


def test_screen_readers_are_told_of_plots_and_tables(browser: Browser) -> None:
    browser.ask("Accessibility.enable")
    nodes = browser.ask("Accessibility.getFullAXTree")["nodes"]
    named = {
        role: [
            node.get("name", {}).get("value", "")
            for node in nodes
            if not node["ignored"] and node["role"]["value"] == role
        ]
        for role in ("image", "img", "table", "region", "heading", "columnheader")
    }
    plots = named["image"] + named["img"]
    assert len(plots) == 8
    assert all(len(name) > 20 for name in plots)
    assert len(named["table"]) >= 12
    assert all(named["table"])
    assert len(named["heading"]) == 10
    assert len(named["columnheader"]) > 40
