"""BenchMARL: MAPPO learns an agent a user, and is placed against the exact optimum.

    python benchmarl_mappo.py [ITERATIONS]

Needs BenchMARL: pip install benchmarl 'semopt[learn]'
"""

import sys
import warnings
from tempfile import TemporaryDirectory

try:
    from benchmarl.algorithms import MappoConfig
    from benchmarl.environments.common import TaskClass
    from benchmarl.experiment import Experiment, ExperimentConfig
    from benchmarl.models.mlp import MlpConfig
    from torchrl.envs import ExplorationType, PettingZooWrapper, set_exploration_type
except ImportError:
    sys.exit("benchmarl is missing: pip install benchmarl 'semopt[learn]'")
import torch

from semopt import Scenario, solve_batch
from semopt.adapters import UsersEnv

torch.set_num_threads(1)  # networks as small as these gain nothing from more
warnings.simplefilter("ignore")  # TorchRL warns of any PettingZoo but that of its tests
SCENARIO = Scenario.load("contended")


class Offloading(TaskClass):
    """The environment as BenchMARL has it: agents user_0, user_1, ... are the group "user"."""

    def get_env_fun(self, num_envs, continuous_actions, seed, device):
        return lambda: PettingZooWrapper(UsersEnv(SCENARIO), device=device, seed=seed)

    def supports_continuous_actions(self):
        return True

    def supports_discrete_actions(self):
        return False

    def max_steps(self, env):
        return SCENARIO.queue_length

    def has_render(self, env):
        return False

    def group_map(self, env):
        return env.group_map

    def observation_spec(self, env):
        spec = env.observation_spec.clone()
        for key in set(spec["user"].keys()) - {"observation"}:
            del spec["user", key]
        return spec

    def action_spec(self, env):
        return env.full_action_spec

    def info_spec(self, env):
        return None

    def state_spec(self, env):
        return None

    def action_mask_spec(self, env):
        return None

    @staticmethod
    def env_name():
        return "semopt"


def report(name, policy, slots=500):
    """Print what a policy reaches in slots that it does not learn from, beside their optimum."""
    env = PettingZooWrapper(UsersEnv(SCENARIO, seed=0))
    with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
        played = env.rollout(slots, policy, break_when_any_done=False)
    reached = played["next", "user", "reward"].clamp(min=0).sum()  # below 0: a limit is broken
    best = solve_batch(SCENARIO, *SCENARIO.draw(slots=slots, seed=0)).objective.sum()
    print(f"{name}: QoE {reached:.1f}, {reached / best:.1%} of the optimum")


config = ExperimentConfig.get_from_yaml()
config.max_n_iters = int(sys.argv[1]) if len(sys.argv) > 1 else 40
config.on_policy_collected_frames_per_batch, config.on_policy_n_envs_per_worker = 400, 4
config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size = 4, 100
config.gamma = 0.0  # actions do not change what comes next: what is earned later is no merit
config.lr, config.evaluation, config.loggers, config.create_json = 1e-3, False, [], False
with TemporaryDirectory() as config.save_folder:
    experiment = Experiment(
        task=Offloading("contended", {}),
        algorithm_config=MappoConfig.get_from_yaml(),
        model_config=MlpConfig.get_from_yaml(),
        critic_model_config=MlpConfig.get_from_yaml(),
        seed=0,
        config=config,
    )
    report("before", experiment.policy)
    experiment.run()
    report("after", experiment.policy)
