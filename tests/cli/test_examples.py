"""The shipped examples run as they are, and say what their first lines promise."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from semopt import examples
from semopt.cli import app

THERE = sorted(path.stem for path in Path(examples.__path__[0]).glob("[!_]*.py"))
NEEDS = {"own_policy": "torch", "pettingzoo_loop": "pettingzoo", "paper_figure": "vl_convert"}


def run(*arguments):
    return CliRunner().invoke(app, ["examples", *map(str, arguments)])


# Those that learn in the libraries of others, and how long they do so here.
LEARNERS = {"sb3_ppo": 100_000, "torchrl_ppo": 10, "benchmarl_mappo": 6}


def output(name, folder, *arguments):
    """Copy an example as a user does, and run it where it lies."""
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    assert run(name, "--out", folder).exit_code == 0
    command = [sys.executable, f"{name}.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr or name in LEARNERS  # their libraries show progress there
    return done.stdout


def test_all_are_listed_with_a_sentence():
    shown = run().stdout
    assert all(re.search(rf"{name} +\w", shown) for name in THERE)


@pytest.mark.parametrize("name", set(THERE) - {"paper_figure"} - set(LEARNERS))
def test_figures_are_plausible(name, tmp_path):
    found = [float(x) for x in re.findall(r"-?\d+\.\d+", output(name, tmp_path))]
    match name:
        case "own_scenario":  # a faster server cannot be worse for the same weights and tasks
            assert all(0.3 < x < 1 for x in (found[0], found[3]))
        case "measured_gains":  # each method may do what the one before it may
            assert found[0] < found[2] < found[4] < 1
        case "own_policy":
            assert found[0] < found[2] <= 100
        case "pettingzoo_loop":
            assert found[0] < found[1] < 2 * 10  # a QoE is below 1
        case _:
            raise AssertionError(f"{name} has no expectation here")


def test_the_policy_scores_on_the_command_line_what_its_program_prints(tmp_path, monkeypatch):
    printed = re.findall(r"^strongest +([0-9.]+)%", output("own_policy", tmp_path), re.MULTILINE)
    text = (tmp_path / "own_policy.py").read_text()
    words = re.search(r"^    semopt (evaluate .*)$", text, re.MULTILINE)[1].split()
    for folder, name in ((tmp_path, words[1]), (tmp_path.parent, f"{tmp_path.name}/{words[1]}")):
        monkeypatch.chdir(folder)
        asked = [words[0], name, *words[2:], "--slots", "500", "--json", "-"]
        done = CliRunner().invoke(app, asked)
        ratio = json.loads(done.stdout)["methods"][name]["ratio"]
        assert f"{100 * ratio:.1f}" == printed[0]


@pytest.mark.long
@pytest.mark.parametrize("name", LEARNERS)
def test_learners_of_other_libraries_come_closer_to_the_optimum(name, tmp_path):
    library = name.partition("_")[0].replace("sb3", "stable_baselines3")
    pytest.importorskip(library, reason=f"the example {name} needs {library}")
    shown = output(name, tmp_path, LEARNERS[name])
    print(shown)
    before, after = (float(x) for x in re.findall(r"([\d.]+)% of the optimum", shown))
    assert before < after <= 100


def test_a_learner_whose_library_is_missing_names_it(tmp_path):
    for name in LEARNERS:
        assert run(name, "--out", tmp_path).exit_code == 0
        library = name.partition("_")[0].replace("sb3", "stable_baselines3")
        code = f"import runpy, sys; sys.modules[{library!r}] = None; runpy.run_path('{name}.py')"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"{library} is missing: pip install " in done.stderr
        assert "Traceback" not in done.stderr


def test_the_figure_is_drawn_with_its_data(tmp_path):
    output("paper_figure", tmp_path)
    assert (tmp_path / "qoe.pdf").read_bytes().startswith(b"%PDF")
    head, *rows = (tmp_path / "qoe.csv").read_text().splitlines()
    assert head == "mean_gain,local,semantic-unaware,exact"
    values = [[float(x) for x in row.split(",")] for row in rows]
    assert all(local <= unaware <= exact for _, local, unaware, exact in values)
    assert [row[3] for row in values] == sorted(row[3] for row in values)  # better with the channel


def test_what_is_there_is_not_written_over(tmp_path):
    (tmp_path / "own_policy.py").write_text("mine")
    assert "is not written over" in str(run("own_policy", "--out", tmp_path).exception)
    assert (tmp_path / "own_policy.py").read_text() == "mine"
    assert "'nothing' is not one of benchmarl_mappo, " in str(run("nothing").exception)


def test_a_folder_that_is_not_there_is_made(tmp_path):
    assert run("own_policy", "--out", tmp_path / "new" / "deep").exit_code == 0
    assert (tmp_path / "new" / "deep" / "own_policy.py").is_file()
