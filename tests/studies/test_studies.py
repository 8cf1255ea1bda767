"""The programs of the studies, as a user starts them."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")


def run(name, *arguments):
    command = [sys.executable, "-m", f"semopt.studies.{name}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [(), ("out", "paper-mappo")])
def test_policies_names_its_rows(arguments):
    ended = run("policies", *arguments)
    assert ended.returncode == 1
    assert "contended-8-long" in ended.stderr
