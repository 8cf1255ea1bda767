"""An algorithm is one file and one row: the recipe for one holds."""

import json

from recipes import Copy
from semopt.learn.algorithms import ALLOWED, module_of
from semopt.methods import ALGORITHMS

CHANCE = '''
"""A policy that tosses a coin, as an example of an algorithm."""

from dataclasses import dataclass

import torch
from torch import nn

from . import algorithms, learner
from .actor import Sample


@dataclass(frozen=True)
class Settings(algorithms.CommonSettings):
    slots: int = 8
    updates: int = 4
    learning_rate: float = 1e-3
    gradient: float = 1.0
    validate_every: int = 2
    patience: int = 0
    bias: float = 0.5  # probability of local execution


SETTINGS = {"fast": Settings()}
ALLOWED = {"bias": (0.0, 1.0)}


class Policy(nn.Module):
    def __init__(self, channels, bias):
        super().__init__()
        self.channels, self.bias = channels, nn.Parameter(torch.tensor(bias))

    def greedy(self, observation):
        rows = observation.shape[:2]
        local = torch.rand(rows) < self.bias
        mode = torch.where(local, 0, 1)
        return Sample(mode, torch.ones(*rows, 3), torch.rand(*rows, self.channels))


class Learner(learner.Learner):
    def build(self):
        return {"policy": Policy(self.env.channels, self.settings.bias)}

    def update(self):
        self.updates += 1
        self.agent_steps += self.env.users
        return {"reward": 0.0}
'''


def test_the_recipe_for_an_algorithm(tmp_path):
    copy = Copy(tmp_path, "Add an algorithm")
    copy.add("learn/chance.py", CHANCE, counted=False)
    copy.add(
        "methods.py",
        '    "chance": ("tosses a coin", "chance"),',
        before='    "distill": (',
    )
    assert copy.is_short()
    known = "|".join(ALGORITHMS).replace("distill", "chance|distill")
    assert known in copy.run("-m", "semopt", "train", "--help")
    copy.run("-m", "semopt", "train", "chance", "tiny", "--out", "run")
    command = ("evaluate", "run", "--slots", "20", "--json", "scores.json")
    copy.run("-m", "semopt", *command)
    score = json.loads((tmp_path / "scores.json").read_text())["methods"]["run"]
    assert 0.0 < score["qoe"] < score["reference_qoe"]
    refused = copy.run("-m", "semopt", "train", "mapo", "tiny", "--out", "x", check=False)
    assert "chance" in refused


def test_every_algorithm_says_the_ranges_of_its_settings():
    for algorithm in ALGORITHMS:
        module = module_of(algorithm)
        assert not ALLOWED.keys() & module.ALLOWED.keys()
        assert "fast" in module.SETTINGS
