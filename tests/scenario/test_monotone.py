"""Measured accuracy tables that fall: named once, and fitted by the nearest that do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from semopt import Scenario
from semopt.cli import app
from semopt.problem import AccuracyTable
from semopt.scenario import ScenarioError
from semopt.scenario.monotone import falls, nearest

DIGITS = 1e-6  # to which a fit is rounded


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def noisy(rows=20, columns=31, seed=0):
    rng = np.random.default_rng(seed)
    smooth = np.sort(np.sort(rng.uniform(0.3, 0.9, (rows, columns)), axis=0), axis=1)
    return np.clip(smooth + rng.normal(0.0, 0.02, smooth.shape), 0.0, 1.0).round(4)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([0.5, 0.4, 0.6], [0.45, 0.45, 0.6]),  # the pool of adjacent violators
        ([0.9, 0.5, 0.1], [0.5, 0.5, 0.5]),
        ([0.1, 0.6, 0.4, 0.2, 0.8], [0.1, 0.4, 0.4, 0.4, 0.8]),
        ([[0.4, 0.2], [0.6, 0.8]], [[0.3, 0.3], [0.6, 0.8]]),
        # Both of the middle cells are below the first one and meet it in their common mean.
        ([[0.6, 0.3], [0.3, 0.9]], [[0.4, 0.4], [0.4, 0.9]]),
        ([[0.1, 0.9], [0.2, 0.5]], [[0.1, 0.7], [0.2, 0.7]]),
    ],
)
def test_fits_by_hand(table, expected):
    found, fit = nearest(table)
    np.testing.assert_allclose(found, expected, atol=DIGITS)
    assert fit.largest == pytest.approx(np.abs(np.subtract(found, table)).max())
    assert fit.root_mean_square == pytest.approx(np.sqrt(np.mean(np.subtract(found, table) ** 2)))
    assert fit.cells == (int((found != np.asarray(table)).sum()), np.size(table))


tables = st.integers(1, 4).flatmap(
    lambda columns: st.lists(
        st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=columns, max_size=columns),
        min_size=1,
        max_size=4,
    )
)


@settings(max_examples=60, deadline=None)
@given(tables, st.integers(0, 2**32 - 1))
def test_no_rising_table_is_nearer(table, seed):
    given_table = np.array(table)
    found, fit = nearest(table)
    assert falls(found) == 0
    assert fit.falls == falls(given_table)
    # The projection on a convex cone: the way left is orthogonal to the fit, and no rising table
    # lies in its direction (the conditions of optimality).
    left = given_table - found
    assert abs((left * found).sum()) < 1e-4
    assert abs(left.sum()) < 1e-4
    rng = np.random.default_rng(seed)
    for _ in range(20):
        rising = np.sort(np.sort(rng.uniform(0, 1, left.shape), axis=0), axis=1)
        upper = (rising > rng.uniform()).astype(float)
        assert (left * rising).sum() < 1e-4
        assert (left * upper).sum() < 1e-4


def test_what_does_not_fall_stays_to_the_last_digit():
    table = [[0.123456789123, 0.2], [0.3, 0.987654321]]
    found, fit = nearest(table)
    assert found.tolist() == table
    assert str(fit) == "does not fall, nothing moved"
    table = [[0.123456789123, 0.2, 0.5], [0.3, 0.987654321, 0.9]]
    found, fit = nearest(table)
    assert found[0].tolist() == table[0]
    assert "fell 1 times; 2 of 6 accuracies moved, by at most 0.0438" in str(fit)


@pytest.mark.parametrize("table", [0.5, [[[0.5]]], [0.5, np.nan]])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(ValueError, match="table has shape"):
        nearest(table)


# --------------------------------------------------------------------------------------- messages


def document(table):
    found = Scenario.load("tiny").to_dict()
    rows, columns = np.shape(table)
    found["tasks"]["text"]["accuracy"] = {
        "extraction": np.linspace(0.1, 1.0, rows).tolist(),
        "snr_db": np.linspace(-5.0, 20.0, columns).tolist(),
        "table": np.asarray(table).tolist(),
    }
    return found


def test_one_message_counts_the_falls_and_says_the_largest():
    table = noisy()
    with pytest.raises(ScenarioError) as refused:
        Scenario.from_dict(document(table))
    ((path, words),) = refused.value.faults
    down, left = -np.diff(table, axis=0), -np.diff(table, axis=1)
    count = int((down > 0).sum() + (left > 0).sum())
    assert path == "tasks.text.accuracy.table"
    assert words.startswith(f"falls {count} times, most by {max(down.max(), left.max()):.3g} from")
    assert "`semopt scenario monotone`" in words
    with pytest.raises(ValueError, match=f"accuracy.table falls {count} times"):
        AccuracyTable.from_arrays(np.linspace(0.1, 1, 20), np.linspace(-5, 20, 31), table)


@pytest.mark.parametrize(
    ("table", "path", "words"),
    [
        ([[0.2, 0.1], [0.3, 0.4]], "[0][1]", "= 0.1: must be at least table[0][0] = 0.2"),
        ([[0.2, 0.3], [0.1, 0.4]], "[1][0]", "= 0.1: must be at least table[0][0] = 0.2"),
        ([[0.5, 0.3], [0.1, 0.4]], "", "falls 2 times, most by 0.4 from table[0][0] = 0.5 to "),
    ],
)
def test_falls_are_named_by_their_cells(table, path, words):
    with pytest.raises(ScenarioError) as refused:
        Scenario.from_dict(document(table))
    ((found, sentence),) = refused.value.faults
    assert found == f"tasks.text.accuracy.table{path}"
    assert sentence.startswith(words)


# ----------------------------------------------------------------------------------------- command


def test_a_scenario_is_made_to_rise(tmp_path):
    from semopt.scenario import toml

    table = noisy()
    file = tmp_path / "mine.toml"
    file.write_text(toml.dumps(document(table)))
    assert run("scenario", "check", file).exit_code == 2
    told = run("scenario", "monotone", file)
    assert told.exit_code == 0, told.output
    fitted, fit = nearest(table)
    assert f"tasks.text.accuracy.table {fit}" in told.stdout
    assert "tasks.image.accuracy.table does not fall" in told.stdout
    assert run("scenario", "check", tmp_path / "mine-monotone.toml").exit_code == 0
    found = Scenario.load(tmp_path / "mine-monotone.toml")
    assert found.tasks["text"].accuracy.table == fitted.tolist()
    again = run("scenario", "monotone", file)
    assert "exists: choose another name" in str(again.exception)
    assert run("scenario", "monotone", file, "--force").exit_code == 0
    itself = run("scenario", "monotone", file, "--out", file, "--force")
    assert "it is the input" in str(itself.exception)


def test_a_table_is_made_to_rise(tmp_path):
    file = tmp_path / "surface.csv"
    file.write_text("# measured\nextraction;0;10\n0,5;0,7;0,6\n1;0,8;0,9\nraw;0,9;0,8\n")
    told = run("scenario", "monotone", file, "--out", tmp_path / "rising.csv")
    assert told.exit_code == 0, told.output
    assert "table fell 1 times" in told.stdout
    assert "raw fell 1 times" in told.stdout
    changes = Scenario.load("tiny").to_dict()
    changes["tasks"]["text"] |= {"accuracy": {"file": "rising.csv"}, "extraction_max": 0.9}
    found = Scenario.from_dict(changes, tmp_path).tasks["text"].accuracy
    np.testing.assert_allclose(found.table, [[0.65, 0.65], [0.8, 0.9]])
    np.testing.assert_allclose(found.raw, [0.85, 0.85])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "mu,0\n", "accuracy; it begins: mu,0"),
        ("a.csv", "extraction,0,10\n0.5,0.7,x\n1,0.8,0.9\n", "a.csv: accuracy.table"),
        ("a.csv", "extraction,10,0\n0.5,0.7,0.6\n1,0.8,0.9\n", "accuracy.snr_db[1] = 0.0"),
        ("a.csv", None, "a.csv: No such file"),
        ("a.toml", "x =", "is not TOML"),
        ("a.toml", "x = 1", "x is an unknown key"),
        ("a.toml", None, "there is no such file"),
    ],
)
def test_other_faults_are_named(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_text(content)
    told = run("scenario", "monotone", tmp_path / name)
    assert isinstance(told.exception, ValueError)
    assert words in str(told.exception)
    assert not (tmp_path / f"a-monotone{name[1:]}").exists()
