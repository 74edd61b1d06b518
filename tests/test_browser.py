"""A learner's view: a notebook opened in JupyterLab in a real browser, its slider moved."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
TOKEN = "learner"
CELLS = [
    "from daformer_lib import viz\nfrom daformer_lib.data.scenes import draw_scene",
    "image, label = draw_scene('minigta', 'train', 0, 0)\n"
    "viz.slider_picture(lambda share: viz.blend(image, 255 - image, share), [0.0, 0.5, 1.0],"
    " initial=0.0, description='share')",
]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
]  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium: install it to run the browser test"),
]


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on the loopback interface, with one notebook; yields its address."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, tmp_path / "slider.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={tmp_path}",
    ]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "DAFORMER_BATCH"}
    with (tmp_path / "lab.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            wait_for_port(port, tmp_path / "lab.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


def wait_for_port(port: int, log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.3)
    raise TimeoutError(log.read_text()[-2000:])


@pytest.mark.timeout(480)
def test_slider_redraws_the_picture(lab, tmp_path):
    from playwright.sync_api import Error as PlaywrightError
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.set_default_timeout(120_000)  # milliseconds; a busy machine is slow to start
        page.goto(f"{lab}/lab/tree/slider.ipynb?token={TOKEN}", wait_until="domcontentloaded")
        page.get_by_text("slider_picture").first.wait_for()
        # Before its kernel is there, JupyterLab takes "Run All Cells" and runs nothing.
        idle = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
        page.locator(idle).first.wait_for(state="attached")
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name=re.compile("^Run All Cells")).first.click()
        slider = page.locator(".jp-OutputArea .widget-slider, .jp-OutputArea .noUi-handle").first
        try:
            slider.wait_for(timeout=180_000)
        except PlaywrightError:
            log = (tmp_path / "lab.log").read_text()[-3000:]
            pytest.fail(f"no slider; the page says:\n{page.inner_text('body')[:3000]}\n{log}")
        picture = page.locator(".jp-OutputArea img.widget-image").first
        picture.wait_for()
        before = picture.get_attribute("src")
        pixels_before = picture.screenshot()
        page.locator(".jp-OutputArea .noUi-handle").first.press("ArrowRight")
        page.wait_for_function(
            "src => document.querySelector('.jp-OutputArea img.widget-image').src !== src",
            arg=before,
        )
        page.wait_for_timeout(500)
        assert picture.screenshot() != pixels_before
        # The still twin, which needs no kernel, is there too.
        assert page.locator(".jp-OutputArea img:not(.widget-image)").count() >= 1
        page.screenshot(path=os.environ.get("SCREENSHOT", str(tmp_path / "lab.png")))
        browser.close()
