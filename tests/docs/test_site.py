"""The site builds without a warning, and every link in it leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from .pages import DOCS, ROOT

FEWEST_LINKS = 200


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


def test_links_of_the_readme_lead_somewhere() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", readme) if "://" not in target]
    assert targets
    assert not [target for target in targets if not (ROOT / target.partition("#")[0]).exists()]
