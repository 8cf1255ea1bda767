"""How disputed equations are read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Readings:
    """How equations that cannot be coded as printed are read; echoed in every result."""

    gain_is_power: str = "(2): g is the linear power gain itself"
    server_share: str = "(5): equal shares, t_es = server_flop m / (o_s f_s)"
    normalised_penalty: str = "(13): violated margins are divided by their own limits"
    preference_assignment: str = "channels go to the highest remaining preference score"
    path_loss: str = "|g|^2 = |h|^2 d^-alpha, exponent negative"
    accuracy_min_unused: str = "0.56 of Table II is not enforced by the preset `paper`"
