"""The environment as PettingZoo has it: users who act at random, and what they miss.

python pettingzoo_loop.py
"""

from semopt import Scenario, solve_batch
from semopt.adapters import UsersEnv

SEED = 0

scenario = Scenario.load("contended")
env = UsersEnv(scenario)
observations, _ = env.reset(seed=SEED)
for n, agent in enumerate(env.agents):
    env.action_space(agent).seed(n)

steps, earned, broken, acted = 0, 0.0, 0, 0
while env.agents:
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}
    observations, rewards, terminations, truncations, infos = env.step(actions)
    steps += 1
    earned += sum(rewards.values())
    broken += sum(int(info["violations"]) > 0 for info in infos.values())
    acted += len(infos)

# A slot is a function of the seed and its number: the same slots, solved.
best = solve_batch(scenario, *scenario.draw(slots=steps, seed=SEED)).objective.sum()
print(f"{steps} slots: reward {earned:.2f}, {broken} of {acted} tasks break a limit")
print(f"the optimum of the same slots is {best:.2f}")
