"""What `--plot` writes: each picture's data against what the result says, each ending's file."""

import re
import sys
import zlib
from dataclasses import replace
from shutil import which
from xml.etree import ElementTree

import numpy as np
import pytest

import semopt
from drawing import rows_of
from semopt import Scenario, solve, solve_batch, solve_queue
from semopt.cli import entry
from semopt.learn.logs import log_of
from semopt.statistics import band
from tolerances import ROUNDING

pytest.importorskip("altair", reason="the extra plots is not installed")

from semopt.report import charts_learning, charts_scenario, plots, style


def test_a_slot_is_drawn_as_it_is_worked_out_by_hand():
    """The slot of the README, whose parts of time are worked out there."""
    chart = solve(Scenario.load("tiny").problem()).plot()
    parts = {(row["user"], row["part"]): row["amount"] for row in rows_of(chart, 2, 0)}
    assert parts["0 text", "on the air"] == pytest.approx(2.0)  # 2 kbit at 1 Mbit/s
    assert parts["0 text", "on the server"] == pytest.approx(1.0)  # 4 MFLOP x 2 / 8 GFLOP/s
    assert parts["1 image", "on the user's GPU"] == pytest.approx(1.0)  # 2 MFLOP at 2 GFLOP/s
    assert [row["at"] for row in rows_of(chart, 2, 1)] == pytest.approx([8.0, 8.0])  # limits, ms
    title = chart.to_dict()["title"]
    assert title["text"] == "tiny: exact, optimal"
    assert title["subtitle"][0].startswith("Total QoE 1.503385")


def test_a_limit_far_off_is_named_and_not_drawn():
    scenario = Scenario.load("tiny").replace({"system.latency_max_ms": 80.0})
    chart = solve(scenario.problem()).plot().to_dict()["concat"][2]
    assert chart["encoding"]["x"]["title"] == "latency, ms (limit 80 ms)"  # 5 ms are spent
    assert "layer" not in chart


def test_a_slot_without_a_decision_says_why():
    scenario = Scenario.load("tiny").replace({"system.latency_max_ms": 0.5})
    chart = solve(scenario.problem()).plot().to_dict()
    assert len(chart["concat"]) == 1  # the SNR
    assert "user 0 (text): local breaks latency; raw breaks latency;" in " ".join(
        chart["title"]["subtitle"]
    )


def test_a_search_is_drawn_as_its_bounds_close():
    result = solve(Scenario.load("paper").problem(), "global", gap=1e-5)
    chart, search = result.plot(), result.search
    assert len(search.time) > 2
    bound = [row["QoE"] for row in rows_of(chart, 4) if row["side"] == "proven upper bound"]
    value = [row["QoE"] for row in rows_of(chart, 4) if row["side"] == "best decision known"]
    assert (bound[-1], value[-1]) == (result.upper_bound, result.objective)
    assert min(bound) >= max(value)
    assert (sorted(bound, reverse=True), sorted(value)) == (bound, value)
    times = [row["time"] for row in rows_of(chart, 5, 0)]
    assert times == sorted(times)
    assert 0.0 < times[0] <= times[-1] <= 1e3 * result.seconds
    assert [row["gap"] for row in rows_of(chart, 5, 1)] == [1e-5]
    assert sum(row["boxes"] for row in rows_of(chart, 6)) == result.details["boxes"]
    again = semopt.Result.from_json(result.to_json())
    assert again == result
    assert len(again.plot().to_dict()["concat"]) == 4  # a file holds no search


def test_a_picture_of_many_users_is_no_strip(tmp_path):
    scenario = Scenario.load("tiny").replace({"system.users": 64})
    problem = scenario.problem(*(part[0] for part in scenario.draw(1, 0)))
    plots.write(solve(problem, "global", time_limit=2.0).plot(), tmp_path / "many.png")
    width, height = size_of_png((tmp_path / "many.png").read_bytes())
    assert height < 2 * width


