"""The training runs behind the shipped scenarios, with the reasons for their sizes.

`measured`: tiny models of the paper's scale.

A user of Table II computes 1.1 to 2 GFLOP/s and has 5 ms: local models take 5 to 7 MFLOP, so that
they meet the deadline at the reference clock, and the edge server's full models about twice that.
Codecs send 32 features a token of an image and 16 of a text: all of them are fewer bits than the
source. Epochs are what an hour allows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..data.sources import SOURCES
from ..networks.codec import Sizes
from ..networks.plan import ROLES, Plan

TEXT, IMAGE, VQA = "movie-snippets", "fashion-mnist", "easy-vqa"
MODALITIES = {"text": TEXT, "image": IMAGE, "vqa": VQA}
WIDE = Sizes(width=64, inner=128, heads=4)
COARSE = replace(WIDE, patch=16)  # 17 tokens of 64 x 64 pixels
SLIM = Sizes(width=48, inner=96, heads=4, dropout=0.1)  # a text has 48 tokens where an image has 17

PLANS = {
    (plan.data, plan.role): plan
    for plan in (
        Plan(TEXT, "local", replace(SLIM, exits=(3,)), 4, words="minilm"),
        Plan(
            TEXT,
            "semantic",
            replace(SLIM, exits=(1, 2, 3), features=16, decoder=1, dropout=0.3),
            5,
            words="minilm",
        ),
        Plan(
            TEXT, "server", Sizes(width=128, inner=256, exits=(1,), dropout=0.3), 3, words="minilm"
        ),
        Plan(IMAGE, "local", replace(WIDE, exits=(4,)), 4),
        Plan(IMAGE, "semantic", replace(WIDE, exits=(1, 2, 3), features=32, decoder=2), 4),
        Plan(IMAGE, "server", Sizes(width=128, inner=256, exits=(2,)), 3),
        Plan(VQA, "local", replace(COARSE, exits=(2,), decoder=1), 4, learning_rate=2e-3),
        Plan(
            VQA,
            "semantic",
            replace(COARSE, exits=(1, 2, 3), features=32, decoder=2),
            5,
            learning_rate=2e-3,
        ),
        Plan(
            VQA,
            "server",
            replace(COARSE, width=96, inner=192, exits=(2,), decoder=2),
            4,
            learning_rate=2e-3,
        ),
    )
}


FROZEN: dict[str, Any] = {"words": "pretrained", "learning_rate": 5e-4, "epochs": 6}
FEW = 0.5  # of Fashion-MNIST: an image takes the encoder 6 ms of a core
SIX, FOUR = (1, 2, 3, 4, 5, 6), (1, 2, 3, 4)
GROUNDED = {
    (plan.data, plan.role): plan
    for plan in (
        Plan(TEXT, "local", Sizes(width=1536, exits=FOUR, dropout=0.4), **FROZEN),
        Plan(
            TEXT, "semantic", Sizes(exits=(3, 4, 5), decoder=1, features=64, dropout=0.2), **FROZEN
        ),
        Plan(TEXT, "server", Sizes(width=2304, exits=SIX, dropout=0.5), **FROZEN),
        Plan(IMAGE, "local", Sizes(exits=(3, 6), decoder=1, dropout=0.1), share=FEW, **FROZEN),
        Plan(
            IMAGE,
            "semantic",
            Sizes(exits=(6, 9), decoder=1, features=64, dropout=0.1),
            share=FEW,
            **FROZEN,
        ),
        Plan(
            IMAGE,
            "server",
            Sizes(width=128, inner=256, exits=(3, 6, 9, 12), decoder=1, dropout=0.1),
            share=FEW,
            **FROZEN,
        ),
        Plan(VQA, "local", Sizes(exits=(3, 6), text_layers=2, decoder=1), **FROZEN),
        Plan(
            VQA, "semantic", Sizes(exits=(3, 6, 9), text_layers=2, decoder=2, features=64), **FROZEN
        ),
        Plan(
            VQA,
            "server",
            Sizes(width=128, inner=256, exits=(3, 6, 9, 12), text_layers=2, decoder=2),
            **FROZEN,
        ),
    )
}
SCENARIOS = {"measured": PLANS, "grounded": GROUNDED}


def plan_of(data: str, role: str, scenario: str = "measured") -> Plan:
    """Return the run of a data set and a role behind a scenario: that of the set's modality.

    Raises
    ------
    ValueError
        For an unknown scenario, data set or role, with those that there are.
    """
    if scenario not in SCENARIOS:
        raise ValueError(f"no plans for the scenario {scenario!r}: {', '.join(SCENARIOS)}")
    if data not in SOURCES or role not in ROLES:
        names = f"data sets {', '.join(SOURCES)}, roles {', '.join(ROLES)}"
        raise ValueError(f"no plan for {data!r} {role!r}: {names}")
    usual = MODALITIES[SOURCES[data].modality]
    return replace(SCENARIOS[scenario][usual, role], data=data)
