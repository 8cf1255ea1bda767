"""A scenario of your own: write it, see how its best decisions differ from the paper's.

python own_scenario.py
"""

from semopt import Scenario, solve, solve_batch

papers = Scenario.load("paper")
ours = papers.replace(
    {
        "name": "fast server",
        "system.server_flop_per_cycle": 8.0,  # twice the paper's
        "tasks.text.share": 0.5,  # half of all tasks are texts
        "tasks.image.share": 0.25,
        "tasks.vqa.share": 0.25,
    }
)
for scenario in (papers, ours):
    gain, task = scenario.draw(slots=2000, seed=1)
    mean = solve_batch(scenario, gain, task).mean()
    print(
        f"{scenario.name:12} QoE {mean['qoe']:.4f} a task, {mean['latency_ms']:.2f} ms, "
        f"{mean['energy_mj']:.1f} mJ, {mean['offload_share']:.0%} offloaded"
    )

slot = ours.problem()  # the slot that the file pins as its example
for n, user in enumerate(solve(slot, "global").users_json()):
    mode = f"sub-channel {user['channel']}" if user["offload"] else "local"
    print(f"user {n}: {user['task']}, {mode}, QoE {user['qoe']:.4f}")
