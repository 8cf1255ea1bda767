"""The recipes of the README, followed to the letter on a copy of the package.

What is inserted is all that a recipe asks for, and what is asserted is what a user notices.
"""

import shutil
import subprocess
import sys
from math import atan, pi
from pathlib import Path
from shutil import which

import pytest

from recipes import FILES, LINES, Copy
from semopt import _core
from semopt.cli import entry

NEW_LIMIT = "Add a limit (here: a least QoE of each user)"  # of README.md

# "Add a limit": here a user's least QoE. File -> what is found there, what takes its place.
LIMIT = {
    "semopt/figures.py": [
        (
            ")\nWEIGHTS = (",
            '    Figure("qoe_min", "qoe_min", FRACTION, "least QoE", 0.0, optional=True),\n'
            ")\nWEIGHTS = (",
        ),
        (
            ")\nUSER_LIMITS =",
            '    Limit("QoE", 8, "qoe", "qoe_min", worse=-1),\n)\nUSER_LIMITS =',
        ),
    ],
    "semopt/problem.py": [
        (
            "    weight_latency: Floats\n",
            "    qoe_min: Floats = LEFT_OUT\n    weight_latency: Floats\n",
        ),
    ],
    "csrc/model/model.h": [
        ("    FIELD(weight_latency) ", "    FIELD(qoe_min) \\\n    FIELD(weight_latency) "),
        (
            '    LIMIT("server energy"',
            '    LIMIT("QoE", 8, outcome.qoe >= user.qoe_min) \\\n    LIMIT("server energy"',
        ),
    ],
}

# "Another score": here 1/2 + arctan(x) / pi.
SCORE = {
    "semopt/model.py": [
        ('SCORE, TOP_SCORE = "logistic", 1.0', 'SCORE, TOP_SCORE = "arctan", 1.0'),
        (
            "    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -700.0, 700.0))))\n",
            "    return np.asarray(0.5 + np.arctan(x) / np.pi)\n",
        ),
        ("    return value * (1.0 - value)\n", "    return np.sin(np.pi * value) ** 2 / np.pi\n"),
        (
            "    return 2.0 * np.log(root) - np.log(np.maximum(4.0 * slope, 1e-300))\n",
            "    slope = np.maximum(np.pi * slope, 1e-300)\n"
            "    return np.sqrt(np.maximum(1.0 / slope - 1.0, 0.0))\n",
        ),
    ],
}


def edited(recipe, place, text):
    """Return a file's text with a recipe's lines in it."""
    for found, instead in recipe[place]:
        assert text.count(found) == 1, (place, found)
        text = text.replace(found, instead)
    return text


def written(found, instead):
    """Return how many lines somebody writes."""
    return len([line for line in instead.splitlines() if line not in found.splitlines()])


def followed(folder, recipe, name):
    """Return a copy of the package in which a recipe was followed."""
    copy = Copy(folder / "copy", name)
    for place in recipe:
        if place.startswith("semopt/"):
            file = copy.folder / place
            file.write_text(edited(recipe, place, file.read_text()))
    return copy


def run(copy, code):
    """Return the lines that a program prints which imports the copy."""
    return copy.run("-c", f"import numpy as np\n{code}").splitlines()


@pytest.mark.parametrize("recipe", [LIMIT, SCORE], ids=["limit", "score"])
def test_a_recipe_is_short(recipe):
    lines = sum(written(*entry) for entries in recipe.values() for entry in entries)
    assert len(recipe) <= FILES
    assert len(recipe) <= lines <= LINES


def test_the_recipe_of_a_limit_says_what_is_written(tmp_path):
    text = Copy(tmp_path / "copy", NEW_LIMIT).recipe
    done = " ".join(" ".join(new for entries in LIMIT.values() for _, new in entries).split())
    for words in (
        'Figure("qoe_min", "qoe_min", FRACTION, "least QoE", 0.0, optional=True)',
        'Limit("QoE", 8, "qoe", "qoe_min", worse=-1)',
        *(
            "qoe_min: Floats = LEFT_OUT",
            "FIELD(qoe_min)",
            'LIMIT("QoE", 8, outcome.qoe >= user.qoe_min)',
        ),
    ):
        assert f"`{words}`" in text
        assert words in done
    assert all(f"`{place}`" in text for place in LIMIT)


