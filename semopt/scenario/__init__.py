"""Scenario files: TOML in the words and units of people, validated, then arrays in SI units."""

from .faults import ScenarioError
from .scenario import Scenario
from .source import PRESETS, presets

__all__ = ["PRESETS", "Scenario", "ScenarioError", "presets"]
