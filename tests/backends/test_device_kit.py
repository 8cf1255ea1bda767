"""The kit for machines with a GPU: what of it needs none."""

import json
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

KIT = Path(__file__).parents[2] / ".ci" / "device"


@pytest.fixture
def kit(tmp_path, monkeypatch):
    if not KIT.exists():
        pytest.skip("the kit lies in a checkout, which this is not")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("device_kit", str(KIT))
    module = module_from_spec(spec_from_loader("device_kit", loader))
    loader.exec_module(module)
    monkeypatch.setattr(module, "SITE", tmp_path)
    return module


def test_all_steps_fit_into_eight_minutes(kit):
    assert sum(limit for _, _, limit in kit.steps()) <= 480


def test_each_step_is_cut_at_its_limit_and_written_as_it_ends(kit, tmp_path, monkeypatch):
    say = [sys.executable, "-c", "print('2 passed in 0.1s')"]
    wait = [sys.executable, "-uc", "import time; print('begun'); time.sleep(60)"]
    figures = [sys.executable, "-c", f"open(r'{tmp_path}/bench.json', 'w').write('[1]')"]
    planned = [("tests", say, 30), ("bench", figures, 30), ("train", wait, 1)]
    monkeypatch.setattr(kit, "steps", lambda: [*planned, ("none", ["/no/such"], 1)])
    out = tmp_path / "found.json"
    assert kit.run(out) == 1
    tests, bench, train, none = json.loads(out.read_text())["steps"]
    assert (tests["status"], tests["summary"]) == ("exit 0", ["2 passed in 0.1s"])
    assert (bench["status"], bench["figures"]) == ("exit 0", [1])
    assert train["status"] == "cut after 1 s"
    assert "begun" in train["output"]
    assert none["status"] == "not run: No such file or directory"


def test_what_is_there_is_not_installed_over(kit, tmp_path):
    for name in ("pytest-9.0.0", "no_such_package-1.0"):
        (tmp_path / f"{name}-py3-none-any.whl").write_text("")
    assert [Path(file).name for file in kit.wheels(tmp_path)] == [
        "no_such_package-1.0-py3-none-any.whl"
    ]