def test_slots_are_drawn_by_their_modes_and_worth():
    scenario = Scenario.load("tiny").replace({"system.latency_max_ms": 4.9})
    batch = solve_batch(scenario, *scenario.draw(50, 0))
    chart = batch.plot()
    shares = {(row["task"], row["mode"]): row["share"] for row in rows_of(chart, 0)}
    decided = ~np.isnan(batch.objective)
    text = scenario.template().tasks.names.index("text")
    members = batch.task[decided] == text
    local = batch.actions.channel[decided] < 0
    assert shares["text", "local"] == pytest.approx((local & members).sum() / members.sum())
    assert sum(row["slots"] for row in rows_of(chart, 1)) == decided.sum() < 50
    ended = {row["ended"]: row["slots"] for row in rows_of(chart, 2)}
    assert ended == {"optimal": decided.sum(), "infeasible": (~decided).sum()}
    hopeless = Scenario.load("tiny").replace({"system.latency_max_ms": 0.5})
    nothing = solve_batch(hopeless, *hopeless.draw(5, 0)).plot()
    assert [row["slots"] for row in rows_of(nothing, 0)] == [5]


def test_a_scenario_is_drawn_with_its_tables_and_gains():
    scenario = Scenario.load("measured")
    chart, tasks = scenario.plot(), scenario.to_dict()["tasks"]
    for place, task in enumerate(tasks.values()):
        table = task["accuracy"]
        drawn = {
            (row["extraction"], row["snr"]): row["accuracy"]
            for row in rows_of(chart, 2 * place, 1, 1)
        }
        assert drawn == {
            (mu, snr): table["table"][i][j]
            for i, mu in enumerate(table["extraction"])
            for j, snr in enumerate(table["snr_db"])
        }
        lines = rows_of(chart, 2 * place, 2)
        raw = table["raw"]
        held = [raw[0], *raw, raw[-1]]  # the look-up holds what stands at the ends
        assert [row["accuracy"] for row in lines if row["line"] == "raw"] == held
        assert {row["accuracy"] for row in lines if row["line"] == "local"} == {
            task["local_accuracy"]
        }
        surface = chart.to_dict()["concat"][2 * place]
        low, high = surface["layer"][1]["encoding"]["x"]["scale"]["domain"]
        shade = rows_of(chart, 2 * place, 0)[0]
        assert low < min(shade["from"], table["snr_db"][0])
        assert max(shade["to"], table["snr_db"][-1]) < high
        colour = surface["layer"][1]["layer"][0]["encoding"]["color"]
        assert colour["type"] == "ordinal"
        assert colour["legend"]["values"] == table["extraction"]
    gain, _ = scenario.draw(3333, 0)
    bars, ranges = rows_of(chart, 6), rows_of(chart, 7, 0)
    assert sum(row["gains"] for row in bars) == gain.size
    for n, row in enumerate(ranges):
        share = (10.0 * np.log10(gain[:, n]) < row["high"]).mean()
        assert share == pytest.approx(0.95, abs=1 / gain[:, n].size + ROUNDING)


def test_the_best_mode_is_the_one_that_is_worked_out_by_hand():
    """User 0 of the README: raw at a gain of 0.1 beside another offloader is worth 0.6697."""
    problem = Scenario.load("tiny").problem()
    text = problem.tasks.names.index("text")
    rows = rows_of(charts_scenario.winners(problem, 0, text, np.array([0.1, 0.1])))
    at = {row["load"]: row for row in rows}
    assert (at["2"]["mode"], at["2"]["QoE"]) == ("raw", pytest.approx(0.6697, abs=5e-5))
    assert at["1"]["QoE"] > at["2"]["QoE"]  # the server is its own
    hopeless = Scenario.load("tiny").replace({"system.latency_max_ms": 0.5}).problem()
    rows = rows_of(charts_scenario.winners(hopeless, 0, text, np.array([0.1, 1.0])))
    assert {(row["mode"], row["QoE"]) for row in rows} == {("none", None)}


def test_a_scenario_that_pins_its_gains_is_drawn_with_them():
    document = Scenario.load("tiny").to_dict()
    del document["channel"]
    scenario = Scenario.from_dict(document)
    drawn = sum(row["gains"] for row in rows_of(scenario.plot(), 4))
    assert drawn == 4  # two users on two sub-channels
    with pytest.raises(ValueError, match="user = 2: must be a whole number from 0 to 1"):
        scenario.plot(user=2)


@pytest.fixture(scope="module")
def queue():
    """A queue of one user who cannot afford both of its tasks, and the scenario."""
    scenario = Scenario.load("tiny").replace(
        {"users": [{"battery_mj": 25.0}, {}], "queue": {"length": 3}}
    )
    return solve_queue(scenario, *scenario.draw_queue(0))


def test_a_queue_is_drawn_with_the_energy_left_and_its_skips(queue):
    chart = queue.plot()
    left = [row["left"] for row in rows_of(chart, 0, 1)]
    spent = [entry[0]["energy_mj"] for entry in queue.slots_json()]
    assert left == pytest.approx([25.0 - sum(spent[:t]) for t in range(4)])
    assert {row["user"] for row in rows_of(chart, 0, 1)} == {"0"}  # user 1 has no battery
    even = [(row["slot"], row["left"]) for row in rows_of(chart, 0, 0)]
    assert even == [(0, 25.0), (3, 0.0)]
    drawn = {(row["user"], row["from"]): row["mode"] for row in rows_of(chart, 1)}
    for t, slot in enumerate(queue.slots_json()):
        for n, task in enumerate(slot):
            mode = "raw" if task["extraction"] == 1.0 else "semantic"
            mode = mode if task["offload"] else "local"
            assert drawn[str(n), t] == ("skip" if task["skip"] else mode)


def test_a_long_queue_is_drawn_as_shares_of_modes():
    scenario = Scenario.load("tiny").replace(
        {"users": [{"battery_mj": 300.0}, {}], "queue": {"length": 250}}
    )
    result = solve_queue(scenario, *scenario.draw_queue(0))
    spec = result.plot().to_dict()
    rows, size = rows_of(spec, 1), 3  # 104 blocks or fewer
    assert {row["last"] - row["from"] + 1 for row in rows} == {size, 250 % size}
    for n in range(2):
        skips = sum(
            row["share"] * (row["last"] - row["from"] + 1)
            for row in rows
            if (row["user"], row["mode"]) == (str(n), "skip")
        )
        assert skips == pytest.approx(result.skipped[:, n].sum())
        assert sum(row["energy"] for row in rows if row["user"] == str(n)) == pytest.approx(
            1e3 * result.spent[:, n].sum()
        )
    assert 0 < result.skipped.sum() < 250


def test_no_mode_has_the_colour_of_a_user(queue):
    energy, modes = queue.plot().to_dict()["concat"]
    of_users = energy["layer"][1]["encoding"]["color"]["scale"]["range"]
    of_modes = modes["encoding"]["color"]["scale"]["range"]
    assert len({*style.USERS, *of_users, *of_modes}) == len(style.USERS) + 4


def test_skips_are_drawn(queue):
    skipped = np.array(queue.skipped)
    skipped[2, 0] = True
    rows = rows_of(replace(queue, skipped=skipped).plot(), 1)
    row = next(row for row in rows if (row["user"], row["from"]) == ("0", 2))
    assert (row["mode"], row["QoE"], row["energy"]) == ("skip", 0.0, 0.0)


