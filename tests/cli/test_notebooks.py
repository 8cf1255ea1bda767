"""The shipped notebooks: copied as they are, stripped of what they showed, and run as a whole."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from semopt import examples
from semopt.cli import app
from semopt.cli import examples as command

FOLDER = Path(examples.__path__[0])
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def run(*arguments):
    return CliRunner().invoke(app, ["examples", *map(str, arguments)])


def cells_of(name):
    return json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]


def test_all_are_listed_with_a_sentence():
    assert NOTEBOOKS == ["measured_scenario", "policy_and_optimum", "slot_and_proof"]
    shown = run().stdout
    assert all(re.search(rf"{name} +\w.*\(notebook\)\.", shown) for name in NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_shipped_without_what_it_showed(name):
    for cell in cells_of(name):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
        else:
            assert "".join(cell["source"]).strip()


def test_a_copy_is_the_same_and_is_not_written_over(tmp_path):
    assert (
        f"wrote {tmp_path / 'slot_and_proof.ipynb'}"
        in run("slot_and_proof", "--out", tmp_path).output
    )
    copy = tmp_path / "slot_and_proof.ipynb"
    assert copy.read_bytes() == (FOLDER / copy.name).read_bytes()
    assert "is not written over" in str(run("slot_and_proof", "--out", tmp_path).exception)


def test_without_a_kernel_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    shown = run("slot_and_proof", "own_policy", "--out", tmp_path)
    assert shown.exit_code == 0
    notes = [line for line in shown.stderr.splitlines() if line]
    target = tmp_path / "slot_and_proof.ipynb"
    assert notes == [f"note: no kernel is here that runs {target}: pip install jupyterlab"]


def shown_by(name, folder):
    """Run a copy of a notebook where it lies; return what each cell shows, if anything."""
    nbformat = pytest.importorskip("nbformat", reason="nbformat, which comes with nbclient")
    nbclient = pytest.importorskip("nbclient", reason="nbclient runs notebooks")
    if find_spec("ipykernel") is None:
        pytest.skip("ipykernel, which runs the cells, is not installed")
    assert run(name, "--out", folder).exit_code == 0
    notebook = nbformat.read(folder / f"{name}.ipynb", 4)
    place = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=place).execute()
    shown = ["\n".join(map(text_of, cell.get("outputs", ()))) for cell in notebook.cells]
    return [text for text in shown if text]


def text_of(output):
    data = output.get("data", {})
    return output.get("text") or data.get("text/html") or data["text/plain"]


def is_picture(text):
    return "vega" in text.lower()


def numbers(text):
    return [float(x) for x in re.findall(r"-?\d+\.\d+", text)]


@pytest.mark.long
def test_a_slot_and_its_proof(tmp_path):
    pytest.importorskip("flint", reason="python-flint checks the proof")
    pytest.importorskip("altair", reason="altair draws the slot")
    table, picture, by_hand, others, ladder, proof, forged = shown_by("slot_and_proof", tmp_path)
    assert is_picture(picture)
    assert "1.503385" in table  # the slot of README that is checked by hand
    assert numbers(by_hand)[0] == pytest.approx(numbers(by_hand)[-1], abs=1e-12)
    assert all(loss > 0 for loss in numbers(others))
    assert len(ladder.splitlines()) == 6
    assert "no joint action is worth more" in proof
    assert "objective 1.504385" in forged


@pytest.mark.long
def test_a_scenario_of_measurements(tmp_path):
    pytest.importorskip("altair", reason="altair draws the figure")
    _, scenario, methods, modes, verified, figure = shown_by("measured_scenario", tmp_path)
    assert "5" in scenario
    local, _, unaware, _, exact, _ = numbers(methods)  # each method may do what those before it may
    assert local < unaware < exact < 1
    assert "200 of 200 slots have a decision" in verified
    assert is_picture(modes)
    assert is_picture(figure)
    assert (tmp_path / "site.toml").exists()


@pytest.mark.long
def test_a_policy_against_the_optimum(tmp_path):
    pytest.importorskip("torch", reason="torch trains the policy")
    pytest.importorskip("altair", reason="altair draws the gaps")
    training, scores, gaps, lacks, policy, optimum = shown_by("policy_and_optimum", tmp_path)
    regrets = [float(x) for x in re.findall(r"regret ([\d.]+)", training)]
    assert regrets[-1] < regrets[0]
    assert "strongest" in scores
    assert is_picture(gaps)
    gaps = {line.split()[0]: numbers(line) for line in lacks.splitlines()}
    assert gaps["run"][1] < gaps["constant"][0] < gaps["local"][0]
    reached, best = (float(re.search(r"Total QoE ([\d.]+),", t)[1]) for t in (policy, optimum))
    lacks = 2 * float(re.search(r"slot \d+ lacks ([\d.]+)", policy)[1])  # of two tasks
    assert best - reached == pytest.approx(lacks, abs=2e-4)
