"""What the tables say, on numbers worked out elsewhere."""

import re
from dataclasses import replace
from math import nan

import numpy as np
import pytest

from semopt import Scenario, Status, evaluate, solve
from semopt.backends import Query
from semopt.methods import METHODS
from semopt.report.slot import (
    print_details,
    print_explanation,
    print_ladder,
    print_prices,
    print_result,
)
from semopt.result import Result, exact_integer
from semopt.solvers import ladder
from semopt.solvers.explanation import Alternative


def test_histogram_bins_are_named_by_their_lower_ends(capsys):
    problem = Scenario.load("tiny").problem()
    details = {"histogram": {"low": 1.0, "high": 3.0, "counts": [4, 0, 80, 8]}}
    print_details(Result(problem, "exhaustive", "cpu", Status.OPTIMAL, details=details))
    rows = re.findall(r"^ *([\d.]+) +(\d+) *(█*) *$", capsys.readouterr().out, re.MULTILINE)
    assert [(row[0], row[1]) for row in rows] == [
        ("1", "4"),
        ("1.5", "0"),
        ("2", "80"),
        ("2.5", "8"),
    ]
    assert [len(row[2]) for row in rows] == [2, 0, 40, 4]


def test_an_exhaustive_histogram_puts_the_best_into_its_own_bin(capsys):
    problem = Scenario.load("tiny").problem()
    query = Query(keep=1, bins=4, high=2.0)
    result = solve(problem, "exhaustive", query=query)
    print_details(result)
    shown = capsys.readouterr().out
    last = [line.split()[:2] for line in shown.splitlines() if "█" in line][-1]
    assert last == ["1.5", "1"]  # of 46 the best alone, 1.503385, is above 1.5


def test_a_change_for_the_worse_has_its_sign(capsys):
    result = solve(Scenario.load("tiny").problem())
    own = result.outcome().qoe
    local = solve(result.problem, "local")
    worse = Alternative(0, "local", 1.25, 0.25, float(own[0]) - 0.125, local.actions.take(0), 1)
    better = Alternative(1, "raw", 1.5, 0.0, float(own[1]) + 0.0625, result.actions.take(0), 2)
    print_explanation(result, [[worse], [better]])
    shown = capsys.readouterr().out
    assert "-0.1250" in shown
    assert "+0.0625" in shown
    assert "0.250000" in shown


def test_tables_of_two_thousand_users_are_cut_nowhere(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = solve(Scenario.load("tiny").problem())
    many = {
        method: replace(
            result,
            problem=result.problem.only(np.zeros(2000, dtype=int)),
            method=method,
            status=Status.LIMIT_REACHED,
            objective=1203.123456,
            upper_bound=1999.123456,
            continuous_bound=1999.123456,
            seconds=1234.5678,
        )
        for method in ("semantic-unaware", "relaxation")
    }
    print_ladder(many, "large")
    shown = capsys.readouterr().out
    assert "…" not in shown
    for figure in ("limit_reached", "1203.123", "1999.123", "796.000", "0.6016", "1.235e+06"):
        assert shown.count(figure) == 2, figure
    other = Alternative(1999, "semantic", 1203.123456, 123.123456, 0.5, result.actions.take(0), 2)
    print_explanation(result, [[replace(other, user=0)]])
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert "1203.123" in shown


def test_what_a_decision_misses_is_counted_from_the_least_bound(capsys):
    """Of the bounds 1.75 and 1.5 the lesser one counts; without a decision nothing is missed."""
    optimum = replace(solve(Scenario.load("tiny").problem()), objective=1.25, upper_bound=1.25)
    answers = {
        "exact": optimum,
        "global": replace(optimum, method="global", objective=1.375, continuous_bound=1.5),
        "relaxation": replace(
            optimum, method="relaxation", objective=nan, upper_bound=1.75, continuous_bound=1.75
        ),
    }
    print_ladder(answers, "tiny")
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[2:-1] for line in lines if line.strip()}
    assert rows["exact"] == ["1.250000", "0.6250", "1.250000", "0.250000"]
    assert rows["global"] == ["1.375000", "0.6875", "1.250000", "0.125000"]
    assert rows["relaxation"] == ["1.750000"]


def test_gains_over_local_are_differences_from_all_local(capsys):
    result = solve(Scenario.load("tiny").problem())
    print_result(result, "tiny")
    shown = capsys.readouterr().out
    over = [float(found) for found in re.findall(r" (\+\d\.\d{4}) *$", shown, re.MULTILINE)]
    local = solve(result.problem, "local").outcome().qoe
    assert np.allclose(over, result.outcome().qoe - local, atol=5e-5)
    assert "all-local reaches 1.000000 (+0.503385)" in shown


def test_closure_begins_at_the_reference_frequency_and_local_lies_above_it(capsys):
    scored = evaluate(["reference", "local"], "contended", slots=60, seed=0)
    scored.show()
    shown = " ".join(capsys.readouterr().out.split())
    closure = {name: score.closure for name, score in scored.scores.items()}
    assert closure["reference"] == pytest.approx(0.0, abs=1e-12)
    assert closure["local"] > 0.05  # at its best frequency
    assert "gain over 0.5, all local at the reference frequency, that is reached" in shown


def test_a_share_of_tasks_too_small_for_its_decimals_is_none(capsys):
    scored = evaluate(["local"], "contended", slots=20, seed=0)
    few = replace(scored.scores["local"], infeasible_share=0.0004, hit_share=0.999)
    replace(scored, scores={"local": few}).show()
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(" local"))
    assert "<0.1%" in row
    assert ">99%" in row


def test_the_ladder_names_every_method_it_does_not_ask(capsys):
    problem = Scenario.load("tiny").problem()
    print_ladder(ladder(problem), "tiny")
    shown = capsys.readouterr().out
    rows = [line.split()[0] for line in shown.splitlines() if line.strip()]
    alone = shown.partition("Asked for alone, by --method: ")[2].replace("\n", " ")
    for method in METHODS:
        assert (method in rows) != (f"{method}, which" in alone)


def test_prices_are_named_in_words(capsys):
    print_prices(solve(Scenario.load("tiny").problem(), "relaxation"))
    shown = capsys.readouterr().out
    for words in ("sub-channel 1 ", "time, the limit of latency ", "speed of the server "):
        assert words in shown
    assert "_" not in shown


def test_integers_are_numbers_of_json_up_to_2_to_53():
    assert exact_integer(2**53) == 2**53
    assert exact_integer(2**53 + 1) == "9007199254740993"


def test_limits_stand_below_their_figure_or_behind_each_value(capsys):
    problem = Scenario.load("tiny").problem()
    kinds = len(problem.tasks.bits)
    tasks = replace(problem.tasks, accuracy_min=np.full(kinds, 0.125))
    users = replace(problem.users, energy_max=np.array([0.05, np.inf]))
    print_result(solve(replace(problem, tasks=tasks, users=users)), "a slot")
    shown = capsys.readouterr().out
    head, rows = shown.split("───")[0], [row for row in shown.splitlines() if row[1:2].isdigit()]
    assert f"≤{problem.system.latency_max * 1e3:.3g} ms" in head
    assert "≥0.125" in head
    assert " mJ" in head.replace("≤50 mJ", "")
    assert ["/50 " in row for row in rows] == [True, False]
    users = replace(users, energy_max=np.array([0.05, 0.05]))
    print_result(solve(replace(problem, users=users)), "a slot")
    shown = capsys.readouterr().out
    assert "≤50 mJ" in shown
    assert "≥" not in shown
