"""The command line as its users meet it: run in a process of its own where that matters."""

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from math import isclose
from pathlib import Path
from time import sleep

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from semopt import Scenario, Status
from semopt.backends import SearchResult
from semopt.cli import app, entry, explain, solve
from semopt.cli.slot import solve_one
from semopt.methods import METHODS
from semopt.report.slot import print_result
from semopt.result import Result
from semopt.solvers import solve as optimum
from tolerances import CASES, PRINTED

HEAVY = {"torch", "scipy", "numba", "cvxpy", "altair", "transformers", "pandas", "cupy"}


def run(*arguments):
    """Run the command line in this process, faults included."""
    return CliRunner().invoke(app, list(arguments))


def semopt(*arguments):
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "semopt", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_solve_loads_no_heavy_package():
    code = "import sys; from semopt.cli import app; app(['solve'], standalone_mode=False); "
    code += f"print('loaded:', sorted({HEAVY!r} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "loaded: []"


def test_json_on_standard_output_is_one_document_of_the_contract():
    out = semopt("solve", "tiny", "--json", "-")
    assert out.returncode == 0
    document = json.loads(out.stdout)
    keys = {"schema", "method", "backend", "status", "objective", "upper_bound", "gap", "seconds"}
    assert keys | {"joint_actions", "readings", "problem", "users"} <= document.keys()
    assert document["schema"] == 1
    assert document["status"] == "optimal"
    assert isclose(sum(u["qoe"] for u in document["users"]), document["objective"], rel_tol=CASES)
    assert document["problem"]["slot"]["tasks"] == [u["task"] for u in document["users"]]


def test_table_names_every_user_and_the_gain_over_local():
    out = run("solve", "paper")
    assert out.exit_code == 0
    users = json.loads(run("solve", "paper", "--json", "-").stdout)["users"]
    modes = ["raw" if user["extraction"] == 1.0 else "semantic" for user in users]
    places = [f"{mode} {user['channel']}" for mode, user in zip(modes, users, strict=True)]
    assert all(user["offload"] for user in users)
    for word in ("image", "text", *places, "optimal", "all-local reaches"):
        assert word in out.output
    assert max(len(line) for line in out.output.splitlines()) <= 80


def test_many_slots_report_their_means(tmp_path):
    file = tmp_path / "means.json"
    out = run("solve", "--slots", "40", "--seed", "3", "--json", str(file))
    assert out.exit_code == 0
    assert "QoE" in out.output
    document = json.loads(file.read_text())
    assert len(document["slots"]) == 40
    objectives = [slot["objective"] for slot in document["slots"]]
    assert isclose(document["mean"]["qoe"], sum(objectives) / 80, rel_tol=CASES)
    again = run("solve", "--slots", "40", "--seed", "3", "--json", "-")
    assert json.loads(again.output)["slots"] == document["slots"]


@pytest.mark.parametrize("command", [["solve"], ["explain"], ["scenario", "check"]])
def test_a_scenario_comes_from_standard_input(command):
    text = Scenario.load("tiny").to_toml().replace('name = "tiny"', "")
    out = CliRunner().invoke(app, [*command, "-"], input=text)
    assert out.exit_code == 0
    assert out.output.startswith(("standard input", "ok: standard input", "If one user"))
    with pytest.raises(ValueError, match="standard input: is not TOML: line 1"):
        CliRunner().invoke(app, ["solve", "-"], input="x", catch_exceptions=False)


def test_a_seed_draws_the_first_slot():
    one = json.loads(run("solve", "--seed", "3", "--json", "-").output)
    many = json.loads(run("solve", "--slots", "2", "--seed", "3", "--json", "-").output)
    assert one["objective"] == many["slots"][0]["objective"]


