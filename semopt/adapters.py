"""The environment as PettingZoo's `ParallelEnv` and Gymnasium's `Env` and `VectorEnv`.

Importing this module makes every preset known to Gymnasium: `gymnasium.make("semopt/paper-v0")` is
a `SlotEnv`, `gymnasium.make_vec("semopt/paper-v0", num_envs=64)` a `SlotVectorEnv`; `scenario=`
takes a file in its place. "semopt.adapters:semopt/paper-v0" imports it by itself.
"""

from .env.adapters import SlotEnv, SlotVectorEnv, UsersEnv, register_presets

__all__ = ["SlotEnv", "SlotVectorEnv", "UsersEnv"]

register_presets()
