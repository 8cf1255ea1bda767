"""A policy of your own, placed against the certified optimum and a method of semopt.

    python own_policy.py

The command line takes the same function, by the place of its file:

    semopt evaluate own_policy.py:strongest constant --scenario contended
"""

import numpy as np

from semopt import evaluate


def strongest(observation):
    """Offload semantically, at full power and half frequency, on the user's best sub-channel.

    Parameters
    ----------
    observation : (slots, users, size) float32; with own observations, a user's gains come first

    Returns
    -------
    (slots, users, 4 + channels) numbers from 0 to 1: mode (from 2/3 on: semantic), power, frequency
    and extraction, and a preference for each sub-channel
    """
    gains = observation[..., :CHANNELS]
    decision = np.zeros((*observation.shape[:2], 4 + CHANNELS), np.float32)
    decision[..., :4] = 1.0, 1.0, 0.5, 0.3
    decision[..., 4:] = gains == gains.max(axis=-1, keepdims=True)
    return decision


strongest.observation = "own"
CHANNELS = 2  # of the scenario below

if __name__ == "__main__":
    evaluation = evaluate([strongest, "constant"], "contended", slots=500, seed=0)
    for name, score in evaluation.scores.items():
        print(f"{name:10} {score.ratio:.1%} of the optimum, {score.ratio_worst:.1%} in the worst")
