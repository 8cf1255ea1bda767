"""What semopt offers to whoever explores it: names, and what they do with bad arguments."""

import ast
import inspect
import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.testing import assert_allclose

import semopt
from problems import random_problem
from semopt import cli
from semopt.problem import Columns, Frozen
from semopt.records import Record
from semopt.result import as_written
from tolerances import ROUNDING

FUNCTIONS = "solve solve_batch ladder explain verify evaluate bound"
CLASSES = "Scenario Problem Result Batch Solver Environment"


def test_dir_lists_what_is_public_and_each_name_is_there():
    assert {*FUNCTIONS.split(), *CLASSES.split()} <= set(dir(semopt))
    for name in dir(semopt):
        assert getattr(semopt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'solv'"):
        _ = semopt.solv


def test_checkers_of_types_see_the_same_names():
    tree = ast.parse(Path(semopt.__file__).read_text())
    imported = {
        alias.asname: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert imported == {name: (home, name) for name, home in semopt._HOMES.items()}


@pytest.mark.parametrize("name", semopt.__all__)
def test_what_is_public_says_what_it_is_and_names_what_it_raises(name):
    public = getattr(semopt, name)
    words = inspect.getdoc(public)
    assert words
    assert words != inspect.getdoc(type(public))
    if inspect.isfunction(public) and inspect.signature(public).parameters:
        for section in ("Parameters", "Raises", "Examples"):
            assert f"{section}\n---" in words, f"{name} has no {section}"
        described = words[words.index("Parameters") :]
        for parameter in inspect.signature(public).parameters:
            assert parameter in described, f"{name} says nothing of {parameter}"


def test_a_name_costs_nothing_before_it_is_used():
    code = "import sys, semopt; dir(semopt); "
    code += "print([m for m in sys.modules if m.startswith(('semopt.', 'numpy', 'pydantic'))])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["[]"]


def test_slots_come_as_problems_scenarios_names_and_files(tmp_path):
    # 1.503385: the slot of README that is checked by hand.
    tiny = semopt.Scenario.load("tiny")
    file = tmp_path / "mine.toml"
    file.write_text(tiny.to_toml())
    for slot in (tiny.problem(), tiny, "tiny", file, str(file)):
        assert semopt.solve(slot).objective == pytest.approx(1.503385, abs=5e-7)
        assert semopt.bound(slot) >= 1.503385
    assert semopt.explain(file).keys() == {0, 1}
    with pytest.raises(ValueError, match=r"method = 'exact': must be one of relaxation, global"):
        semopt.bound("tiny", "exact")


def test_a_bound_of_an_infeasible_slot_says_so():
    tight = semopt.Scenario.load("tiny").replace({"system.latency_max_ms": 1e-6})
    assert semopt.bound(tight) == -np.inf
    assert semopt.bound(tight, "global") == -np.inf


def test_verify_takes_what_solve_returns(tmp_path):
    result = semopt.solve("tiny")
    file = tmp_path / "result.json"
    file.write_text(json.dumps(result.to_json()))
    assert semopt.verify(result) == semopt.verify(file)
    gain, task = semopt.Scenario.load("paper").draw(3, seed=1)
    assert "3 of 3 slots" in semopt.verify(semopt.solve_batch("paper", gain, task))
    result.actions.power[0] *= 2
    with pytest.raises(semopt.FalseClaim, match="user 0 breaks its power limit"):
        semopt.verify(result)


def always_local(seen):
    shares = np.zeros((*seen.shape[:2], 6))
    user = semopt.Scenario.load("paper").user
    low, high = user.frequency_ghz
    shares[..., 2] = (user.reference_frequency_ghz - low) / (high - low)
    return shares


def test_functions_are_scored_as_names_are():
    evaluation = semopt.evaluate(
        ["reference", always_local, always_local], "paper", slots=20, reference="exact"
    )
    assert [*evaluation.scores] == ["reference", "always_local", "always_local #2"]
    qoe = [score.qoe for score in evaluation.scores.values()]
    assert qoe == pytest.approx([0.5, 0.5, 0.5], abs=1e-6)  # method reference: 0.5 by construction


# ------------------------------------------------------------------------------ what objects show


HOLDS_ARRAYS = re.compile(r"NDArray|Floats|Integers|Singles|Bytes|Actions|Problem|Result\\b")


def dataclasses_of(file):
    """Yield the name, the bases and the annotations of each frozen dataclass in a file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef) and "frozen=True" in " ".join(
            map(ast.unparse, node.decorator_list)
        ):
            kinds = [
                ast.unparse(part.annotation) for part in node.body if type(part) is ast.AnnAssign
            ]
            yield node.name, {ast.unparse(base) for base in node.bases}, " ".join(kinds)


def test_every_dataclass_of_arrays_compares_with_one_answer():
    files = Path(semopt.__file__).parent.rglob("*.py")
    held = {
        name: bases
        for f in files
        for name, bases, kinds in dataclasses_of(f)
        if HOLDS_ARRAYS.search(kinds)
    }
    assert {"Problem", "Result", "Batch", "Actions", "Split"} <= held.keys()
    assert {
        name for name, bases in held.items() if not bases & {"Record", "Frozen", "Columns"}
    } == set()
    assert issubclass(Columns, Frozen)
    assert issubclass(Frozen, Record)


def test_records_are_equal_where_all_they_hold_is():
    paper = semopt.Scenario.load("paper")
    gain, task = paper.draw(4, seed=1)
    one, other = (paper.problem(gain[0], task[0]) for _ in range(2))
    assert (one == other) is True
    assert (one == paper.problem(gain[0] * 2, task[0])) is False
    assert (one == paper.problem(gain[0], (task[0] + 1) % 3)) is False
    assert (one == "paper") is False
    assert one.users == other.users
    assert semopt.solve(one) == semopt.solve(other)
    assert semopt.solve(one) != semopt.solve(one, "local")
    batches = [semopt.solve_batch(paper, gain, task) for _ in range(2)]
    assert batches[0] == batches[1]
    assert batches[0] != semopt.solve_batch(paper, gain, task, "local")
    assert semopt.Actions.empty(2) == semopt.Actions.empty(2)  # NaN equals NaN
    assert semopt.Actions.empty(2) != semopt.Actions.empty(3)
    assert semopt.Scenario.load("paper") == paper != paper.replace({"grid.power": 3})
    assert semopt.Scenario.parse(paper.to_toml(), folder="/") == paper
    with pytest.raises(TypeError, match="unhashable"):
        hash(semopt.Actions.empty(2))


def objects():
    paper = semopt.Scenario.load("paper")
    gain, task = paper.draw(300, seed=1)
    solver = semopt.Solver(paper)
    solver.decide(gain[0], task[0])
    batch = semopt.solve_batch(paper, gain, task)
    return {
        "scenario": (paper, "<Scenario paper: 2 users, 2 sub-channels, tasks text, image, vqa"),
        "problem": (paper.problem(), "<Problem of scenario paper: 2 users ("),
        "result": (semopt.solve(paper), "<Result of exact on cpu: optimal, value"),
        "batch": (batch, "<Batch of 300 slots by exact on cpu: 300 solved, QoE 0."),
        "solver": (solver, "<Solver of <Problem of scenario paper: "),
        "environment": (semopt.Environment(paper, 7), "<Environment of 7 slots of paper, at slot"),
        "actions": (batch.actions, "Actions(channel=<int64 (300, 2)>, power=<float64 (300, 2)>"),
        "one action": (batch.actions.take(0), "Actions(channel=["),
        "evaluation": (
            semopt.evaluate("exact", paper, slots=5, reference="exact"),
            "<Evaluation on 5 slots of paper: share of exact exact 1.0000>",
        ),
    }


def test_objects_show_themselves_in_a_line():
    for name, (thing, words) in objects().items():
        assert repr(thing).startswith(words), name
        assert len(repr(thing)) < 250
        assert "\n" not in repr(thing)


def shown(thing):
    """Return what a notebook shows of an object, as XML."""
    return ElementTree.fromstring(f"<div>{thing._repr_html_()}</div>")


def test_print_and_notebooks_show_what_the_command_prints(capsys):
    result = semopt.solve("tiny")
    assert "Total QoE 1.503385" in str(result)
    assert "semantic 0" in str(result)
    table = shown(result).find("table")
    rows = [[cell.text or "" for cell in row] for row in table.iter("tr")]
    # README's slot by hand: modes, ms, mJ, accuracy and QoE of both users.
    assert rows[1][:3] == ["0", "text", "raw 1"]
    assert rows[1][6:] == ["3.000", "1.02", "0.900", "0.6697", "+0.1697"]
    assert rows[2][6:] == ["5.000", "12.02", "0.800", "0.8337", "+0.3337"]
    assert rows[0][6] == "latency ≤8 ms"
    assert capsys.readouterr().out == ""
    for name in ("scenario", "batch", "evaluation"):
        thing = objects()[name][0]
        cells = [cell.text for cell in shown(thing).iter("td")]
        assert set(cells) - {None, ""} <= set(cells)
        assert all(cell.split()[-1] in str(thing) for cell in cells if cell)


def test_a_name_is_no_markup_in_a_notebook():
    named = semopt.Scenario.load("tiny").replace(name="<b>&\x1b[31m")
    assert "<b>&\\x1b[31m" in shown(semopt.solve(named)).findtext("table/caption")


def test_an_evaluation_holds_each_slot_and_how_sure_its_means_are():
    paper = semopt.Scenario.load("paper")
    evaluation = semopt.evaluate(["local", "exact"], paper, slots=400, seed=3, reference="exact")
    gain, task = paper.draw(400, 3)
    assert evaluation.slot.tolist() == list(range(400))
    for s in (0, 7, 399):
        best = semopt.solve(paper.problem(gain[s], task[s])).objective / 2
        assert evaluation.optimum[s] == pytest.approx(best, abs=ROUNDING)
    assert evaluation.qoe["exact"] == pytest.approx(evaluation.optimum, abs=ROUNDING)
    assert evaluation.gaps["local"].mean() == pytest.approx(
        evaluation.scores["exact"].qoe - evaluation.scores["local"].qoe, abs=ROUNDING
    )
    # The normal approximation is an interval made otherwise: 400 slots are enough for both.
    gap = evaluation.gaps["local"]
    half = 1.96 * gap.std(ddof=1) / 400**0.5
    low, high = evaluation.interval("local")
    assert low == pytest.approx(gap.mean() - half, abs=0.2 * half)
    assert high == pytest.approx(gap.mean() + half, abs=0.2 * half)
    entry = json.loads(json.dumps(evaluation.to_json()))["methods"]["local"]
    assert entry["gap_interval"] == [low, high]
    for arguments, words in (("loc",), "name = 'loc'"), (("local", "energy"), "figure = 'energy'"):
        with pytest.raises(ValueError, match=f"{words}: must be one of"):
            evaluation.interval(*arguments)
    few = semopt.evaluate("local", paper, slots=4, reference="exact")  # too few for an interval
    assert few.to_json()["methods"]["local"]["qoe_interval"] == [None, None]


# ------------------------------------------------------------------------------ to files and back


def solved(method, slots):
    """Return a batch of slots of which some are infeasible."""
    scenario = semopt.Scenario.load("contended").replace({"user.energy_max_mj": 10.0})
    gain, task = scenario.draw(slots, seed=2)
    return semopt.solve_batch(scenario, gain, task, method)


def written(thing):
    """Return a result or a batch as a file holds it: in mW and GHz."""
    return (thing.actions and replace(thing, actions=as_written(thing.actions))) or thing


@pytest.mark.parametrize("method", ["exact", "global", "reference", "relaxation"])
def test_a_batch_comes_back_from_parquet(method, tmp_path):
    pytest.importorskip("pyarrow")
    batch, file = solved(method, 3 if method == "relaxation" else 8), tmp_path / "batch.parquet"
    batch.to_parquet(file, seed=2)
    for back in (semopt.Batch.from_parquet(file), semopt.Batch.from_arrow(batch.to_arrow())):
        assert back == written(batch)
        assert back.statuses.tolist() == batch.statuses.tolist()
        assert back.upper_bound.tolist() == batch.upper_bound.tolist()
        assert back.mean() == written(batch).mean()
        assert back.result(0).status is batch.result(0).status


def test_others_read_what_to_parquet_writes(tmp_path):
    parquet, compute = (
        pytest.importorskip("pyarrow.parquet"),
        pytest.importorskip("pyarrow.compute"),
    )
    batch = solved("exact", 40)
    batch.to_parquet(tmp_path / "b.parquet")
    table = parquet.read_table(tmp_path / "b.parquet")
    assert compute.mean(table["energy_mj"]).as_py() == pytest.approx(batch.mean()["energy_mj"])
    assert compute.sum(table["offload"]).as_py() == (batch.actions.channel >= 0).sum()
    half = table.filter(compute.less(table["slot"], 20))
    assert semopt.Batch.from_arrow(half) == written(batch.first(20))
    for wrong, words in (
        (table.drop_columns(["gain"]), "gain.* is missing"),
        (table.slice(1), "its rows are not all users of each slot"),
        (table.slice(0, 0), "its rows are not all users of each slot"),
        (table.replace_schema_metadata({}), "semopt.* is missing"),
        (7, "a pyarrow.Table of to_arrow is expected, not int"),
    ):
        with pytest.raises(ValueError, match=words):
            semopt.Batch.from_arrow(wrong)
    (tmp_path / "no.parquet").write_text("x")
    for name in ("no.parquet", "nowhere.parquet", ""):
        with pytest.raises(ValueError, match="cannot be read as Parquet"):
            semopt.Batch.from_parquet(tmp_path / name)


@pytest.mark.parametrize("method", ["exact", "global", "relaxation", "reference", "exhaustive"])
def test_a_result_comes_back_from_json(method, tmp_path):
    result = semopt.solve("paper", method)
    text = json.dumps(result.to_json())
    (tmp_path / "r.json").write_text(text)
    for source in (result.to_json(), tmp_path / "r.json", str(tmp_path / "r.json")):
        back = semopt.Result.from_json(source)
        assert back == (
            (result.actions and replace(result, actions=as_written(result.actions))) or result
        )
        assert json.loads(json.dumps(back.to_json())) == json.loads(text)


def test_a_reason_comes_back_from_json():
    tight = semopt.Scenario.load("paper").replace({"system.latency_max_ms": 1e-3})
    result = semopt.solve(tight)
    assert result.infeasibility.users[0]["local"] == ("latency",)
    assert semopt.Result.from_json(result.to_json()) == result


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "best"}, "status = 'best'"),
        ({"users": [{}]}, "users.0.task is missing"),
        ({"users": []}, None),
        ({"problem": {}}, "system table is missing"),
        ({"more": 1}, "more is an unknown key"),
        ({"objective": np.nan}, "holds NaN"),
        ({"details": {"f": print}}, "is no document of JSON"),
    ],
)
def test_what_is_no_result_is_refused(changes, words):
    document = semopt.solve("tiny").to_json() | changes
    if words is None:
        assert semopt.Result.from_json(document).actions is None  # its claims are for verify
        return
    with pytest.raises(ValueError, match=words):
        semopt.Result.from_json(document)


def test_bounds_of_slots_are_arrays():
    batch = solved("exact", 40)
    assert batch.upper_bound.shape == batch.objective.shape == batch.statuses.shape
    decided = batch.statuses == "optimal"
    assert 0 < decided.sum() < 40
    assert (batch.upper_bound[decided] == batch.objective[decided]).all()
    assert np.isinf(batch.upper_bound[~decided]).all()
    for s in (-1, 40, 1.0, None, True):
        with pytest.raises(ValueError, match=rf"s = {s}: must be a whole number from 0 to 39"):
            batch.result(s)


@pytest.mark.parametrize("seed", range(12))
def test_a_problem_of_arrays_is_a_scenario_in_files(seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, users=3, channels=2, own_figures=bool(seed % 2))
    again = semopt.Scenario.from_dict(problem.to_json()).problem()
    for owner in ("system", "users", "tasks"):
        for name, value in vars(getattr(problem, owner)).items():
            back = getattr(getattr(again, owner), name)
            if name in ("names", "accuracy"):
                assert back == value
            else:
                assert_allclose(back, value, rtol=ROUNDING, err_msg=f"{owner}.{name}")
    result = semopt.solve(problem)
    assert semopt.verify(result)
    assert semopt.Result.from_json(result.to_json()).status is result.status


def test_plain_arrays_are_solved_verified_and_written():
    table = semopt.AccuracyTable.from_arrays([0.3, 1.0], [0.0, 10.0], [[0.7, 0.7], [0.9, 0.9]])
    problem = semopt.Problem.from_arrays(
        **{"gain": [[0.9, 0.2], [0.4, 0.6]], "accuracy": table, "names": ["photo"]},
        **{"bits": 12e3, "local_flop": 6e6, "extract_flop": 1e6, "server_flop": 8e6},
        **{"local_accuracy": 0.6, "latency_max": 5e-3, "energy_max": [0.03, np.inf]},
        **{"slope_latency": 1e3, "slope_energy": 100.0, "slope_accuracy": 10.0},
    )
    document = problem.to_json()
    assert document["tasks"]["photo"]["data_kbit"] == 12.0
    assert document["system"]["latency_max_ms"] == 5.0
    assert document["users"] == [{"energy_max_mj": 30.0}, {}]
    assert "the decision is feasible" in semopt.verify(semopt.solve(problem))


# ------------------------------------------------------------------------------------ bad arguments

NONSENSE = [
    *(None, -1, 2.5, True, 10**30, np.nan, 1j, "no such", b"x", object(), print),
    *([], {}, [1, "x"], {"a": 1}, np.zeros((0, 3))),
]
PAPER = semopt.Scenario.load("paper")
SLOTS = PAPER.draw(2, 1)
EXHAUSTIVE = "query", "resume"
SLOT = {"gain": SLOTS[0][0], "tasks": SLOTS[1][0]}


def calls():
    """Return public functions with arguments that they take."""
    batch, result = semopt.solve_batch(PAPER, *SLOTS), semopt.solve(PAPER)
    problem, scored = PAPER.problem(), semopt.evaluate("local", PAPER, slots=5, reference="exact")
    table = {"extraction": [0.3, 1], "snr_db": [0, 9.0], "table": [[0.5, 0.5], [1, 1]], "raw": None}
    room = {"slots": 1, "seed": 0, "lane": 0, "observation": "own", "features": (), "part": None}
    return {
        "load": (semopt.Scenario.load, {"source": "paper"}),
        "parse": (semopt.Scenario.parse, {"text": PAPER.to_toml(), "folder": ".", "source": "x"}),
        "from_dict": (semopt.Scenario.from_dict, {"data": PAPER.to_dict(), "source": "x"}),
        "replace": (lambda **changes: PAPER.replace(changes), {"users": 3, "channels": 2}),
        "to_toml": (PAPER.to_toml, {"head": ""}),
        "problem": (PAPER.problem, SLOT),
        "draw": (PAPER.draw, {"slots": 2, "seed": 1, "first": 0, "part": None}),
        "solve": (semopt.solve, {"problem": problem, "method": "exact", "time_limit": 9.0}),
        "exact": (partial(semopt.solve, problem), {"backend": "cpu"}),
        "global": (partial(semopt.solve, problem, "global"), {"gap": 1e-3, "certificate": None}),
        "exhaustive": (
            partial(semopt.solve, "tiny", "exhaustive"),
            {"query": None, "resume": None},
        ),
        "relaxation": (partial(semopt.solve, "tiny", "relaxation", time_limit=0.1), {"gap": None}),
        "batch": (partial(semopt.solve_batch, "paper", *SLOTS), {"method": "exact", "threads": 1}),
        "slots": (semopt.solve_batch, {"scenario": "paper", "gain": SLOTS[0], "tasks": SLOTS[1]}),
        "ladder": (partial(semopt.ladder, time_limit=1e-3), {"problem": problem}),
        "bound": (partial(semopt.bound, "tiny"), {"method": "global"}),
        "explain": (semopt.explain, {"problem": result, "user": 0, "time_limit": 9.0}),
        "verify": (semopt.verify, {"source": result}),
        "evaluate": (
            semopt.evaluate,
            {"policies": "local", "scenario": PAPER, "slots": 3, "seed": 0, "reference": "exact"},
        ),
        "interval": (scored.interval, {"name": "local", "figure": "gap"}),
        "Solver": (semopt.Solver, {"scenario": PAPER}),
        "decide": (semopt.Solver(PAPER).decide, SLOT),
        "Environment": (partial(semopt.Environment, PAPER), room),
        "status": (batch.status, {"s": 0}),
        "bound of a slot": (batch.bound, {"s": 0}),
        "first": (batch.first, {"slots": 1}),
        "to_arrow": (batch.to_arrow, {"seed": 0}),
        "from_parquet": (semopt.Batch.from_parquet, {"file": "/nowhere"}),
        "to_parquet": (batch.to_parquet, {"file": "/nowhere/x"}),
        "from_json": (semopt.Result.from_json, {"source": result.to_json()}),
        "with_slot": (problem.with_slot, {"gain": SLOT["gain"], "task": SLOT["tasks"]}),
        "levels": (problem.grid_levels, {"user": 0, "task": 0}),
        "table": (semopt.AccuracyTable.from_arrays, table),
    }


@pytest.mark.usefixtures("_in_a_folder")
def test_a_bad_argument_is_a_value_error_of_one_sentence():
    strange = []
    for name, (function, arguments) in calls().items():
        for argument in arguments:
            for value in NONSENSE:
                try:
                    function(**arguments | {argument: value})
                except ValueError as error:
                    words = str(error)
                    if "ambiguous" in words or not words or len(words) > 3000:
                        strange.append((name, argument, value, words))
                except Exception as error:
                    strange.append((name, argument, value, repr(error)))
    assert strange == []


@pytest.fixture
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["solve", "--slots", "99999999999"], lambda: PAPER.draw(99999999999, 0)),
        (["solve", "--time-limit", "-1"], lambda: semopt.solve(PAPER, time_limit=-1.0)),
        (["solve", "--method", "best"], lambda: semopt.solve(PAPER, "best")),
        (["solve", "papr"], lambda: semopt.Scenario.load("papr")),
        (["explain", "--user", "2"], lambda: semopt.explain(PAPER, user=2)),
        (["evaluate", "nobody"], lambda: semopt.evaluate("nobody")),
        (["verify", "nowhere"], lambda: semopt.verify("nowhere")),
    ],
)
def test_python_names_the_same_fault_as_the_command_line(arguments, call, capsys):
    assert cli.run(arguments) == 2
    message = capsys.readouterr().err
    with pytest.raises(ValueError, match=r"\w") as caught:
        call()
    sentence = str(caught.value).partition(": ")[2]  # behind the argument, or the option
    assert sentence in message


def test_a_policy_gets_what_evaluate_says_it_gets():
    # 3 users, 2 sub-channels: (2 gains + 2 features) of each user, and which of 3 users it is.
    scenario = semopt.Scenario.load("contended").replace(users=3)
    gain, task = scenario.draw(50, 4)
    seen = {}

    def shared(observation):
        seen.setdefault(("shared", len(observation)), observation)
        return semopt.Actions.local(np.full(observation.shape[:2], 0.7e9))

    def alone(observation):
        seen.setdefault(("own", len(observation)), observation)
        return semopt.Actions.local(np.full(observation.shape[:2], 0.7e9))

    alone.observation = "own"
    semopt.evaluate([shared, alone], scenario, slots=50, seed=4, reference="exact")
    of_all, single = seen["shared", 50], seen["own", 50]
    assert (of_all.shape, single.shape) == ((50, 3, 3 * 4 + 3), (50, 3, 4 + 3))
    assert (single[..., 4:] == np.eye(3)).all()
    assert (of_all[..., 12:] == np.eye(3)).all()
    for user in range(3):
        for other in range(3):
            block = of_all[:, user, 4 * other : 4 * other + 4]
            assert (block == single[:, other, :4]).all()
    # Gains on a line over their logarithms; features one pair of values for each kind of task.
    logarithm = np.log(gain).ravel()
    line = np.polynomial.Polynomial.fit(logarithm, single[..., :2].ravel(), 1)
    assert_allclose(single[..., :2].ravel(), line(logarithm), atol=1e-5)
    for kind in range(3):
        assert len(np.unique(single[task == kind][:, 2:4], axis=0)) == 1
