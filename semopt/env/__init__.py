"""The Markov decision process (13)-(16), one environment with four faces.

- `Environment`, here: many slots at a time, arrays in and out; for a learner of your own that is to
  be fast. What `semopt train` learns in.
- `semopt.adapters.UsersEnv`, PettingZoo's `ParallelEnv`: an agent a user, with its own observation
  and reward; for multi-agent libraries (TorchRL, BenchMARL, SuperSuit).
- `semopt.adapters.SlotEnv`, Gymnasium's `Env`, "semopt/NAME-v0": one controller of all users of a
  slot; for any single-agent library (Stable-Baselines3), and to try things out.
- `semopt.adapters.SlotVectorEnv`, Gymnasium's `VectorEnv`, by `make_vec` of the same names: that
  controller in many slots at a time; the fastest of the three.
"""

from .decisions import Decisions, Singles
from .environment import Environment
from .features import FEATURES, gain_scale

__all__ = [
    "FEATURES",
    "Decisions",
    "Environment",
    "Singles",
    "gain_scale",
]
