"""The environment as PettingZoo's `ParallelEnv` and Gymnasium's `Env` and `VectorEnv`."""

from .env.adapters import SlotEnv, SlotVectorEnv, UsersEnv

__all__ = ["SlotEnv", "SlotVectorEnv", "UsersEnv"]
