"""A students' package in a real JupyterLab, and a headless Chromium that looks at it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from streamgym.course.release import release
from streamgym.stack.ports import free_port

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ALONE = ["--disable-quic", "--disable-background-networking", "--disable-component-update"]
"""Keeps Chromium from asking the network for anything."""

SETTINGS = {
    "notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false"},
}
"""All cells are on the page, and nobody asks whether news may be fetched."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where JupyterLab serves a students' package, as ``streamgym lab`` starts it."""
    folder = tmp_path_factory.mktemp("browser")
    release(folder / "course")
    for name, settings in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    server = f"http://127.0.0.1:{(port := free_port())}"
    command = [Path(sys.executable).with_name("streamgym"), "lab", "--", "--no-browser"]
    options = [f"--port={port}", "--IdentityProvider.token=", "--allow-root"]
    own = {
        "STREAMGYM_COURSE": str(folder / "course"),
        "STREAMGYM_STATE": str(folder / "state"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
    }
    log = folder / "log"
    with log.open("w") as file:
        process = subprocess.Popen([*command, *options], env={**os.environ, **own}, stderr=file)
    try:
        assert _answers(f"{server}/api"), log.read_text()
        yield f"{server}/lab/tree"
    finally:
        process.terminate()
        process.wait(60)


@retry(
    retry=retry_if_exception_type(httpx.TransportError),
    stop=stop_after_delay(120),
    wait=wait_fixed(0.2),
    retry_error_callback=lambda _: False,
)
def _answers(url: str) -> bool:
    return httpx.get(url).is_success


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    if not CHROMIUM:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=CHROMIUM, args=ALONE, chromium_sandbox=False
        )
