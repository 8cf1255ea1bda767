"""The manual as a site: whole, searched without a network, no errors in a browser."""

import re
import subprocess
import sys
from shutil import which

import pytest
from typer.testing import CliRunner

import semopt
from semopt.cli import app
from semopt.report import manual_api, manual_site
from semopt.report.manual import PAGES, read


def run(*arguments):
    return CliRunner().invoke(app, ["manual", *map(str, arguments)])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the site."""
    pytest.importorskip("zensical", reason="zensical, of the extra manual, is not installed")
    folder = tmp_path_factory.mktemp("site") / "new"
    assert f"wrote {folder / 'index.html'}" in run("--html", folder).stdout
    return folder


def words_of(file):
    """Return the words that a page shows."""
    text = re.sub(r"<(script|style).*?</\1>", "", file.read_text(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", "", text).split())


def test_every_page_is_there_and_on_the_first(site):
    first = words_of(site / "index.html")
    for name in PAGES:
        assert read(name).title in words_of(site / f"{name}.html")
        assert read(name).title in first


def test_fences_lose_what_they_tell_the_tests(site):
    for name in PAGES:
        shown = words_of(site / f"{name}.html")
        assert "```" not in shown
        assert "needs=" not in shown
    assert "policy.py" in words_of(site / "start.html")


def test_every_public_name_has_a_page_with_its_docstring(site):
    for name in semopt.__all__:
        first = (getattr(semopt, name).__doc__ or "").strip().partition("\n")[0]
        assert f'href="python/{name}.html"' in (site / "index.html").read_text()
        assert re.sub(r"[`<>&]", "", first) in re.sub(
            r"&\w+;", "", words_of(site / "python" / f"{name}.html")
        )
    problem = words_of(site / "python" / "Problem.html")
    assert "bandwidth of a sub-channel (default: 2e+06)" in problem  # out of a table
    assert "{figures}" not in problem
    assert "Signal-to-noise ratio of a sub-channel (2)" in words_of(site / "python" / "model.html")


def test_nothing_comes_from_elsewhere(site):
    for file in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"([^\"]+)", file.read_text()
        )
        assert loaded
        assert not [address for address in loaded if re.match(r"\w+:|//", address)]
        for address in loaded:
            assert (file.parent / address.partition("#")[0]).exists(), address


@pytest.fixture(scope="module")
def browser():
    """Chromium, without a network."""
    browsers = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if (chromium := which("chromium")) is None:
        pytest.skip("there is no chromium here to show the site")
    with browsers.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser, width=1100, scheme="light"):
    """Return a tab, and what it complains about."""
    context = browser.new_context(
        offline=True, color_scheme=scheme, viewport={"width": width, "height": 900}
    )
    tab, faults = context.new_page(), []
    tab.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda r: None if r.url.startswith("file:") else faults.append(r.url))
    return tab, faults


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (390, "dark"), (390, "light")])
def test_a_browser_shows_pages_without_complaint(site, browser, width, scheme):
    tab, faults = opened(browser, width, scheme)
    for name in ("index", *PAGES, "python/Problem", "python/model"):
        tab.goto((site / f"{name}.html").as_uri())
        tab.locator("article h1").wait_for()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
        sides = [tab.locator("article h1").bounding_box(), tab.locator("article").bounding_box()]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in sides), name
        lightness = tab.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
        )
        assert (max(lightness) < 80) == (scheme == "dark"), name
    assert faults == []


# Names of code that a line breaks, and tables whose end cannot be scrolled to.
BROKEN = """() => [...document.querySelectorAll("article :not(pre) > code")].filter((code) => {
  const range = document.createRange();
  range.selectNodeContents(code);
  return !/\\s/.test(code.textContent) && range.getClientRects().length > 1;
}).map((code) => code.textContent)"""
CUT = """() => [...document.querySelectorAll("article table")].filter((table) => {
  const box = table.closest(".md-typeset__scrollwrap");
  box.scrollLeft = box.scrollWidth;
  return table.getBoundingClientRect().right > box.getBoundingClientRect().right + 1;
}).map((table) => table.textContent)"""


def test_on_a_narrow_page_names_are_whole_and_tables_scroll(site, browser):
    tab, _ = opened(browser, 390)
    for name in ("methods", "model", "queues", "commands"):
        tab.goto((site / f"{name}.html").as_uri())
        tab.locator("article .md-typeset__scrollwrap").first.wait_for()
        assert tab.evaluate(BROKEN) == [], name
        assert tab.evaluate(CUT) == [], name


def test_the_search_works_from_the_disk(site, browser):
    tab, faults = opened(browser)
    tab.goto((site / "index.html").as_uri())
    tab.locator(".md-search__button").click()
    box = tab.get_by_placeholder("Search")
    box.wait_for()
    for pressed, key in enumerate("signal-to-noise", 1):
        box.press(key)
        assert box.input_value() == "signal-to-noise"[:pressed]
    tab.get_by_text("Signal-to-noise ratio of a sub-channel").first.wait_for()
    box.press("Enter")
    tab.wait_for_url(re.compile(r"/python/model\.html#snr"))
    assert not [fault for fault in faults if "Autofocus" not in fault]


# ------------------------------------------------------------------------------ bad input


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    pytest.importorskip("zensical", reason="zensical, of the extra manual, is not installed")
    (tmp_path / "mine").write_text("mine")
    for folder, what in ((tmp_path, "is not empty"), (tmp_path / "mine", "is a file")):
        message = str(run("--html", folder).exception)
        assert message == f"{folder} {what}: the name of a new folder is expected"
    assert (tmp_path / "mine").read_text() == "mine"
    assert "one of the two" in str(run("start", "--html", tmp_path).exception)


def test_a_missing_extra_is_one_sentence(tmp_path):
    code = "import sys; sys.modules['zensical'] = None; sys.argv = ['semopt', 'manual', '--html', "
    code += f"{str(tmp_path / 'new')!r}]; from semopt.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: zensical is missing: pip install 'semopt[manual]'\n"


def test_what_has_no_words_of_its_own_is_left_out():
    pages = {page.name: page.text for page in manual_api.pages()}
    text = "\n".join(pages.values())
    assert not re.search(r"Alias for field|\b0x\w|<factory>|= *<|\{figures\}", text)
    assert "progress=...," in pages["solve_batch"]
    for status in semopt.Status:
        assert f"- `{status.name}`: {manual_api.plain(status.word)}" in pages["Status"]
    assert "## draw" in pages["Scenario"]  # which is its ancestor's


def test_markup_in_docstrings_is_shown_and_not_obeyed():
    assert manual_api.plain("`[a]` of [b] <c> d_e") == r"`[a]` of \[b\] \<c> d\_e"
    shown = list(manual_api.entries("one : its [unit]\n    more\nValueError\n    why"))
    assert shown == [r"- `one`: its \[unit\]", "    more", "- `ValueError`:", "    why", ""]


def test_a_site_that_cannot_be_made_says_why(tmp_path, monkeypatch):
    pytest.importorskip("zensical", reason="zensical, of the extra manual, is not installed")
    monkeypatch.setattr(manual_site, "settings", lambda _: {"plugins": "nonsense"})
    with pytest.raises(ValueError, match=r"^zensical cannot make the site: \w+"):
        manual_site.write(tmp_path / "new")
    assert not (tmp_path / "new").exists()