# A slot in which the best decision leaves user 1 a QoE of 0.4699.
SLOT = """
from semopt import Scenario, solve
document = Scenario.load("contended").to_dict()
document["grid"] = dict.fromkeys(document["grid"], 4)
gain, task = [[0.6565, 2.801], [0.0604, 0.2838]], ["text", "image"]
free = Scenario.from_dict(document).problem(gain, task)
document["user"]["qoe_min"] = 0.5
document["slot"] = {"gain": gain, "tasks": task}
scenario = Scenario.from_dict(document)
problem = scenario.problem()
"""


def test_a_new_limit_binds_in_the_readable_model_and_whoever_does_not_know_it_says_so(tmp_path):
    told = run(
        followed(tmp_path, LIMIT, NEW_LIMIT),
        SLOT
        + """
from dataclasses import replace
from semopt.env.environment import Environment
from semopt.learn.evaluate import strongest
from semopt.model import rewards
before, after = (solve(p, backend="numpy") for p in (free, problem))
print(after.status.word, before.outcome().qoe.min() < 0.5 <= after.outcome().qoe.min())
print(after.objective < before.objective, after.violations())
print([strongest(p) for p in (free, problem)])
blamed = replace(before, problem=problem)
print(blamed.violations(), [user["feasible"] for user in blamed.users_json()])
print(np.round(rewards(problem, blamed.outcome()), 4).tolist())
same = solve(problem, "exhaustive", backend="numpy")
print(abs(same.objective - after.objective) < 1e-12)
document["user"]["qoe_min"] = 0.99
reason = solve(Scenario.from_dict(document).problem(), backend="numpy").infeasibility.to_json()
print(reason[1]["limits"], reason[1]["modes"]["semantic"])
for attempt in (
    *(lambda method=m: solve(problem, method) for m in ("exact", "exhaustive", "local")),
    lambda: Environment(scenario),
    *(lambda method=m: solve(problem, method) for m in ("global", "relaxation")),
):
    try:
        print(attempt())
    except ValueError as error:
        print(error)
""",
    )
    assert told == [
        "optimal True",
        "True []",
        "['global', 'exact']",  # measures policies
        "['user 1 breaks its QoE limit'] [True, False]",
        "[0.8102, -0.0602]",  # (0.5 - 0.4699) / 0.5
        "True",
        "['QoE', 'latency'] ['QoE']",
        *[
            "user.qoe_min is a limit that csrc/model/model.h does not know: "
            "use method 'exact' with backend 'numpy', add it there, or leave it out"
        ]
        * 4,
        *[
            f"user.qoe_min is a limit that method '{method}' does not know: "
            "use method 'exact' with backend 'numpy'"
            for method in ("global", "relaxation")
        ],
    ]


def test_commands_show_and_verify_a_new_limit(tmp_path):
    copy, file, out = followed(tmp_path, LIMIT, NEW_LIMIT), tmp_path / "s.toml", tmp_path / "r.json"
    run(copy, SLOT + f"open({str(file)!r}, 'w').write(scenario.to_toml())")
    solved, sound = (
        run(copy, f"from semopt.cli.entry import run\nprint(run({words!r}))")
        for words in (
            ["solve", str(file), "--backend", "numpy", "--json", str(out)],
            ["verify", str(out)],
        )
    )
    heads = " ".join(solved[2:4]).split()
    assert "≥0.5" in heads
    assert (solved[-1], sound[-1]) == ("0", "0")
    assert sound[0].startswith("verified")
    out.write_text(out.read_text().replace('"qoe_min": 0.5', '"qoe_min": 0.6'))
    forged = run(copy, f"from semopt.cli.entry import run\nprint(run({['verify', str(out)]!r}))")
    assert forged == ["false: users: user 1 breaks its QoE limit", "1"]


def test_files_of_before_a_new_limit_are_read_as_without_it(tmp_path):
    old, result = tmp_path / "old.json", tmp_path / "result.json"
    for words in (["--method", "global", "--certificate", str(old)], ["--json", str(result)]):
        assert entry.run(["solve", "tiny", *words]) == 0
    copy = followed(tmp_path, LIMIT, NEW_LIMIT)
    for file in (old, result):
        read = run(copy, f"from semopt.cli.entry import run\nprint(run({['verify', str(file)]!r}))")
        assert read[0].startswith("verified")
        assert read[-1] == "0"


def test_a_table_shows_two_limits_of_one_figure_apart(tmp_path):
    recipe = of_made_up_limits()
    shown = run(
        followed(tmp_path, recipe, NEW_LIMIT),
        """
from dataclasses import replace
from semopt import Scenario
from semopt.report.slot import limited
problem = Scenario.load("tiny").problem()
problem = replace(problem, users=replace(problem.users, deadline=np.full(2, 4e-3)))
print(limited(problem, "latency")[0].splitlines())
""",
    )
    assert shown == ["['≤8 ms', '≤4 ms']"]


