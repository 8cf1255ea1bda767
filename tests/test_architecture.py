"""Data flows one way, and heavy packages are loaded only where they are needed."""

import ast
import json
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import semopt
from semopt.scenario import Scenario

ROOT = Path(semopt.__file__).parent

# From what everything may use to what nothing may use; a room may import from lower rows only, or
# from its own.
ROWS = [
    {
        "actions",
        "allowed",
        "arrays",
        "arguments",
        "console",
        "counts",
        "document",
        "figures",
        "files",
        "gains",
        "grid",
        "interrupts",
        "limits",
        "methods",
        "problem",
        "readings",
        "records",
        "model",
        "rows",
        "statistics",
        "strict",
    },
    {"channel"},
    {"scenario", "battery", "queue", "result", "worth"},
    {"backends"},
    {"solvers", "env", "certificate"},
    {"adapters", "checkpoints", "online"},
    {"learn", "semantic"},
    {"report"},
    {"studies"},
    {"cli"},
]
# An object that shows, reads or checks itself asks late for what does so, which lies above it. No
# other import goes up, however late it comes and if it is for types only.
ITSELF = {
    "env/slots.py": {"report.frames"},
    "learn/queues.py": {"report.learning"},
    "learn/scores.py": {"report.learning", "report.plots"},
    "queue.py": {"report.plots"},
    "records.py": {"report.shown"},
    "result.py": {"report.plots", "report.slot", "certificate.decisions", "certificate.exact"},
    "scenario/scenario.py": {"report.plots", "report.scenario"},
    "solvers/slots.py": {"report.batch", "report.plots"},
}
HOMES = {
    "torch": {"learn", "semantic", "checkpoints"},
    "transformers": {"semantic"},
    "cvxpy": {"solvers", "scenario"},
    "cupy": {"backends"},
    "numba": {"channel", "env"},
    "scipy": {"solvers", "channel", "certificate", "studies", "statistics"},
    "flint": {"certificate"},
    "gymnasium": {"env"},
    "pettingzoo": {"env"},
    "h5py": {"channel"},
    "pyarrow": {"channel", "solvers", "studies"},
    "ray": {"studies"},
    "altair": {"report"},
    "vl_convert": {"report"},
    "jinja2": {"report"},
}


def imports(path):
    """Yield (module, at the top of the file) for each import of a file, packages in full."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    package = ["semopt", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                part = f"{stem}.{alias.name}"
                yield part if stem == "semopt" or is_module(part) else stem, id(node) in top


def is_module(name):
    """Tell whether a dotted name is a file or a folder of the package."""
    path = ROOT.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def room(path):
    """Return the first part of a file's place below the package."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


# Suites are shipped beside the rooms; examples import as users do.
APART = ("__init__", "__main__", "bench", "examples")
FILES = [p for p in sorted(ROOT.rglob("*.py")) if room(p) not in APART]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path):
    row = {name: i for i, names in enumerate(ROWS) for name in names}
    here = room(path)
    assert here in row, f"{here} has no place in the flow of data"
    for module, at_top in imports(path):
        parts = module.split(".")
        if parts[0] == "semopt" and parts[1] in row and (at_top or not shows_itself(path, module)):
            assert row[parts[1]] <= row[here], f"{here} imports {module}, which is above it"


def shows_itself(path, module):
    """Tell whether a file may ask late for a module above it."""
    return module.removeprefix("semopt.") in ITSELF.get(path.relative_to(ROOT).as_posix(), ())


def test_what_shows_itself_is_a_closed_list():
    for file, modules in ITSELF.items():
        late = {module for module, at_top in imports(ROOT / file) if not at_top}
        assert {f"semopt.{module}" for module in modules} <= late, f"{file} asks for less"


# A study that shows itself asks for its page and its tables late: they know the study.
PAGES = re.compile(r"semopt\.studies\.(\w+\.)?(report|tables)$")


def test_no_file_imports_itself_by_way_of_others():
    # However late an import comes, and if it is for types only: a circle has no bottom to read at.
    graph = {}
    for path in FILES:
        parts = ["semopt", *path.relative_to(ROOT).with_suffix("").parts]
        name = ".".join(parts).removesuffix(".__init__")
        graph[name] = {
            module
            for module, at_top in imports(path)
            if module.startswith("semopt.")
            and (at_top or not (shows_itself(path, module) or PAGES.match(module)))
        }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_packages_stay_at_home(path):
    for module, _ in imports(path):
        homes = HOMES.get(module.split(".")[0])
        assert homes is None or room(path) in homes, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", [p for p in FILES if room(p) == "cli"], ids=lambda p: p.name)
def test_commands_leave_printing_to_reports(path):
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if type(node) is ast.Call]
    names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
    assert not names & {"print", "echo", "secho", "Console", "Table", "slim_table"}


CHECKOUT = Path(__file__).parents[1]
LONG = 400  # lines
TEXTS = {".py", ".pyi", ".h", ".cpp", ".cu", ".cuh", ".md", ".toml", ".yml"}
NAMED = re.compile(r"\b(?:bench|csrc|semopt|tests)/[\w./-]*\w\.(?:py|pyi|h|cpp|cu|cuh|md|toml)\b")


def test_a_long_file_says_first_why_it_is_long():
    sources = [
        *FILES,
        *(p for p in (CHECKOUT / "csrc").rglob("*.*") if p.suffix in TEXTS - {".md"}),
    ]
    for path in sources:
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > LONG:
            first = text.split('"""')[1] if path.suffix == ".py" else text.partition("\n#")[0]
            assert re.search(r"over 400 lines|file is long", first), f"{path} does not say why"


def test_comments_name_files_that_exist():
    files = [CHECKOUT / "README.md", CHECKOUT / "CMakeLists.txt", CHECKOUT / "pyproject.toml"]
    files += [CHECKOUT / ".ci" / name for name in ("run", "device", "sanitize")]
    for folder in ("bench", "csrc", "semopt", "tests", ".github"):
        files += [p for p in (CHECKOUT / folder).rglob("*.*") if p.suffix in TEXTS]
    gone = [
        (file.relative_to(CHECKOUT), name)
        for file in files
        for name in NAMED.findall(file.read_text(encoding="utf-8"))
        if "NAME" not in name and not (CHECKOUT / name).exists()
    ]
    assert not gone


def test_what_re_checks_has_no_solver(tmp_path):
    scenario, proof, result = Scenario.load("tiny"), tmp_path / "p.json", tmp_path / "r.json"
    answer = semopt.solve(scenario.problem(), "global", certificate=str(proof))
    result.write_text(json.dumps(answer.to_json()))
    code = "import sys; from semopt.certificate.verify import verify; "
    code += f"print(verify({str(proof)!r}), verify({str(result)!r})); "
    code += "print([m for m in sys.modules if m.startswith(('semopt.solvers', 'semopt._core'))])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"
