"""Tasks of real queues: read from CSV, drawn slot by slot, judged like all else in a file."""

import json

import numpy as np
import pytest

import semopt
from semopt import Environment, Scenario, ScenarioError

TASKS = [["text", "vqa"], ["image", "text"], ["vqa", "vqa"], ["text", "image"]]
GRID = "slot,0,1\n" + "".join(f"{t},{','.join(row)}\n" for t, row in enumerate(TASKS))
LONG = "user,slot,task,seconds\n" + "".join(
    f"{n},{t},{TASKS[t][n]},0.1\n" for n in (1, 0) for t in (2, 0, 3, 1)
)


def of(folder, content=GRID, **more):
    (folder / "tasks.csv").write_text(content)
    document = Scenario.load("contended").to_dict() | {"queue": {"file": "tasks.csv"}, **more}
    return Scenario.from_dict(document, folder)


def faults(folder, content=GRID, **more):
    with pytest.raises(ScenarioError) as caught:
        of(folder, content, **more)
    return dict(caught.value.faults)


@pytest.mark.parametrize("content", [GRID, LONG, LONG.replace(",", ";")])
def test_slots_have_the_tasks_of_the_file(content, tmp_path):
    scenario = of(tmp_path, content)
    names = list(scenario.tasks)
    gain, task = scenario.draw(4, seed=5)
    assert [[names[kind] for kind in row] for row in task] == TASKS
    assert np.array_equal(gain, Scenario.load("contended").draw(4, seed=5)[0])  # gains as before
    assert [names[kind] for kind in scenario.draw(2, seed=9, first=2)[1][1]] == TASKS[3]
    assert scenario.length() == 4
    with pytest.raises(ValueError, match=r"queue\.tasks: 5 slots are asked for, it has 4: .* 4"):
        scenario.draw(5, 0)
    gains, tasks = scenario.replace({"queue.length": 3}).draw_queue(seed=5)
    assert np.array_equal(tasks, task[:3])
    assert gains.shape == (3, 2, 2)


def test_tasks_travel_with_the_scenario(tmp_path):
    scenario = of(tmp_path)
    (tmp_path / "tasks.csv").unlink()
    for copy in (
        Scenario.from_dict(json.loads(json.dumps(scenario.to_dict())), folder=None),
        Scenario.parse(scenario.to_toml(optional=True)),
    ):
        assert copy.queue.tasks == TASKS
        assert np.array_equal(copy.draw(4, 1)[1], scenario.draw(4, 1)[1])
    batch = semopt.solve_batch(scenario, *scenario.draw(4, seed=2))
    assert "they are those that seed 2 draws" in check(batch.to_json(seed=2), tmp_path)
    assert semopt.evaluate("local", scenario, reference="exact").slots == 4


def check(document, folder):
    (folder / "result.json").write_text(json.dumps(document))
    return semopt.verify(folder / "result.json")


def test_of_a_trace_each_part_has_its_own_tasks(tmp_path):
    gain = np.random.default_rng(0).uniform(0.1, 1, (10, 2, 2))
    np.save(tmp_path / "gain.npy", gain)
    kinds = [["text", "vqa"][t % 2] for t in range(10)]
    rows = "".join(f"{t},{kind},image\n" for t, kind in enumerate(kinds))
    channel = {"model": "trace", "file": "gain.npy", "split": [0.4, 0.2, 0.4]}
    scenario = of(tmp_path, "slot,0,1\n" + rows, channel=channel)
    names = list(scenario.tasks)
    for part, first in (("training", 0), ("validation", 4), ("evaluation", 6), (None, 0)):
        gains, task = scenario.draw(2, 0, part=part)
        assert np.array_equal(gains, gain[first : first + 2])
        assert [names[kind] for kind in task[:, 0]] == kinds[first : first + 2]


@pytest.mark.parametrize(
    ("content", "path", "words"),
    [
        ("a,b\n1,2\n", "file", "below the headings slot, user, task; it begins: a,b / 1,2"),
        ("slot,1,2\n0,text,vqa\n", "file", "is no table of tasks: must be a row a slot"),
        (GRID.replace("\n3,", "\n2,"), "file", "has slot 2, user 0 twice"),
        (GRID.replace("\n2,", "\n9,"), "file", "has no task of user 0 in slot 2, both from 0"),
        (GRID.replace("\n2,", "\nx,"), "file", "slot = x: must be a whole number from 0"),
        (GRID.replace("\n2,vqa,vqa", "\n2,vqa"), "file", "has no task of user 1 in slot 2"),
        (GRID.replace("image", "imge"), "tasks[1][0]", '"imge": must be one of the tasks'),
        ("slot,0\n0,text\n", "tasks[0]", "has length 1: must have 2, a task for each user"),
        ("slot,0,1\n", "tasks", "must have a length of at least 1"),
    ],
)
def test_a_file_that_is_none_is_named(content, path, words, tmp_path):
    named = faults(tmp_path, content)
    assert words in named[f"queue.{path}"]


def test_what_does_not_go_together_is_named(tmp_path):
    slot = {"tasks": ["text", "vqa"], "gain": [[1.0, 1.0], [1.0, 1.0]]}
    (tmp_path / "tasks.csv").write_text(GRID)
    document = Scenario.load("contended").to_dict()
    for queue, path, words in (
        ({"file": "tasks.csv", "tasks": TASKS}, "tasks", 'not stand beside file = "tasks.csv"'),
        ({"tasks": TASKS, "slots": [slot]}, "tasks", "must not stand beside [[queue.slots]]"),
        ({"file": 3}, "file", "= 3: must be the name of a CSV file"),
        ({"file": "no.csv"}, "file", "No such file"),
    ):
        with pytest.raises(ScenarioError) as caught:
            Scenario.from_dict(document | {"queue": queue}, tmp_path)
        assert words in dict(caught.value.faults)[f"queue.{path}"]
    with pytest.raises(ScenarioError, match="since this document stands alone"):
        Scenario.from_dict(document | {"queue": {"file": "tasks.csv"}}, folder=None)
    with pytest.raises(ValueError, match=r"queue\.tasks: the environment draws tasks by their"):
        Environment(of(tmp_path))
