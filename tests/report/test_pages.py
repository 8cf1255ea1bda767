"""Pages of `--report`: what a decision is, drawn; each number from a slot worked out by hand."""

import json
from shutil import which

import numpy as np
import pytest

from drawing import rows_of
from semopt import Scenario, solve
from semopt.cli import entry
from tolerances import ROUNDING

pytest.importorskip("altair", reason="the extra study is not installed")

from semopt.report import charts_batch, charts_slot, pages
from semopt.report.charts import curves
from semopt.report.page import html


def test_a_decision_is_drawn_as_it_is_worked_out_by_hand():
    """The slot of the README: user 0 raw on sub-channel 1, user 1 semantic on sub-channel 0."""
    result = solve(Scenario.load("tiny").problem())
    signals, chosen = (rows_of(charts_slot.places(result), layer) for layer in (0, 1))
    assert [(row["user"], row["place"], row["mode"]) for row in chosen] == [
        ("0 text", "1", "raw"),
        ("1 image", "0", "semantic"),
    ]
    # SNR = gain x 10 mW / 1 mW: 0.1 gives 1, which is 0 dB.
    at = {(row["user"], row["place"]): row["SNR"] for row in signals}
    assert at["0 text", "1"] == pytest.approx(0.0, abs=ROUNDING)
    time, energy = (
        {(row["user"], row["part"]): row["amount"] for row in bars}
        for bars in (
            rows_of(charts_slot.spent(result, "latency"), 0),
            rows_of(charts_slot.spent(result, "energy")),
        )
    )
    where = charts_slot.NAMES.values()
    assert [time["0 text", part] for part in where] == pytest.approx([0.0, 2.0, 1.0])
    assert [time["1 image", part] for part in where] == pytest.approx([1.0, 2.0, 2.0])
    assert [energy["0 text", part] for part in where] == pytest.approx([0.0, 0.02, 1.0])
    assert [energy["1 image", part] for part in where] == pytest.approx([10.0, 0.02, 2.0])
    ticks = rows_of(charts_slot.spent(result, "latency"), 1)
    assert [row["at"] for row in ticks] == pytest.approx([8.0, 8.0])  # the limit, ms
    assert [row["QoE"] for row in rows_of(charts_slot.worth(result), 0)] == pytest.approx(
        [0.6697, 0.8337], abs=5e-5
    )
    assert [row["at"] for row in rows_of(charts_slot.worth(result), 1)] == pytest.approx([0.5, 0.5])


def test_an_infeasible_slot_has_its_reasons_in_place_of_figures():
    document = Scenario.load("tiny").to_dict()
    document["system"]["latency_max_ms"] = 0.5
    page = pages.of_slot(solve(Scenario.from_dict(document).problem()), "tiny", "")
    assert page.notes[0].startswith("user 0 (text): local breaks latency")
    assert not page.figures
    assert "user 0 (text)" in html(page)


def test_slots_are_counted_where_they_are_worth():
    spec = charts_batch.distribution(np.array([0.0, 0.1, 0.1, 1.0]), "QoE")
    bars = [(row["from"], row["slots"]) for row in rows_of(spec) if row["slots"]]
    assert [count for _, count in bars] == [1, 2, 1]
    assert bars[0][0] == 0.0


def test_points_that_are_unknown_are_left_out():
    spec = curves({"one": ([1.0, 2.0, 3.0], [4.0, np.nan, 6.0])}, "x", "y")
    assert [(row["x"], row["y"]) for row in rows_of(spec)] == [(1.0, 4.0), (3.0, 6.0)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Pages of a slot, of many, and of scores, each by the command line."""
    folder = tmp_path_factory.mktemp("pages")
    for name, command in {
        "slot": ["solve", "tiny"],
        "queue": ["solve", "battery", "--queue"],
        "slots": ["solve", "contended", "--slots", "50"],
        "scores": ["evaluate", "exact", "local", "--scenario", "contended", "--slots", "50"],
    }.items():
        if name == "scores":
            pytest.importorskip("torch", reason="the extra learn is not installed")
        page = folder / f"{name}.html"
        assert entry.run([*command, "--json", str(folder / name), "--report", str(page)]) == 0
    return folder


def test_pages_say_how_they_were_made_and_hold_their_scenario(written):
    text = (written / "slots.html").read_text()
    assert f"python -m semopt solve contended --slots 50 --json {written / 'slots'}" in text
    assert "&#34;bandwidth_mhz&#34;: 2.0" in text
    mean = json.loads((written / "slots").read_text())["mean"]
    assert f'data-value="{mean["qoe"]}"' in text
    queue = json.loads((written / "queue").read_text())
    for figures in (queue["energy_left_mj"], queue["prices_per_mj"]):
        assert all(
            f'data-value="{figure}"' in (written / "queue.html").read_text() for figure in figures
        )
    scores = json.loads((written / "scores").read_text())["methods"]
    assert f'data-value="{scores["local"]["closure"]}"' in (written / "scores.html").read_text()


def test_a_mean_gap_is_the_difference_of_the_means():
    evaluate = pytest.importorskip("semopt.learn.evaluate", reason="the extra learn is missing")
    found = evaluate.evaluate(["local"], Scenario.load("contended"), 40)
    score = found.scores["local"]
    assert found.gaps["local"].mean() == pytest.approx(
        score.reference_qoe - score.qoe, abs=ROUNDING
    )


def test_a_browser_draws_them(written):
    browsers = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if (chromium := which("chromium")) is None:
        pytest.skip("there is no chromium here to draw the pages")
    faults = []
    with browsers.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_context(viewport={"width": 390, "height": 800}, offline=True).new_page()
        tab.on("console", lambda message: faults.append(message.text))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        for name, last, charts in (
            ("slot", "worth", 4),
            ("slots", "slots", 2),
            ("queue", "modes", 2),
            ("scores", "profile", 2),
        ):
            tab.goto(f"file://{written}/{name}.html")
            tab.wait_for_selector(f"#{last} svg.marks")
            assert tab.locator("svg.marks").count() == charts
            assert tab.evaluate("document.documentElement.scrollWidth") == 390
        browser.close()
    assert faults == []


def test_a_report_that_cannot_be_written_is_refused_before_any_work(tmp_path, capsys, monkeypatch):
    assert entry.run(["solve", "tiny", "--report", str(tmp_path)]) == 2
    assert f"error: --report: cannot write {tmp_path}: it is a folder" in capsys.readouterr().err
    assert entry.run(["solve", "tiny", "--report", "-"]) == 2
    assert "--report -: the name of a file is expected" in capsys.readouterr().err
    same = str(tmp_path / "both")
    assert entry.run(["solve", "tiny", "--json", same, "--report", same]) == 2
    assert "--json and --report both write" in capsys.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    assert entry.run(["solve", "tiny", "--report", str(tmp_path / "page.html")]) == 2
    assert "vl_convert is missing: pip install 'semopt[plots]'" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []
