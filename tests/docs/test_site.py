"""The site builds without a warning, and every link in it leads somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests import distribution

from . import browser
from .pages import DOCS, ROOT

FEWEST_LINKS = 200
FEWEST_FILES = 5

README = (ROOT / "README.md").read_text("utf-8")

# Pixels of a phone, and of a laptop's window.
WIDTHS = (400, 1280)


class Links(HTMLParser):
    """Collects what a page links to, and what in it can be linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.targets.add(value)
            if value and name == "id":
                self.anchors.add(value)


@cache
def links_of(page: Path) -> Links:
    links = Links()
    links.feed(page.read_text("utf-8"))
    return links


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", f"{folder}/trees"]
    done = subprocess.run(
        [sys.executable, *command, str(DOCS), f"{folder}/html"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_internal_link_leads_somewhere(site: Path) -> None:
    broken, followed = [], 0
    for page in site.rglob("*.html"):
        for target in links_of(page).targets:
            link = urlsplit(target)
            if link.scheme or link.netloc:
                continue
            followed += 1
            path = (page.parent / unquote(link.path)).resolve() if link.path else page
            # The theme's own pages of search results are made by a script in the browser.
            anchored = not link.fragment or path.suffix != ".html"
            if not path.exists() or not (
                anchored or unquote(link.fragment) in links_of(path).anchors
            ):
                broken.append(f"{page.relative_to(site)}: {target}")
    assert not broken
    assert followed > FEWEST_LINKS


def test_pictures_have_a_text(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        for picture in re.findall(r"```\{image\}.*?```", page.read_text("utf-8"), re.DOTALL):
            assert ":alt: " in picture, page


def test_the_readme_links_to_nothing_that_an_index_page_lacks() -> None:
    assert not [link for link in distribution.links(README) if not link.startswith("https://")]


def test_files_that_the_readme_names_exist() -> None:
    named = re.findall(r"`((?:docs|examples)/[^`*]+|[A-Z]+\.md|LICENSE)`", README)
    assert len(named) > FEWEST_FILES
    assert not [
        name for name in named if not name.endswith("/html") and not (ROOT / name).exists()
    ]


@pytest.mark.skipif(
    not browser.CHROMIUM and not os.environ.get("CI"), reason="Chromium is not installed"
)
def test_no_page_is_wider_than_the_window(site: Path) -> None:
    assert browser.CHROMIUM, "CI needs Chromium: .ci/run installs it"
    pages = [str(page.relative_to(site)) for page in site.rglob("*.html")]
    measured = browser.layout(site, pages, WIDTHS)
    assert len(measured) == len(pages) * len(WIDTHS)
    assert all(page["pages"] == 1 for page in measured), "a page was not shown"
    too_wide = [page for page in measured if page["taken"] > page["width"]]
    assert not too_wide, json.dumps(too_wide, indent=1)
