"""What a learner does in the browser: the start page, an exercise failed and passed, a slider."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

SHOTS = Path(os.environ.get("STREAMGYM_SHOTS", "build/screenshots"))
"""Where screenshots are kept, to be looked at."""

WRONG = """def tumbling(time: datetime, size: timedelta) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)"""
RIGHT = """def tumbling(time: datetime, size: timedelta) -> datetime:
    return EPOCH + (time - EPOCH) // size * size"""
SLOW_MS = 120_000
"""How long a cell may take on a busy machine."""

expect.set_options(timeout=SLOW_MS)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new window; whatever goes wrong on its console fails the test."""
    window = browser.new_page(viewport={"width": 1280, "height": 900})
    window.set_default_timeout(SLOW_MS)
    errors: list[str] = []
    window.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    window.on("pageerror", lambda error: errors.append(str(error)))
    yield window
    shoot(window, "last")
    window.close()
    assert errors == []


def opened(page: Page, notebook: str) -> Locator:
    """Open a notebook, and nothing else; wait for its kernel, and return its cells."""
    page.goto(f"{notebook}?reset")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")


def run(cell: Locator) -> None:
    """Run a cell, and wait until it has run."""
    cell.locator(".cm-content").click()
    cell.page.keyboard.press("Control+Enter")
    prompt = cell.locator(".jp-InputPrompt").first
    expect(prompt).to_have_text(re.compile(r"\[\d+\]:"))


def write(cell: Locator, text: str) -> None:
    """Replace what a cell holds, as by typing."""
    cell.locator(".cm-content").click()
    cell.page.keyboard.press("Control+a")
    cell.page.keyboard.insert_text(text)


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def cell_with(cells: Locator, text: str) -> Locator:
    return cells.filter(has=cells.page.locator(".cm-content", has_text=text)).first


def test_from_the_start_page_to_a_passed_exercise(page, address):
    start = opened(page, f"{address}/notebooks/00_start.ipynb")
    run(cell_with(start, "open_desk()"))
    desk = page.locator(".jp-OutputArea", has_text="Windowing")
    expect(desk.first).to_be_visible()
    shoot(page, "start")

    cells = opened(page, f"{address}/labs/03_windowing/lab.ipynb")
    run(cell_with(cells, "lab = Lab("))
    answer, check = cell_with(cells, "def tumbling("), cell_with(cells, 'lab.check("tumbling")')
    write(answer, WRONG)
    run(answer)
    run(check)
    expect(check).to_contain_text("failed · 0 of 10 points")
    expect(check).to_contain_text("Hint A window may be longer than an hour")
    check.scroll_into_view_if_needed()
    shoot(page, "failed")
    write(answer, RIGHT)
    run(answer)
    run(check)
    expect(check).to_contain_text("passed · 10 of 10 points")
    shoot(page, "passed")

    start = opened(page, f"{address}/notebooks/00_start.ipynb")
    run(cell_with(start, "open_desk()"))
    expect(desk.first).to_contain_text("10 of 110")
    shoot(page, "progress")


def test_the_windowing_widget_is_dragged(page, address):
    cells = opened(page, f"{address}/labs/03_windowing/lab.ipynb")
    for text in ("lab = Lab(", "morning = flights.departures("):
        run(cell_with(cells, text))
    widget = cell_with(cells, "pictures.explore(")
    run(widget)
    picture = widget.locator(".jp-OutputArea img")
    before = picture.get_attribute("src")
    handle = widget.locator(".noUi-handle").nth(1)
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 40, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    expect(picture).not_to_have_attribute("src", before or "")
    shoot(page, "widget")


CONTRASTS = """() => {
  const channels = color => color.match(/[\\d.]+/g).map(Number)
  const light = color => {
    const [r, g, b] = channels(color).slice(0, 3).map(c => c / 255)
      .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = one => {
    const color = getComputedStyle(one).backgroundColor
    return channels(color)[3] === 0 && one.parentElement ? behind(one.parentElement) : color
  }
  return [...document.querySelectorAll('.sg *')]
    .filter(one => [...one.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
    .map(one => {
      const [a, b] = [light(getComputedStyle(one).color), light(behind(one))]
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), one.textContent.slice(0, 60)]
    })
}"""
"""The contrast of each text of ours with what is behind it (WCAG 2.2, "contrast ratio")."""

LEAST_CONTRAST = 3.0
"""What WCAG 2.2 asks for large or bold text, and for graphics; all of ours has at least that."""


def choose_theme(page: Page, name: str) -> None:
    page.locator(".lm-MenuBar-itemLabel:text-is('Settings')").click()
    page.locator(".lm-Menu-itemLabel:text-is('Theme')").hover()
    page.locator(f".lm-Menu-itemLabel:text-is('{name}')").click()


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_all_can_be_read_in_either_theme(page, address, theme):
    start = opened(page, f"{address}/notebooks/00_start.ipynb")
    choose_theme(page, theme)
    expect(page.locator(f"body[data-jp-theme-name='{theme}']")).to_be_attached()
    run(cell_with(start, "open_desk()"))
    expect(page.locator(".sg.desk").first).to_be_visible()
    shoot(page, theme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 100
    assert [(text, contrast) for contrast, text in found if contrast < LEAST_CONTRAST] == []


def test_the_start_page_needs_no_mouse(page, address):
    start = opened(page, f"{address}/notebooks/00_start.ipynb")
    start.nth(1).locator(".cm-content").focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".sg.desk").first).to_be_visible()
    page.keyboard.press("Escape")
    tab_to(page, "input[placeholder^='search']")
    page.keyboard.type("watermark")
    expect(page.locator(".widget-html a").first).to_be_visible()
    tab_to(page, ".widget-html a")
    page.keyboard.press("Enter")
    lab = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)", has_text="watermark")
    expect(lab.locator(".jp-Cell").first).to_be_visible()


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is on an element that a CSS selector matches."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"no way to {selector} with Tab")
