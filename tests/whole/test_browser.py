"""A learner's view: notebooks opened in JupyterLab in a real browser, their controls moved."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
INSTALL = (
    "no chromium on the PATH, so nothing was tried in a browser; install it (Debian and Ubuntu: "
    "apt-get install chromium) and run the test again"
)
TOKEN = "learner"
CELLS = [
    "from daformer_lib import viz\nfrom daformer_lib.data.drawn.scenes import draw_scene",
    "image, label = draw_scene('minigta', 'train', 0, 0)\n"
    "viz.slider_picture(lambda share: viz.blend(image, 255 - image, share), [0.0, 0.5, 1.0],"
    " initial=0.0, description='share')",
]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
]  # fmt: skip

pytestmark = pytest.mark.slow


def require_browser(browser: str | None, ci: bool) -> str:
    """The browser's path. Without one a check of a submission (CI is set) fails, others skip."""
    if browser is None:
        (pytest.fail if ci else pytest.skip)(INSTALL)
    return browser


@pytest.fixture(scope="session")
def chromium() -> str:
    return require_browser(BROWSER, bool(os.environ.get("CI")))


CHAPTER = Path(__file__).parents[2] / "notebooks" / "07_pseudo_label_comparison.ipynb"
SETTINGS = {  # all cells are in the page, wherever it is scrolled to; nobody asks about news
    "notebook-extension/tracker": '{"windowingMode": "none"}',
    "apputils-extension/notification": '{"fetchNews": "false"}',
}
BYTES = "async image => [...new Uint8Array(await (await fetch(image.src)).arrayBuffer())]"
STARTED = re.compile(r"^\[(\*|\d+)\]:$")  # the prompt of a cell that runs or has run
TRIES = 8
IDLE = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'


@pytest.fixture
def lab(tmp_path):
    """JupyterLab with one small notebook; yields its address."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, tmp_path / "slider.ipynb")
    with served(tmp_path) as address:
        yield address


@pytest.fixture
def chapter_lab(tmp_path):
    """JupyterLab with chapter 07 as a learner has it before the first run: without outputs."""
    book = nbformat.read(CHAPTER, as_version=4)
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(book, tmp_path / CHAPTER.name)
    profile = os.environ.get("DAFORMER_PROFILE", "smoke")
    with served(tmp_path, {"DAFORMER_PROFILE": profile, "OMP_NUM_THREADS": "1"}) as address:
        yield address


@contextmanager
def served(folder: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    """JupyterLab on the loopback interface, over a folder."""
    settings = folder / "settings"
    for name, values in SETTINGS.items():
        path = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(values)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}",
        f"--LabApp.user_settings_dir={settings}",
    ]  # fmt: skip
    known = {k: v for k, v in os.environ.items() if k != "DAFORMER_BATCH"}
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=known | (environment or {}))
        try:
            wait_for_port(port, folder / "lab.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


def wait_for_port(port: int, log: Path, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.3)
    raise TimeoutError(log.read_text()[-2000:])


def open_and_run(page, address: str, text: str) -> None:
    """Open a notebook that holds the text, and run all its cells."""
    from playwright.sync_api import TimeoutError as NotYet

    page.set_default_timeout(300_000)  # milliseconds; a busy machine is slow to start
    page.goto(address, wait_until="domcontentloaded")
    page.get_by_text(text).first.wait_for()
    page.locator(IDLE).first.wait_for(state="attached")
    for _ in range(TRIES):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name=re.compile("^Run All Cells")).first.click()
        try:
            page.get_by_text(STARTED).first.wait_for(timeout=15_000)
            return
        except NotYet:  # before its kernel is there, JupyterLab takes the order and runs nothing
            continue
    pytest.fail(f"no cell ran; the page says:\n{page.inner_text('body')[-2000:]}")


@pytest.mark.timeout(480)
def test_slider_redraws_the_picture(chromium, lab, tmp_path):
    from playwright.sync_api import Error as PlaywrightError
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        open_and_run(page, f"{lab}/lab/tree/slider.ipynb?token={TOKEN}", "slider_picture")
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


class Explorer:
    """Chapter 07's comparison in the page: its picture and its controls, by their labels."""

    def __init__(self, page) -> None:
        self.page = page
        row = page.locator(".jp-OutputArea .widget-vbox", has=page.get_by_text("cross x"))
        self.box = row.first
        self.picture = self.box.locator("img.widget-image").first

    def control(self, label: str, part: str):
        of_label = self.page.locator("label", has_text=re.compile(f"^{label}$"))
        return self.box.locator(".widget-inline-hbox", has=of_label).first.locator(part).first

    def pixels(self) -> bytes:
        """The PNG that the browser shows."""
        return bytes(self.picture.evaluate(BYTES))

    def changed(self, move) -> None:
        """The move leads to another picture, and to no error."""
        before, source = self.pixels(), self.picture.get_attribute("src")
        move()
        self.page.wait_for_function(
            "([image, src]) => image.src !== src && image.complete",
            arg=[self.picture.element_handle(), source],
        )
        assert self.pixels() != before
        assert self.page.locator(ERRORS).count() == 0


ERRORS = '.jp-OutputArea [data-mime-type="application/vnd.jupyter.error"], .widget-html pre'


@pytest.mark.timeout(480)
def test_comparison_is_explored(chromium, chapter_lab, tmp_path):
    from playwright.sync_api import Error as PlaywrightError
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 1300})
        address = f"{chapter_lab}/lab/tree/{CHAPTER.name}?token={TOKEN}"
        open_and_run(page, address, "explore_comparison")
        explorer = Explorer(page)
        try:
            explorer.picture.wait_for(timeout=600_000)  # runs that no test has made are trained
            page.get_by_text("comparison.html: ").first.wait_for(timeout=600_000)  # the last cell
        except PlaywrightError:
            log = (tmp_path / "lab.log").read_text()[-3000:]
            pytest.fail(f"not run; the page says:\n{page.inner_text('body')[-3000:]}\n{log}")
        assert page.locator(ERRORS).count() == 0
        # Still twins, which need no kernel, stand beside the picture.
        assert page.locator(".jp-OutputArea img:not(.widget-image)").count() >= 10
        explorer.changed(lambda: explorer.control("step", ".noUi-handle").press("Home"))
        explorer.changed(lambda: explorer.control("view", "select").select_option("confidence"))
        explorer.changed(lambda: explorer.control("threshold", ".noUi-handle").press("Home"))
        explorer.changed(lambda: explorer.control("view", "select").select_option("error"))
        explorer.picture.scroll_into_view_if_needed()
        explorer.box.screenshot(path=os.environ.get("SCREENSHOT", str(tmp_path / "lab.png")))
        browser.close()