def test_gaps_are_drawn_with_bands_that_hold_the_whole_line():
    pytest.importorskip("torch", reason="the extra learn is not installed")
    evaluation = semopt.evaluate(["local", "exact"], "contended", slots=60)
    chart = evaluation.plot()
    rows = [row for row in rows_of(chart, 0, 1) if row["method"] == "local"]
    for row in {row["gap"]: row for row in rows}.values():  # the top of each step
        within = (evaluation.gaps["local"] <= row["gap"] + ROUNDING).mean()
        assert within == pytest.approx(row["share"], abs=ROUNDING)
        assert row["low"] == max(row["share"] - band(60), 0.0)
        assert row["high"] == min(row["share"] + band(60), 1.0)
    means = {row["method"]: row for row in rows_of(chart, 1, 0)}
    low, high = evaluation.interval("local")
    expected = (
        evaluation.scores["local"].reference_qoe - evaluation.scores["local"].qoe,
        low,
        high,
    )
    assert [means["local"][key] for key in ("mean", "low", "high")] == pytest.approx(expected)


def test_a_method_of_a_file_is_called_by_its_name_where_no_other_has_it():
    names = ["../A/policy.py:mine", "a.py:thrifty", "b.py:thrifty", "exact"]
    assert list(charts_learning.short(names).values()) == ["mine", *names[1:]]
    assert charts_learning.short(["a.py:exact", "exact"])["a.py:exact"] == "a.py:exact"


def test_a_band_holds_the_whole_distribution_as_often_as_it_says():
    """Kolmogorov's distance of 400 samples of 50 uniform numbers, whose law is the diagonal."""
    rng, units = np.random.default_rng(0), 50
    samples = np.sort(rng.random((400, units)), axis=1)
    steps = np.arange(units + 1) / units
    distance = np.maximum(steps[1:] - samples, samples - steps[:-1]).max(axis=1)
    share = (distance <= band(units)).mean()
    assert 0.95 <= share <= 0.99  # the constant is sharp: the band is hardly too wide


def test_a_training_is_drawn_over_its_steps(tmp_path, capsys):
    pytest.importorskip("torch", reason="the extra learn is not installed")
    out, file = tmp_path / "run", tmp_path / "run.svg"
    command = ["train", "mappo", "tiny", "--updates", "2", "--out", str(out), "--plot", str(file)]
    assert entry.run(command) == 0
    assert f"wrote {file}" in capsys.readouterr().out
    assert "entropy of a user" in text_of_svg(file)
    log = log_of(out)
    chart = plots.of_training(log, "mappo on tiny", "all updates are done")
    row = log[-1]
    regret, qoe, entropy = (rows_of(chart, place) for place in range(3))
    assert (regret[-1]["x"], regret[-1]["y"]) == (row["agent_steps"], row["regret"])
    best = {each["method"]: each["y"] for each in qoe}["certified optimum"]
    assert best == pytest.approx(row["qoe"] + row["regret"])
    assert entropy[-1]["y"] == row["losses"]["entropy"] <= np.log(3.0) + 1e-6  # of three modes


# ------------------------------------------------------------------------------------------- files


def text_of_svg(file):
    """Return the words of an SVG file, which must be one."""
    root = ElementTree.parse(file).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return " ".join(root.itertext())


