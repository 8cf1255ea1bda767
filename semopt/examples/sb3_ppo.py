"""Stable-Baselines3: PPO learns in many slots at a time, and is placed against the exact optimum.

    python sb3_ppo.py [STEPS]

Needs Stable-Baselines3: pip install stable-baselines3 'semopt[learn]'
"""

import sys

try:
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import VecEnv
except ImportError:
    sys.exit("stable_baselines3 is missing: pip install stable-baselines3 'semopt[learn]'")
import gymnasium
import numpy as np
import torch
from gymnasium.wrappers.vector import RescaleAction

import semopt.adapters  # noqa: F401 (makes "semopt/contended-v0" known)


class Slots(VecEnv):
    """Gymnasium's vector environment as Stable-Baselines3 has it."""

    def __init__(self, env):
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self):
        return self.env.reset()[0]

    def step_async(self, actions):
        self.actions = actions

    def step_wait(self):
        state, reward, ended, _, _ = self.env.step(self.actions)
        return state, reward, ended, [{"terminal_observation": row} for row in state]

    def close(self):
        self.env.close()

    def get_attr(self, attr_name, indices=None):
        return [getattr(self.env, attr_name)] * self.num_envs

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False] * self.num_envs

    def set_attr(self, attr_name, value, indices=None):
        raise NotImplementedError("rows share their attributes")

    def env_method(self, method_name, *args, indices=None, **kwargs):
        raise NotImplementedError("rows share their methods")


def slots(number, **options):
    """Return slots side by side, with actions from -1 to 1 as PPO's normal distribution likes."""
    env = gymnasium.make_vec("semopt/contended-v0", num_envs=number, **options)
    return RescaleAction(env, np.float32(-1), np.float32(1))


torch.set_num_threads(1)  # networks as small as these gain nothing from more
steps = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
# Actions do not change what comes next: what is earned later is none of their merit (gamma = 0).
options = {"gamma": 0.0, "n_steps": 8, "batch_size": 512, "n_epochs": 4, "learning_rate": 2e-3}
model = PPO("MlpPolicy", Slots(slots(256, seed=1)), **options, seed=0, device="cpu")

test = slots(1000, seed=0, optimum=True)
for learned in (0, steps):
    if learned:
        model.learn(learned)
    state, _ = test.reset(seed=0)
    action, _ = model.predict(state, deterministic=True)
    *_, infos = test.step(action)
    best, missed = infos["optimum"].mean(), infos["regret"].mean()
    print(f"{learned:7} steps: QoE {best - missed:.4f}, {1 - missed / best:.1%} of the optimum")
