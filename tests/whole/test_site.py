"""`make site`: every page is there as committed, every link leads somewhere, nothing is fetched."""

import base64
import os
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from tests.whole.test_browser import BROWSER, FLAGS, require_browser

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
# The command of `make site`, in a process that cannot reach any other, kernels included.
BUILD = """
import socket, sys
def refused(*_, **__):
    raise OSError("the site is built without any connection")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refused
from sphinx.cmd.build import main
sys.exit(main(sys.argv[1:]))
"""
FETCHED = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src")}

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """What a page links to, what it fetches, and the places that links into it can name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes) -> None:
        for name, value in attributes:
            if name == "id":
                self.places.add(value)
            elif (tag, name) in FETCHED:
                self.fetched.append(value)
            elif (tag, name) == ("a", "href"):
                self.links.append(value)


@cache
def page(path: Path) -> Page:
    return Page(path)


def build(source: Path, output: Path) -> subprocess.CompletedProcess:
    made = ("-q", "-E", "-a", "-W", "--keep-going", "-c", "docs", "-d", output.with_name("trees"))
    return subprocess.run(
        [sys.executable, "-c", BUILD, *map(str, made), ".", str(output)],
        cwd=source, capture_output=True, text=True, timeout=400,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("site") / "pages"
    made = build(ROOT, output)
    assert made.returncode == 0, made.stderr[-3000:]
    return output


@pytest.mark.timeout(500)
def test_every_committed_text_is_a_page(site):
    folders = ["docs/*", "results", "notebooks", "daformer_lib/weights/*", "tests/golden*"]
    texts = [path for f in folders for path in ROOT.glob(f"{f}/*") if is_text(path)]
    assert len(texts) > 25
    pages = [(site / text.relative_to(ROOT)).with_suffix(".html") for text in texts]
    assert [str(page) for page in pages if not page.exists()] == []


def is_text(path: Path) -> bool:
    return path.suffix in (".md", ".ipynb") and not path.name.endswith(".failed.ipynb")


@pytest.mark.timeout(500)
def test_every_link_leads_somewhere_and_nothing_is_fetched_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    links = [(p, link) for p in pages for link in page(p).links]
    lost = {f"{p.relative_to(site)}: {link}" for p, link in links if dead(p, link)}
    assert lost == set()
    fetched = [(p, what) for p in pages for what in page(p).fetched]
    assert [what for p, what in fetched if urlsplit(what).netloc] == []
    assert [what for p, what in fetched if dead(p, what)] == []
    assert len(links) > 1000  # the pages were read


def dead(origin: Path, link: str) -> bool:
    """Whether a link within the site leads to no file, or to no place in its file."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "mailto", "data"):
        return False
    target = (origin.parent / unquote(parts.path)).resolve() if parts.path else origin
    if not target.is_file():
        return True
    places = page(target).places if target.suffix == ".html" else set()
    return bool(parts.fragment) and unquote(parts.fragment) not in places


@pytest.mark.timeout(500)
def test_the_first_page_leads_to_chapters_and_documents(site):
    links = page(site / "README.html").links
    assert {f"notebooks/{chapter.stem}.html" for chapter in CHAPTERS} <= set(links)
    assert {"docs/start/your-own-data.html", "results/CLAIMS.html"} <= set(links)
    assert page(site / "index.html").links == ["README.html"]


@pytest.mark.timeout(500)
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_shows_its_committed_pictures_and_formulas(site, chapter):
    """Just those pictures, byte for byte; controls are told as such, and no formula stays TeX."""
    path = site / "notebooks" / f"{chapter.stem}.html"
    text = path.read_text()
    shown = {(path.parent / unquote(i)).resolve() for i in page(path).fetched if "/_images/" in i}
    committed = pictures(chapter)
    assert len(committed) > 5
    assert committed == {image.read_bytes() for image in shown}
    assert "In Jupyter a control moves this picture" in text
    assert "widget-view" not in text and "NBVAL" not in text
    assert text.count('role="img" aria-label') == text.count('<span class="math"') > 0


def pictures(chapter: Path) -> set[bytes]:
    cells = nbformat.read(chapter, as_version=4).cells
    outputs = [o.get("data", {}) for cell in cells for o in cell.get("outputs", [])]
    return {base64.b64decode(data["image/png"]) for data in outputs if "image/png" in data}


@pytest.mark.timeout(500)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# A page\n\n[lost](nowhere.md)\n", "nowhere.md"),
        ("# A page\n\n$\\nosuchcommand{x}$\n", "nosuchcommand"),
    ],
    ids=["link", "formula"],
)
def test_a_mistake_fails_the_build_by_name(tmp_path, text, said):
    """A link that leads nowhere, a formula that cannot be drawn."""
    for name in ("docs/conf.py", "docs/_ext", "docs/_static", "docs/_extra"):
        (tmp_path / "docs").mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "README.md").write_text(text)
    made = build(tmp_path, tmp_path / "pages")
    assert made.returncode != 0
    assert said in made.stderr and "README.md" in made.stderr


@pytest.fixture(scope="module")
def window():
    """A browser that notes every address it asks for."""
    from playwright.sync_api import sync_playwright

    path = require_browser(BROWSER, bool(os.environ.get("CI")))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.timeout(500)
@pytest.mark.parametrize("width", [1500, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_a_browser(site, window, tmp_path, width, theme):
    """Desktop and phone, light and dark: pictures load, the page does not slide sideways."""
    view = window.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    asked = []
    view.on("request", lambda request: asked.append(request.url))
    backgrounds = set()
    for name in ("README", "notebooks/06_daformer", "docs/use/scaling", "results/mini_study"):
        view.goto(f"file://{site}/{name}.html")
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        broken = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
        assert view.evaluate(broken) == []
        backgrounds.add(view.evaluate("getComputedStyle(document.body).backgroundColor"))
        folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
        view.screenshot(path=folder / f"site-{name.replace('/', '-')}-{width}-{theme}.png")
    assert {sum(map(int, b[4:-1].split(","))) > 384 for b in backgrounds} == {theme == "light"}
    assert all(address.startswith(("file:", "data:")) for address in asked)
    view.close()


@pytest.mark.timeout(500)
def test_search_finds_a_chapter(site, window):
    view = window.new_page()
    view.goto(f"file://{site}/index.html")
    view.wait_for_url("**/README.html")
    box = view.get_by_role("textbox", name="Search")
    box.fill("ClassMix")
    box.press("Enter")
    view.locator("ul.search li a", has_text="How can a model teach itself").first.wait_for()
    view.close()