def test_a_limit_is_two_lines_more_of_the_kernels(tmp_path):
    if which("g++") is None:
        pytest.skip("the kernels' formulas are compiled with g++, which is not here")
    headers = Path(_core.__file__).parent / "include/model"
    shutil.copytree(headers, tmp_path / "model")
    file = tmp_path / "model/model.h"
    file.write_text(edited(LIMIT, "csrc/model/model.h", file.read_text()))
    (tmp_path / "main.cpp").write_text(
        """
#include <cstdio>
#include <initializer_list>
#include "model/model.h"
using namespace semopt;
int main() {
    const System<double> system{.latency_max = 1};
    const User<double> user{.energy_max = 1, .qoe_min = 0.5};
    const Task<double> task{};
    for (double qoe : {0.4, 0.5}) {
        const Outcome<double> found{0.5, 2.0 * (qoe < 0.5), 1, qoe};
        std::printf("%d %d\\n", int(violations(system, user, task, found)),
                    int(affordable(system, user, task, found.latency, found.energy, qoe)));
    }
#define SHOWN(name, bit, kept) std::printf("%s %d\\n", name, bit);
    SEMOPT_LIMITS(SHOWN)
}
"""
    )
    compiler = ["g++", "-std=c++20", f"-I{tmp_path}", str(tmp_path / "main.cpp")]
    strict = ["-Wall", "-Werror"]
    subprocess.run([*compiler, *strict, "-o", str(tmp_path / "main")], check=True)
    told = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == [
        *("10 0", "0 1"),
        *("latency 1", "energy 2", "accuracy 4", "QoE 8", "server energy 0"),
    ]
    # A limit by which the best of many actions says nothing of the others: `exact` has none such.
    text = file.read_text()
    for unfit in (
        "outcome.qoe <= user.qoe_min",
        "outcome.latency >= user.qoe_min",
        "(outcome.accuracy >= user.qoe_min) | (outcome.energy <= user.energy_max)",
    ):
        file.write_text(text.replace("outcome.qoe >= user.qoe_min", unfit))
        refused = subprocess.run([*compiler, "-fsyntax-only"], capture_output=True, check=False)
        assert refused.returncode, unfit


# Lower bounds of QoE and accuracy and an upper one of latency: name, bit, figure, bound, sense.
MADE_UP = [
    ("QoE", 8, "qoe", "qoe_min", -1),
    ("deadline", 16, "latency", "deadline", 1),
    ("accuracy of a user", 32, "accuracy", "user_accuracy_min", -1),
]


def of_made_up_limits():
    """Return the recipe's lines for all limits of `MADE_UP`."""
    figures, limits, members, declared, conditions = "", "", "", "", ""
    for name, bit, figure, bound, worse in MADE_UP:
        allowed, default = ("LIMIT", "inf") if worse > 0 else ("FRACTION", "0.0")
        key = f"{bound}_ms" if figure == "latency" else bound
        figures += f'    Figure("{bound}", "{key}", {allowed}, "-", {default}, optional=True),\n'
        limits += f'    Limit("{name}", {bit}, "{figure}", "{bound}", worse={worse}),\n'
        members += f"    {bound}: Floats = LEFT_OUT\n"
        declared += f"    FIELD({bound}) \\\n"
        sense = "<=" if worse > 0 else ">="
        conditions += f'    LIMIT("{name}", {bit}, outcome.{figure} {sense} user.{bound}) \\\n'
    lines = {
        "semopt/figures.py": (figures, limits),
        "semopt/problem.py": (members,),
        "csrc/model/model.h": (declared, conditions),
    }
    ends = {
        "semopt/figures.py": (")\nWEIGHTS = (", ")\nUSER_LIMITS ="),
        "semopt/problem.py": ("    weight_latency: Floats\n",),
        "csrc/model/model.h": ("    FIELD(weight_latency) ", '    LIMIT("server energy"'),
    }
    return {
        place: [(end, new + end) for end, new in zip(ends[place], lines[place], strict=True)]
        for place in ends
    }


