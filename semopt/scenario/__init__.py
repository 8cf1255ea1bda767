"""Scenario files: TOML in the words and units of people, validated, then arrays in SI units.

A file is read in three passes whose faults are reported together: accuracy tables come in from
files of their own (`surface.py`), each key is checked alone (`sections.py`), then keys are checked
against each other (`consistency.py`). Past this package there are no units but SI.
"""

from .faults import ScenarioError
from .scenario import Scenario
from .source import PRESETS, presets

__all__ = ["PRESETS", "Scenario", "ScenarioError", "presets"]