@pytest.mark.parametrize(
    ("options", "seed"), [([], None), (["--seed", "7"], 7), (["--seed", "0"], 0)]
)
def test_a_table_of_one_slot_says_which_seed_drew_it(options, seed, tmp_path):
    file = tmp_path / "one.parquet"
    assert run("solve", "paper", *options, "--json", str(file)).exit_code == 0
    about = pq.read_schema(file).metadata[b"semopt"]
    assert json.loads(about)["seed"] == seed


def test_explain_says_what_alternatives_cost():
    out = run("explain", "paper", "--user", "1")
    assert out.exit_code == 0
    assert "local" in out.output
    assert "loses" in out.output
    problem = Scenario.load("paper").problem()
    apart = optimum(problem.only(0)).objective
    apart += optimum(problem.only(1), "local").objective
    loss = optimum(problem).objective - apart  # where it runs locally
    assert f"{loss:.6f}" in out.output


def test_alternatives_are_compared_with_nothing_but_the_optimum():
    out = run("solve", "large", "--explain", "--time-limit", "1e-9")
    assert out.exit_code == 0
    assert "limit_reached" in out.output
    assert "loses" not in out.output
    assert "within the time limit of 1e-09 s the optimum" in " ".join(out.output.split())


def test_the_time_limit_is_of_solve_and_alternatives_together(monkeypatch):
    limits = []

    def slow(problem, method, options, prices):
        limits.append(options["time_limit"])
        result = solve_one(problem, method, options, prices)
        sleep(options["time_limit"])
        return result

    monkeypatch.setattr(solve, "solve_one", slow)
    monkeypatch.setattr(explain, "solve_one", slow)
    for command in (["solve", "tiny", "--explain"], ["explain", "tiny"]):
        out = run(*command, "--time-limit", "0.2")
        assert out.exit_code == 0
        assert "0 of 2 users are explained: the time limit of 0.2 s" in " ".join(out.output.split())
    assert limits == [0.2, 0.2]


@pytest.mark.parametrize(
    ("status", "stopped", "code", "said"),
    [
        (Status.LIMIT_REACHED, "time limit", 0, "within the time limit of 60 s the optimum"),
        (Status.LIMIT_REACHED, "interrupted", 130, "interrupted: no alternative is known"),
        (Status.INFEASIBLE, "interrupted", 130, "infeasible: no decision of the method's"),
        (Status.INFEASIBLE, None, 0, "infeasible: no decision of the method's"),
    ],
)
def test_explain_says_why_there_is_no_optimum(status, stopped, code, said, monkeypatch):
    def cut(problem, method, options, prices):
        return Result(problem, method, "cpu", status, details={"stopped": stopped or ""})

    monkeypatch.setattr(explain, "solve_one", cut)
    out = run("explain", "tiny")
    assert out.exit_code == code
    assert said in " ".join(out.output.split())
    assert "loses" not in out.output


def test_exhaustive_lists_ranks_and_counts():
    asked = ["solve", "tiny", "--method", "exhaustive", "--best", "3", "--histogram", "8"]
    out = run(*asked, "--above", "1.5")
    assert out.exit_code == 0
    assert max(len(line) for line in out.output.splitlines()) <= 80
    assert "1 joint actions score above the value given" in out.output
    assert "1.503385 raw 1 10; semantic 0 10 1 0.5" in out.output
    details = json.loads(run(*asked, "--json", "-").output)["details"]
    assert details["best"][0]["objective"] == pytest.approx(1.503385, abs=PRINTED)
    counts = details["histogram"]["counts"]
    assert sum(counts[6:]) == sum(entry["objective"] >= 1.5 for entry in details["best"])


def test_a_stopped_search_without_a_decision_is_reported(capsys):
    problem = Scenario.load("tiny").problem()
    print_result(Result(problem, "exhaustive", "cpu", Status.LIMIT_REACHED, upper_bound=2.0), "t")
    shown = " ".join(capsys.readouterr().out.split())
    assert "gives no decision; proven upper bound 2.000000." in shown