@pytest.mark.long
def test_exact_keeps_compiled_new_limits_as_exhaustive_does_with_the_readable_model(tmp_path):
    sources = Path(__file__).parents[2]
    if which("cmake") is None or which("c++") is None:
        pytest.skip("the extension is compiled with cmake and a C++ compiler, which are not here")
    recipe = of_made_up_limits()
    copy = followed(tmp_path, recipe, NEW_LIMIT)
    shutil.copytree(sources / "csrc", tmp_path / "csrc")
    shutil.copy(sources / "CMakeLists.txt", tmp_path)
    model = tmp_path / "csrc/model/model.h"
    model.write_text(edited(recipe, "csrc/model/model.h", model.read_text()))
    build = tmp_path / "build"
    packages = subprocess.run(
        [sys.executable, "-m", "pybind11", "--cmakedir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    options = [
        "-DCMAKE_BUILD_TYPE=Release",
        "-DSEMOPT_CUDA=off",
        f"-Dpybind11_DIR={packages}",
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    for command in (["-S", str(tmp_path), "-B", str(build), *options], ["--build", str(build)]):
        subprocess.run(["cmake", *command], check=True, capture_output=True)
    for compiled in copy.folder.glob("semopt/_c*.so"):
        compiled.unlink()
    for compiled in build.glob("_core*.so"):
        shutil.copy(compiled, copy.folder / "semopt")
    told = run(
        copy,
        """
from dataclasses import replace
from semopt import Scenario, evaluate, solve
document = Scenario.load("contended").to_dict()
document["grid"] = dict.fromkeys(document["grid"], 3)
scenario, rng = Scenario.from_dict(document), np.random.default_rng(1)
seen = dict(same=0, bind=0, infeasible=0)
for gain, task in zip(*scenario.draw(120, 1)):
    free = scenario.template().with_slot(gain, task)
    best = solve(free).outcome()
    def bound(reached, low, high):
        some = rng.random(len(reached)) < 0.4
        return np.where(some, reached * rng.uniform(low, high, len(reached)), np.nan)
    limits = dict(
        qoe_min=np.nan_to_num(bound(best.qoe, 0.9, 1.05), nan=0.0),
        user_accuracy_min=np.nan_to_num(np.minimum(bound(best.accuracy, 0.95, 1.05), 1.0), nan=0.0),
        deadline=np.nan_to_num(bound(best.latency, 0.95, 1.1), nan=np.inf),
    )
    problem = replace(free, users=replace(free.users, **limits))
    exact, every = solve(problem), solve(problem, "exhaustive", backend="numpy")
    assert exact.status is every.status, (exact, every)
    if exact.actions is None:
        seen["infeasible"] += 1
        continue
    assert exact.backend == "cpu" and exact.violations() == []
    assert abs(exact.objective - every.objective) < 1e-9, (exact, every)
    seen["same"] += 1
    seen["bind"] += exact.objective < best.qoe.sum() - 1e-9
print(seen["same"] > 20, seen["bind"] > 10, seen["infeasible"] > 10)
document["user"]["deadline_ms"] = 4.0
scored = evaluate(["local", "exact"], Scenario.from_dict(document), slots=20)
print(scored.reference, scored.scores["exact"].ratio)
""",
    )
    assert told == ["True True True", "exact 1.0"]


def test_another_score_counts_in_all_of_python_and_kernels_without_it_say_so(tmp_path):
    told = run(
        followed(tmp_path, SCORE, "Another score"),
        """
from dataclasses import replace
from semopt import Actions, Scenario, solve
from semopt.model import evaluate
tiny = Scenario.load("tiny").problem()
local = Actions(np.array([-1, -1]), np.zeros(2), np.array([5e8, 1e9]), np.ones(2))
print(*np.round(evaluate(tiny, local).qoe, 12).tolist())
contended = Scenario.load("contended")
problem = contended.problem([[0.6565, 2.801], [0.0604, 0.2838]], ["text", "image"])
best = solve(problem, backend="numpy")
bound = solve(problem, "relaxation").upper_bound
print(best.status.word, best.violations(), 0.0 <= bound - best.objective < 0.1)
for method in ("exact", "exhaustive", "global"):
    try:
        print(solve(problem, method))
    except ValueError as error:
        print(error)
""",
    )
    # Text at half the clock: 3 ms later, 22.5 mJ less; slopes are 1 / ms and 0.1 / mJ.
    half = 0.5 + (0.5 * atan(-3.0) + 0.25 * atan(2.25)) / pi
    assert told[0].split() == [f"{half:.12g}", "0.5"]
    assert told[1] == "optimal [] True"
    words = (
        "score 'arctan': csrc/model/model.h has 'logistic': use method 'exact' with backend 'numpy'"
    )
    assert all(line.startswith(words) for line in told[2:])
    assert len(told) == 5