def size_of_png(content):
    """Return width and height of a PNG whose parts are whole."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content[-12:-4] == b"\x00\x00\x00\x00IEND"
    head = content[12:29]
    assert zlib.crc32(head) == int.from_bytes(content[29:33], "big")
    return int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:12], "big")


@pytest.mark.parametrize("ending", plots.ENDINGS)
def test_each_ending_is_a_file_of_its_kind(ending, tmp_path, capsys):
    file = tmp_path / f"tiny{ending.upper()}"
    assert entry.run(["solve", "tiny", "--plot", str(file)]) == 0
    assert f"wrote {file}" in capsys.readouterr().out
    content = file.read_bytes()
    if ending == ".svg":
        assert "Total QoE 1.503385" in text_of_svg(file)
    elif ending == ".png":
        width, height = size_of_png(content)
        assert width > 2 * 2 * 320  # pixels: two charts beside each other, on a fine screen
        assert 300 < height < width
    elif ending == ".pdf":
        assert content.startswith(b"%PDF-")
        assert content.rstrip().endswith(b"%%EOF")
    else:
        text = re.sub(r"<script.*?</script>", "", content.decode(), flags=re.DOTALL)
        assert "<title>tiny: exact, optimal</title>" in text
        assert not re.search(r"(src|href)=.(?!data:)|url\(|@import", text)


@pytest.mark.parametrize(("scheme", "width", "columns"), [("light", 1100, 2), ("dark", 390, 1)])
def test_a_browser_draws_a_page_without_a_network(tmp_path, scheme, width, columns):
    browsers = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if (chromium := which("chromium")) is None:
        pytest.skip("there is no chromium here to draw the page")
    faults, file = [], tmp_path / "plot.html"
    plots.write(solve(Scenario.load("tiny").problem()).plot(), file)
    with browsers.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        size = {"width": width, "height": 800}
        tab = browser.new_context(viewport=size, color_scheme=scheme, offline=True).new_page()
        tab.on("console", lambda message: faults.append(message.text))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(f"file://{file}")
        tab.wait_for_selector("svg.marks")
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        titles = tab.locator(".role-axis-title text")
        boxes = [titles.nth(i).bounding_box() for i in range(titles.count())]
        names = [titles.nth(i).text_content() for i in range(titles.count())]
        at = {name: box["x"] for name, box in zip(names, boxes, strict=True)}
        assert (at["energy, mJ"] > at["latency, ms"] + 100) == (columns == 2)
        ink = titles.nth(0).evaluate("node => getComputedStyle(node).fill")
        assert ink == {"light": "rgb(51, 51, 51)", "dark": "rgb(221, 221, 221)"}[scheme]
        browser.close()
    assert faults == []


def test_a_picture_that_cannot_be_made_is_refused_before_any_work(tmp_path, capsys, monkeypatch):
    def refused(file, *command):
        assert entry.run([*command, "--plot", str(file)]) == 2
        return capsys.readouterr().err

    def worked(*_, **__):
        raise AssertionError("work was done")

    monkeypatch.setattr("semopt.solvers.solve", worked)
    monkeypatch.setattr("semopt.solvers.batch.solve_batch", worked)
    monkeypatch.setattr("semopt.solvers.queue.solve_queue", worked)
    commands = [
        ["solve", "tiny"],
        ["solve", "contended", "--slots", "5"],
        ["solve", "--queue"],
        ["evaluate", "exact", "--scenario", "tiny"],
        ["train", "mappo", "tiny", "--out", str(tmp_path / "run")],
    ]
    for command in commands:
        message = "the name of a file that ends in .html, .svg, .png or .pdf is expected"
        assert f"error: --plot {tmp_path}/a.gif: {message}" in refused(tmp_path / "a.gif", *command)
        assert f"error: --plot -: {message}" in refused("-", *command)
        missing = tmp_path / "no" / "a.svg"
        expected = f"error: --plot: cannot write {missing}: there is no folder {missing.parent}"
        assert expected in refused(missing, *command)
    same = tmp_path / "both.svg"
    assert "--json and --plot both write" in refused(same, "solve", "tiny", "--json", str(same))
    assert "--ladder and --plot" in refused(same, "solve", "tiny", "--ladder")
    for name, error in (
        ("a.gif", "FILE {}: the name of a file that ends in .html, .svg, .png or .pdf is expected"),
        ("no/a.svg", "FILE: cannot write {}: there is no folder"),
    ):
        file = tmp_path / name
        assert entry.run(["scenario", "plot", "tiny", str(file)]) == 2
        assert f"error: {error.format(file)}" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "altair", None)
    for command in commands:
        expected = "error: altair is missing: pip install 'semopt[plots]'"
        assert expected in refused(tmp_path / "a.svg", *command)
    assert [*tmp_path.iterdir()] == []


def test_python_says_what_is_missing_as_the_command_does(monkeypatch, queue):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ValueError, match=r"^vl_convert is missing: pip install 'semopt\[plots\]'$"):
        queue.plot()