def test_interrupt_prints_the_best_so_far_and_leaves_a_checkpoint(tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(SearchResult, "merged", interrupt)
    file = tmp_path / "search.json"
    out = run("solve", "--method", "exhaustive", "--resume", str(file))
    assert out.exit_code == 130
    assert "limit_reached" in out.output
    assert f"interrupted: what was found until then is given; --resume {file}" in out.output
    assert json.loads(file.read_text())["next"] == 0


def test_old_names_are_understood_with_a_word(tmp_path):
    out = run("solve", "tiny", "--method", "exhaustive", "--checkpoint", str(tmp_path / "file"))
    assert out.exit_code == 0
    words = "note: option 'checkpoint' of method 'exhaustive' is an old name of 'resume'"
    assert words in " ".join(out.output.split())
    with pytest.raises(ValueError, match="holds no checkpoint"):
        raise run("solve", "--method", "mappo", "--checkpoint", str(tmp_path)).exception


def test_a_signal_to_terminate_leaves_a_checkpoint(tmp_path):
    file = tmp_path / "search.json"
    code = (
        "import os, signal, sys; from semopt.backends import SearchResult; "
        "from semopt.cli import main; "
        "SearchResult.merged = lambda *arguments: os.kill(os.getpid(), signal.SIGTERM); "
        f"sys.argv[1:] = ['solve', '--method', 'exhaustive', '--resume', {str(file)!r}]; main()"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == 143
    assert "limit_reached" in out.stdout
    assert "interrupted: " in out.stderr
    assert json.loads(file.read_text())["next"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_of_many_slots_and_keeps_what_is_finished(tmp_path, number):
    file = tmp_path / "r.json"
    code = f"""
import os, signal, sys
import semopt
from semopt.cli import main
from semopt.solvers.matching import ExactBatch
signal.signal({number:d}, signal.SIG_DFL)  # `nohup` leaves it ignored
right = ExactBatch.solve_within
def cut(self, seconds, gain, task):
    if len(gain) > 1:
        os.kill(os.getpid(), {number:d})
    return right(self, seconds, gain, task)
ExactBatch.solve_within = cut
sys.argv[1:] = ["solve", "--slots", "40", "--json", {str(file)!r}]
main()
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == 128 + number
    assert "interrupted: 1 of 40 slots are solved and given" in out.stderr
    assert "share of slots undecided 0.9750" in " ".join(out.stdout.split())
    assert "1 of 40 slots solved" in out.stdout
    document = json.loads(file.read_text())
    statuses = [slot["status"] for slot in document["slots"]]
    assert statuses == ["optimal"]  # a file holds what is solved
    assert document["slots"][0]["objective"] is not None
    assert document["mean"]["undecided_share"] == 0.0
    assert run("verify", str(file)).exit_code == 0


def suites(folder):
    """Write two suites of benchmarks, the second of which asks for an end."""
    (folder / "test_search.py").write_text("def test_sum(benchmark):\n    benchmark(sum, [1])\n")
    (folder / "test_two.py").write_text(
        "import os, signal, time\n\ndef test_end(benchmark):\n    os.kill(os.getppid(), "
        "signal.SIGINT)\n    time.sleep(60)\n"
    )


def test_bench_gives_the_suites_that_are_finished(tmp_path):
    (tmp_path / "bench").mkdir()
    suites(tmp_path / "bench")
    command = [sys.executable, "-m", "semopt", "bench", "--json", "r.json"]
    out = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert out.returncode == 130, out.stderr
    assert "interrupted: 1 of 2 suites are measured and given" in out.stderr
    results = json.loads((tmp_path / "r.json").read_text())["results"]
    assert [(each["suite"], each["name"]) for each in results] == [("search", "sum")]
    assert "sum" in out.stdout
    again = [*command, "--compare", "r.json"]
    out = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert out.returncode == 2
    assert "--json r.json: would overwrite what is read, r.json" in out.stderr


def test_compare_gives_the_scenarios_that_are_finished(monkeypatch):
    from semopt.solvers.matching import ExactBatch

    right, names = ExactBatch.solve_within, []

    def cut(self, seconds, gain, task):
        names.append(len(gain))
        if names.count(1) == 2:  # a batch begins with one slot
            raise KeyboardInterrupt
        return right(self, seconds, gain, task)

    monkeypatch.setattr(ExactBatch, "solve_within", cut)
    out = run("scenario", "compare", "paper", "text", "--slots", "20", "--json", "-")
    assert out.exit_code == 130
    document = json.loads(out.stdout)
    assert list(document["scenarios"]) == ["paper"]
    assert "interrupted: 1 of 2 scenarios are compared" in out.output


def test_a_signal_before_anything_is_finished_says_so():
    code = (
        "import os, signal, sys; from semopt import Scenario; from semopt.cli import main; "
        "Scenario.load = lambda name: os.kill(os.getpid(), signal.SIGINT); "
        "sys.argv[1:] = ['solve']; main()"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == 130
    assert (out.stdout, out.stderr) == ("", "interrupted: nothing was finished\n")


CUT_AT = """
import atexit, os, signal, sys
signal.signal({number:d}, signal.SIG_DFL if {number:d} != 2 else signal.default_int_handler)
class Cut:
    def find_spec(self, name, *_):
        if name == {name!r}:
            os.kill(os.getpid(), {number:d})
sys.meta_path.insert(0, Cut())
from semopt.__main__ import main
sys.argv[1:] = ["solve", "tiny", "--json", "-"]
if {name!r} == "the end":
    atexit.register(os.kill, os.getpid(), {number:d})
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["semopt.cli", "typer", "semopt.cli.solve", "numpy", "the end"])
def test_a_signal_at_any_moment_is_one_line(name, number):
    code = CUT_AT.format(name=name, number=number)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if name == "the end":
        assert (out.returncode, out.stderr) == (0, "")
        assert json.loads(out.stdout)["status"] == "optimal"
    else:
        assert out.returncode == 128 + number
        assert (out.stdout, out.stderr) == ("", "interrupted: nothing was finished\n")


@pytest.mark.parametrize("method", ["reference", "local", "semantic-unaware", "exact", "global"])
def test_a_time_limit_holds_for_many_slots_of_any_method(method, tmp_path):
    file = tmp_path / "r.json"
    asked = ["--slots", "50", "--time-limit", "1e-9", "--json", str(file)]
    out = run("solve", "--method", method, *asked)
    assert out.exit_code == 0  # a time limit is an answer
    document = json.loads(file.read_text())
    assert {slot["status"] for slot in document["slots"]} == {"limit_reached"}
    assert document["mean"]["undecided_share"] == 1
    assert document["mean"]["qoe"] is None


def test_a_time_limit_holds_for_the_ladder():
    out = run("solve", "tiny", "--ladder", "--time-limit", "30", "--json", "-")
    assert json.loads(out.output)["methods"].keys() >= {"reference", "exact", "global"}
    assert run("solve", "tiny", "--ladder", "--time-limit", "0").exit_code == 1


def test_the_version_is_that_of_the_package():
    out = run("--version")
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert (out.exit_code, out.output) == (0, f"semopt {project['version']}\n")


def test_an_output_never_overwrites_the_scenario_or_what_it_names(tmp_path):
    scenario, table = tmp_path / "s.toml", tmp_path / "table.csv"
    scenario.write_text('[tasks.text.accuracy]\nfile = "table.csv"\n')
    table.write_text("x")
    for target in (scenario, table):
        out = semopt("solve", str(scenario), "--json", str(target))
        assert out.returncode == 2
        assert f"--json {target}: would overwrite what is read" in out.stderr
    assert table.read_text() == "x"


@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/fd/1", "-"])
def test_standard_output_by_any_name_holds_one_document(target):
    out = semopt("solve", "tiny", "--json", target)
    assert out.returncode == 0
    assert json.loads(out.stdout)["status"] == "optimal"
    many = semopt("solve", "--slots", "3", "--json", target)
    assert len(json.loads(many.stdout)["slots"]) == 3


@pytest.mark.parametrize(
    ("changes", "options", "title"),
    [
        ({}, [], "mine: exact"),
        ({}, ["--seed", "3"], "mine, first slot drawn, seed 3: exact"),
        ({"slot": None}, [], "mine, first slot drawn, seed 0: exact"),
        ({"slot": None, "trace": True}, [], "mine, first slot of g.npy, tasks of seed 0: exact"),
        (
            {"slot": None, "queue": {"tasks": [["text", "image"]]}},
            ["--seed", "2"],
            "mine, first slot drawn, gains of seed 2, tasks as listed: exact",
        ),
    ],
)
def test_the_table_of_a_slot_says_which_slot_it_is(
    changes, options, title, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    changes = {"name": "mine"} | changes
    if changes.pop("trace", False):
        np.save(tmp_path / "g.npy", np.full((2, 2, 2), 0.3))
        changes["channel"] = {"model": "trace", "file": str(tmp_path / "g.npy")}
    text = Scenario.load("tiny").replace(changes).to_toml()
    (tmp_path / "mine.toml").write_text(text.replace(f"{tmp_path}/", ""), encoding="utf-8")
    for ladder in ([], ["--ladder"]):
        assert entry.run(["solve", "mine.toml", *options, *ladder]) == 0
        out = capsys.readouterr().out
        assert out.startswith(title.removesuffix("exact") if ladder else title)


def test_a_process_reads_the_result_from_a_pipe():
    command = f"{sys.executable} -m semopt solve tiny --json >(cat >&2) >/dev/null"
    out = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert json.loads(out.stderr)["status"] == "optimal"


@pytest.mark.parametrize(
    "arguments",
    [
        ["scenario", "schema"],
        ["solve", "--slots", "900"],
        ["solve", "battery", "--queue"],
        ["scenario", "list"],
    ],
)
def test_a_reader_that_goes_is_no_fault_to_report(arguments):
    arguments = " ".join(arguments) + (" --json -" if "--slots" in arguments else "")
    command = f"{sys.executable} -m semopt {arguments} | head -c 1; exit ${{PIPESTATUS[0]}}"
    out = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert out.stderr == ""
    assert out.returncode in (0, 141)  # 0: all of it had been written when the reader went


@pytest.mark.parametrize("arguments", [["solve", "tiny"], ["scenario", "show", "--json"]])
def test_a_reader_that_has_gone_ends_a_command_as_it_ends_other_tools(arguments):
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "semopt", *arguments]
    out = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (out.returncode, out.stderr) == (141, "")


@pytest.mark.parametrize(("columns", "term"), [("0", "xterm"), ("20", "dumb")])
def test_any_width_and_terminal(columns, term, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", term)
    out = semopt("solve", "tiny")
    words = out.stdout.split()
    assert {"1.503385,", "0.6697", "+0.1697", "12.02", "semantic"} <= set(words)
    assert max(map(len, out.stdout.splitlines())) <= (80 if columns == "0" else 24)
    shown = semopt("solve", "--help").stdout
    for option in ("--time-limit", "--histogram", "--certificate"):
        assert option in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["solve", "--best", "3"], ["--best 3", "exhaustive", "exact"]),
        (["solve", "--above", "1"], ["--above 1", "exhaustive", "exact"]),
        (["solve", "--method", "exhaustive", "--above", "inf"], ["--above inf", "finite"]),
        (["solve", "--histogram", "9", "--method", "global"], ["--histogram 9", "exhaustive"]),
        (["solve", "--slots", "x"], ["--slots x", "whole number", "solve --help"]),
        (["solve", "--slots", "0"], ["--slots 0", "1", "solve --help"]),
        (["solve", "--slots", "9" * 40], ["--slots 999", "GB of memory"]),
        (["solve", "--what"], ["--what", "solve --help"]),
        (["solve", "paper", "tiny"], ["tiny"]),
        (["solve", "/dev/zero"], ["/dev/zero", "it is a device"]),
        (["solve", "/"], ["/: ", "it is a folder"]),
        (["solve", "--method", "exhaustive", "--resume", "/dev/full"], ["/dev/full", "file"]),
        (["solve", "--json", "/dev/full"], ["/dev/full", "No space left"]),
        (
            ["solve", "--method", "global", "--json", "-", "--certificate", "/dev/stdout"],
            ["--json and --certificate both write /dev/stdout"],
        ),
        (["explain", "--user", "7"], ["--user 7", "0 to 1"]),
        (["bench", "nothing"], ["nothing", "search"]),
        (["bench", "--json", "/nowhere/x.json"], ["/nowhere/x.json"]),
        (["solve", "papr"], ["paper"]),
        (["solve", "--method", "best"], ["best", "exact"]),
        (["solve", "--backend", "tpu"], ["backend", "tpu"]),
        (["solve", "--slots", "3", "--explain"], ["--explain"]),
        (["solve", "--method", "local", "--time-limit", "0"], ["--time-limit 0"]),
        (["explain", "--user", "9"], ["user", "9"]),
        (["solve", "--json", "/nowhere/x.json"], ["/nowhere/x.json"]),
    ],
)
def test_bad_input_is_one_message_and_exit_2(arguments, words):
    out = semopt(*arguments)
    assert out.returncode == 2
    assert out.stdout == ""
    assert "Traceback" not in out.stderr
    for word in words:
        assert word in out.stderr


