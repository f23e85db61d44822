"""At 1280 px no block of code and no table of the site is cut off."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from docs.chromium import PROGRAM, Chromium

# Every block and the frame around every table that is wider inside than outside.
CUT_OFF = """JSON.stringify(
  [...document.querySelectorAll('pre, table, .table-wrapper')]
    .filter((found) => found.clientWidth && found.scrollWidth > found.clientWidth + 1)
    .map((found) => found.innerText.slice(0, 80)))"""

pytestmark = pytest.mark.skipif(not PROGRAM, reason='no Chromium: apt-get install chromium')


def cut_off(browser: Chromium, page: Path) -> list[str]:
    browser.open(page.as_uri())
    answer = browser.call('Runtime.evaluate', expression=CUT_OFF, returnByValue=True)
    found: list[str] = json.loads(answer['result']['value'])
    return found


def test_nothing_is_cut_off(site: Path) -> None:
    pages = sorted(site.rglob('*.html'))
    with Chromium(1280, 900) as browser:
        found = {str(page.relative_to(site)): cut_off(browser, page) for page in pages}
    assert len(found) > 60
    assert {page: texts for page, texts in found.items() if texts} == {}


def test_without_our_style_sheet_it_would_be(site: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / 'site')
    (tmp_path / 'site' / '_static' / 'site.css').write_text('')
    with Chromium(1280, 900) as browser:
        assert cut_off(browser, tmp_path / 'site' / 'reference' / 'parameters.html')
        assert cut_off(browser, tmp_path / 'site' / 'index.html')
