"""Pages: whole without a network, drawn in a browser, their tables and figures as files."""

import csv
import re
from shutil import which

import numpy as np
import pytest

from drawing import rows_of
from semopt.report.charts import curves, intervals, profile
from semopt.report.page import Estimate, Figure, Report, Table, pictures, write

COLUMNS = ["method", "gap_%", "time"]
ROWS = [["b & c", 0.25, 10.0], ["a", None, 9.0], ["<b>d</b>", 1e-7, 100.0]]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A folder with a report of a table and two figures."""
    folder = tmp_path_factory.mktemp("page")
    rng = np.random.default_rng(0)
    gaps = {name: 10.0 ** rng.uniform(-8, 0, 50) for name in ("one", "two")}
    spec = profile(gaps, 1e-6, "gap")
    means = intervals([("one", 0.1, 0.05, 0.2), ("two", 0.3, None, None)], "gap")
    points = intervals([("one", 0.1, None, None)], "gap")  # nobody has an interval
    figures = [
        Figure("profile", "Profile", spec, "Below."),
        Figure("points", "Points", points, ""),
        Figure("means", "Means", means, ""),
    ]
    report = Report(
        "A <report>", "In a word.", "python -m semopt", [Table("t", "T", COLUMNS, ROWS)], figures
    )
    write(report, folder)
    return folder


def test_a_page_is_one_file_and_says_what_it_was_given(page):
    text = (page / "report.html").read_text()
    own = re.sub(r"<script type=.module.>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(src|href)=.(?!data:)|url\(|@import", own)
    assert "A &lt;report&gt;" in text
    assert "&lt;b&gt;d&lt;/b&gt;" in text
    assert "b &amp; c" in text


def test_numbers_are_shown_as_people_write_them(tmp_path):
    rows = [["one", 0.1256, 15_944.0], ["two", 0.0, 0.5]]
    table = Table("t", "T", ["method", "hits", "rank"], rows, ("hits",))
    write(Report("A", "", "", [table], []), tmp_path)
    text = (tmp_path / "report.html").read_text()
    entries = re.findall(r"<td[^>]*>([^<]*)</td>", text)
    assert entries == ["one", "12.6%", "15,944", "two", "0.0%", "0.5"]
    assert "one,0.1256,15944.0" in (tmp_path / "tables" / "t.csv").read_text()


def test_numbers_keep_their_zeros_and_estimates_their_ends():
    columns, failed = ["a_b", "gap", "weight", "worst"], Estimate(lacks="failed")
    table = Table(
        "t",
        "One & two",
        columns,
        [
            ["x<y", Estimate(0.02, 0.0186, 0.0214), 0.5, 0.0377],
            ["y", Estimate(0.3), 0.33, 0.02],
            ["0", Estimate(0.0, 0.0, 0.001), 0.0, 0.0],
            ["z", failed, 0.25, 12345.6],
        ],
    )
    assert table.texts() == [
        ["x<y", "0.02000 (0.01860–0.02140)", "0.50", "0.0377"],
        ["y", "0.3000", "0.33", "0.0200"],
        ["0", "0.0000 (0.0000–0.0010)", "0.00", "0.0000"],
        ["z", "failed", "0.25", "12,346"],
    ]
    assert table.latex().splitlines()[:4] == [
        "% One & two",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"a\_b & gap & weight & worst \\",
    ]
    assert r"x$<$y & 0.02000 (0.01860--0.02140) & 0.50 & 0.0377 \\" in table.latex()
    assert table.csv().splitlines() == [
        'a_b,gap,"gap, 95% from","gap, to","gap, lacks",weight,worst',
        "x<y,0.02,0.0186,0.0214,,0.5,0.0377",
        "y,0.3,,,,0.33,0.02",
        "0,0.0,0.0,0.001,,0.0,0.0",
        "z,,,,failed,0.25,12345.6",
    ]


def test_a_figures_file_has_its_title_and_notes():
    chart = curves({"one": ([1, 2], [0.5, 0.6])}, "users", "QoE")
    svg = pictures(Figure("f", "A title", chart, "", notes=["two: failed."]))[".svg"]
    assert "A title" in svg
    assert "two: failed." in svg


def test_lines_of_methods_differ_in_their_dashes_too():
    names = list("abcd")
    gaps = {name: np.array([0.1, 0.2]) for name in names}
    lines = {"best": ([1, 2], [0.9, 0.9])} | {name: ([1, 2], [0.5, 0.6]) for name in names}
    scales = []
    for chart in (profile(gaps, 1e-6, "gap"), curves(lines, "x", "y", optimum="best")):
        scale = chart.to_dict()["encoding"]["strokeDash"]["scale"]
        scales.append(dict(zip(scale["domain"], map(tuple, scale["range"]), strict=True)))
    assert len({*scales[1].values()}) == 5
    assert {name: scales[1][name] for name in names} == scales[0]  # alike in every figure


def test_tables_and_figures_are_files_too(page):
    with (page / "tables" / "t.csv").open() as file:
        assert list(csv.reader(file)) == [COLUMNS, *([str(v or "") for v in r] for r in ROWS)]
    title, *latex = (page / "tables" / "t.tex").read_text().splitlines()
    assert title == "% T"
    assert latex[0] == r"\begin{tabular}{lrr}"
    assert latex[2] == r"method & gap\_\% & time \\"
    assert latex[4] == r"b \& c & 0.25 & 10 \\"
    heads = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF"}
    for name in ("profile", "means"):
        for kind, head in heads.items():
            assert (page / "figures" / f"{name}.{kind}").read_bytes().startswith(head)


def test_a_profile_is_the_share_of_slots_within_a_gap():
    spec = profile({"one": np.array([0.0, 0.5, 0.5, 0.5])}, 1e-6, "gap")
    rows = rows_of(spec)
    assert min(row["gap"] for row in rows) == 1e-6
    assert max(row["share"] for row in rows if row["gap"] < 0.4) <= 1 / 3
    assert [row["share"] for row in rows][-1] == 1.0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_a_browser_draws_the_page(page, scheme, width):
    browsers = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if (chromium := which("chromium")) is None:
        pytest.skip("there is no chromium here to draw the page")
    faults = []
    with browsers.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 800}, offline=True
        )
        tab = context.new_page()
        tab.on("console", lambda message: faults.append(message.text))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(f"file://{page}/report.html")
        tab.wait_for_selector("#means svg.marks")
        assert tab.locator("svg.marks").count() == 3
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        dark = tab.evaluate("getComputedStyle(document.body).color") == "rgb(255, 255, 255)"
        assert dark == (scheme == "dark")
        tab.locator("th button").nth(2).focus()
        order = []
        for _ in range(2):
            tab.keyboard.press("Enter")
            order.append([cell.inner_text() for cell in tab.locator("td:nth-child(3)").all()])
        assert order == [["9", "10", "100"], ["100", "10", "9"]]
        browser.close()
    assert faults == []