def test_no_partial_file_is_left(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    out = semopt("solve", "--json", str(target))
    assert out.returncode == 2
    assert list(tmp_path.iterdir()) == [target]
    assert list(target.iterdir()) == []
    assert list(Path(tmp_path).glob(".*")) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--ladder", "--gap", "1"), "--ladder"),
        (("--ladder", "--prices"), "--ladder"),
        (("--ladder", "--method", "global"), "--ladder"),
        (("--slots", "3", "--certificate", "proof.json"), "--certificate"),
        (("--slots", "3", "--prices"), "--prices"),
        (("--slots", "3", "--ladder"), "--ladder"),
        (("--method", "relaxation", "--gap", "-1"), "gap"),
        (("--method", "relaxation", "--time-limit", "nan"), "time_limit = nan: must be above 0 s"),
        (("--method", "global", "--json", "x", "--certificate", "./x"), "both write ./x"),
        (("--method", "exhaustive", "--json", "x", "--resume", "x"), "both write x"),
        (("--slots", "3", "--method", "exhaustive", "--resume", "x"), "--resume"),
        (("--ladder", "--json", "x.parquet"), "--json x.parquet"),
        (("--explain", "--method", "local"), "--explain"),
        (("--method", "global", "--certificate", "no/such/folder.json"), "folder"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments, words):
    result = run("solve", "tiny", *arguments)
    assert isinstance(result.exception, ValueError)
    assert words in str(result.exception)


def test_prices_of_too_large_a_slot_are_refused_before_it_is_solved(monkeypatch):
    monkeypatch.setattr("semopt.solvers.relaxation.bound.MEMORY", 1.0)
    monkeypatch.setattr("semopt.solvers.solve", lambda *given, **options: pytest.fail("solved"))
    out = run("solve", "tiny", "--prices")
    assert "--prices: relaxation: 2 users on 2 sub-channels are 10 pieces" in str(out.exception)


def test_prices_stand_in_the_json_of_any_method(tmp_path):
    assert run("solve", "tiny", "--prices", "--json", str(tmp_path / "r.json")).exit_code == 0
    prices = json.loads((tmp_path / "r.json").read_text())["details"]["prices"]
    assert len(prices["sub_channel"]["value"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("solve tiny --method global --gap 0", "--gap 0.0: must be at least 1e-09"),
        ("solve tiny --method global --gap=0", "--gap 0.0: must be at least 1e-09"),
        ("solve tiny --method relaxation --gap -1", "--gap -1.0: must be a number of at least 0"),
        ("solve tiny --backend foo", "--backend 'foo': method 'exact' runs on cpu (auto) or numpy"),
        (
            "solve tiny --method exhaustive --backend foo",
            "--backend 'foo' cannot be used: it is not one of auto, numpy, cpu, cupy, cuda",
        ),
        ("train mappo tiny --settings slow --out x", "--settings 'slow': "),
        ("train mappo tiny --out=", "--out '': the name of a folder is expected"),
        ("solve ", "'': there is no such file, and no such preset"),
        ("scenario check ", "'': there is no such file, and no such preset"),
        ("scenario monotone ", "FILE .: is a folder"),
        ("scenario monotone /", "FILE /: is a folder"),
        ("verify ", "cannot read '': No such file or directory"),
        ("solve tiny --seed 1_0", "--seed 1_0: a number in plain digits is expected"),
        ("solve tiny --time-limit=1_0", "--time-limit 1_0: a number in plain digits is expected"),
        ("scenario compare tiny --slots \u0663", "--slots \u0663: a number in plain digits is exp"),
        ("verify 1_0", "cannot read 1_0: No such file"),
        ("solve gap --gap 1", "--gap 1.0: is for method global and relaxation"),
        ("solve gap --method global --gap 1", "gap: there is no such file"),
    ],
)
def test_messages_name_what_was_typed(capsys, arguments, message):
    assert entry.run(arguments.split(" ")) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def commands_below(command, names=()):
    """Yield the words of each command that runs, and the command."""
    for name, below in getattr(command, "commands", {}).items():
        yield from commands_below(below, (*names, name))
    if not hasattr(command, "commands"):
        yield names, command


def test_help_names_every_command_and_group():
    shown = CliRunner().invoke(app, ["--help"]).output
    named = re.findall(r"^\W* ([a-z]+) {2,}[A-Z]", shown, re.MULTILINE)
    assert {"solve", "verify", "manual", "scenario", "semantic", "study"} <= set(named)


def test_help_shows_what_its_options_say(monkeypatch):
    # Rich takes [study] for one of its own marks unless told otherwise.
    monkeypatch.setenv("COLUMNS", "200")
    for names, command in commands_below(typer.main.get_command(app)):
        shown = CliRunner().invoke(app, [*names, "--help"]).output
        for option in command.params:
            for words in re.findall(r"\\?(\[[a-z]+\])", getattr(option, "help", None) or ""):
                assert words in shown, f"{' '.join(names)}: {option.name}"


def test_help_wraps_at_the_width_of_the_terminal_alone(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["study", "gap", "--help"]).output
    assert "Ctrl-C keeps every cell that is finished; the same command goes on" in shown
    monkeypatch.setenv("COLUMNS", "80")
    lines = CliRunner().invoke(app, ["solve", "--help"]).output.splitlines()
    start = next(i for i, line in enumerate(lines) if "Without --slots" in line)
    assert len(lines[start].strip()) > 60


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed", "-1"], "--seed -1: a number of at least 0 is expected"),
        (["--slots", "0"], "--slots 0: a number of at least 1 is expected"),
        (["--slots", "x"], "--slots x: a whole number is expected"),
        (["--gap", "x"], "--gap x: a number is expected"),
    ],
)
def test_a_number_that_is_none_or_out_of_range_is_a_sentence(arguments, words):
    command = [sys.executable, "-m", "semopt", "solve", *arguments]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    assert out.returncode == 2
    assert out.stderr.splitlines()[0] == f"error: {words}"


def test_a_method_that_is_none_is_told_the_names_of_today():
    message = str(run("solve", "tiny", "--method", "exat").exception)
    assert message.endswith("one of " + ", ".join(METHODS))
