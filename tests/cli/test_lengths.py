"""Options that are given stand, and --quick shortens the others alone."""

import pytest

from semopt.cli import study
from semopt.cli.entry import run

GIVEN = {
    "gap": {"seeds": 4, "slots": 7, "ranks": 0},
    "scaling": {"users": 8, "slots": 3, "limit": 0.5},
    "information": {"draws": 9, "replies": 11, "slots": 13},
    "policies": {"slots": 6, "updates": 5},
}
QUICK = {
    "gap": {"seeds": 1, "slots": 100, "ranks": 10},
    "scaling": {"users": 32, "slots": 2, "limit": 2.0},
    "information": {"draws": 40, "replies": 100, "slots": 100},
    "policies": {"slots": 100, "updates": 2},
}


@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name in GIVEN for option in GIVEN[name]]
)
def test_quick_leaves_an_option_that_is_given(name, option, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs the extra learn")
    pytest.importorskip("altair", reason="needs the extra study")
    questions = []
    monkeypatch.setattr(study, "conduct", lambda question, *_: questions.append(question))
    value = GIVEN[name][option]
    command = ["study", name, "--quick", f"--{option}", str(value), "--out", str(tmp_path / "o")]
    assert run(command) == 0
    settings = questions[0].settings()
    settings["ranks"] = settings.get("ranked")
    expected = QUICK[name] | {option: value}
    assert {key: settings[key] for key in expected} == expected
