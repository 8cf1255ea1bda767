"""TorchRL: PPO learns an agent a user, and is placed against the exact optimum.

    python torchrl_ppo.py [ITERATIONS]

Needs TorchRL: pip install torchrl 'semopt[learn]'
"""

import sys
import warnings

try:
    from tensordict.nn import NormalParamExtractor, TensorDictModule
    from torchrl.envs import ExplorationType, PettingZooWrapper, set_exploration_type
    from torchrl.modules import MultiAgentMLP, ProbabilisticActor, TanhNormal
    from torchrl.objectives import ClipPPOLoss, ValueEstimators
except ImportError:
    sys.exit("torchrl is missing: pip install torchrl 'semopt[learn]'")
import torch

from semopt import Scenario, solve_batch
from semopt.adapters import UsersEnv

torch.set_num_threads(1)  # networks as small as these gain nothing from more
warnings.simplefilter("ignore")  # TorchRL warns of any PettingZoo but that of its tests
iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 40
torch.manual_seed(0)
scenario = Scenario.load("contended")
env, test = (PettingZooWrapper(UsersEnv(scenario, seed=seed)) for seed in (1, 0))
seen, decided = ("user", "observation"), ("user", "action")  # agents user_0, user_1 are a group


def network(outputs, centralised):
    """Return a network of every agent, which share its weights."""
    size, agents = env.observation_spec[seen].shape[-1], len(env.group_map["user"])
    return MultiAgentMLP(size, outputs, agents, centralized=centralised, share_params=True)


size = env.full_action_spec[decided].shape[-1]
parameters = torch.nn.Sequential(network(2 * size, False), NormalParamExtractor())
normal = [("user", "loc"), ("user", "scale")]
policy = ProbabilisticActor(
    TensorDictModule(parameters, [seen], normal),
    spec=env.full_action_spec[decided],
    in_keys=normal,
    out_keys=[decided],
    distribution_class=TanhNormal,
    distribution_kwargs={"low": 0.0, "high": 1.0},
    return_log_prob=True,
    log_prob_key=("user", "log_prob"),
)
critic = TensorDictModule(network(1, True), [seen], [("user", "state_value")])
loss = ClipPPOLoss(policy, critic, entropy_coeff=1e-3, normalize_advantage=True)
loss.set_keys(
    **{name: ("user", name) for name in ("action", "reward", "done", "terminated")},
    sample_log_prob=("user", "log_prob"),
    value=("user", "state_value"),
    advantage=("user", "advantage"),
    value_target=("user", "value_target"),
)
# Actions do not change what comes next: what is earned later is none of their merit (gamma = 0).
loss.make_value_estimator(ValueEstimators.GAE, gamma=0.0, lmbda=0.0)
optimiser = torch.optim.Adam(loss.parameters(), lr=3e-3)


def report(iteration, slots=500):
    """Print what the policy earns in slots that it does not learn from, beside their optimum."""
    test.set_seed(0)
    with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
        played = test.rollout(slots, policy, break_when_any_done=False)
    earned = played["next", "user", "reward"].clamp(min=0).sum()  # below 0: a limit is broken
    best = solve_batch(scenario, *scenario.draw(slots=slots, seed=0)).objective.sum()
    print(f"iteration {iteration}: QoE {earned:.1f}, {earned / best:.1%} of the optimum")


report(0)
for iteration in range(1, iterations + 1):
    with torch.no_grad(), set_exploration_type(ExplorationType.RANDOM):
        batch = env.rollout(400, policy, break_when_any_done=False)
        loss.value_estimator(batch)
    for part in torch.randperm(len(batch)).repeat(4).split(100):
        losses = loss(batch[part])
        optimiser.zero_grad()
        sum(losses[f"loss_{name}"] for name in ("objective", "critic", "entropy")).backward()
        optimiser.step()
    if iteration == iterations:
        report(iteration)
