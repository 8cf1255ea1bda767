"""Which backends there are, and that asking for another is answered with the reason."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recipes import Copy
from semopt import _core, backends
from semopt.cli import app


def test_plain_and_compiled_backends_are_always_there():
    assert backends.available()[:2] == ["numpy", "cpu"]
    assert backends.get("auto").name == backends.available()[-1]


def test_every_other_backend_says_why_not():
    for name in set(backends.NAMES) - {"auto", *backends.available()}:
        reason = backends.why_not(name)
        assert reason
        with pytest.raises(ValueError, match=f"backend '{name}' cannot be used: ") as error:
            backends.get(name)
        assert reason in str(error.value)


def test_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="cannot be used: it is not one of auto, numpy"):
        backends.get("gpu")


def test_command_lists_backends_and_reasons():
    shown = CliRunner().invoke(app, ["backends"])
    assert shown.exit_code == 0
    for name in set(backends.NAMES) - {"auto"}:
        assert f"\n{name:6} " in "\n" + shown.output
    document = json.loads(CliRunner().invoke(app, ["backends", "--json", "-"]).output)
    assert document["auto"] == backends.available()[-1]
    rows = {row["name"]: row for row in document["backends"]}
    assert [name for name, row in rows.items() if row["available"]] == backends.available()
    assert all(row["about"] for row in rows.values())


def test_instruction_set_that_does_not_run_is_refused():
    with pytest.raises(ValueError, match='SEMOPT_ISA: "v9" does not run here; one of portable'):
        _core.use_instruction_set("v9")


def test_cuda_module_loads_without_a_driver_and_says_so():
    cuda = pytest.importorskip("semopt._cuda", reason="nvcc was not there when semopt was built")
    assert "semopt_collect" in cuda.kernel_names()
    assert (cuda.why_not() == "") == ("cuda" in backends.available())


def test_the_recipe_for_a_backend(tmp_path):
    copy = Copy(tmp_path, "Add a backend")
    copy.add("backends/plain.py", "from .reference import *", counted=False)
    copy.add(
        "backends/registry.py",
        '    "plain": "plain",',
        before='    "cpu": "cpu"',
    )
    assert copy.is_short()
    assert "plain  yes, NumPy" in copy.run("-m", "semopt", "backends")
    copy.run("-m", "semopt", "solve", "tiny", "--method", "exhaustive", "--backend", "plain")
    tests = str(Path(__file__).parents[1] / "model" / "test_twins.py")
    arguments = ["-q", "-p", "no:cacheprovider", "-k", "plain", tests]
    done = copy.run("-c", f"import pytest; sys.exit(pytest.main({arguments}))")
    assert " passed" in done
    assert " failed" not in done
