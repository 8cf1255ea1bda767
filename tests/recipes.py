"""A copy of the package into which a test writes what a recipe says, and runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import semopt
from semopt import _core

FILES, LINES = 3, 12  # that a recipe may touch and add, outside what it is about


class Copy:
    """The package in a folder of its own, into which a recipe of README.md is followed.

    It counts what is added, and refuses files that the recipe does not name.
    """

    def __init__(self, folder, recipe):
        self.folder, self.added = folder, {}
        readme = (Path(__file__).parents[1] / "README.md").read_text()
        _, _, text = readme.partition(f"### {recipe}\n")
        self.recipe = text.partition("\n#")[0]
        source = Path(semopt.__file__).parent
        shutil.copytree(source, folder / "semopt", ignore=shutil.ignore_patterns("__pycache__"))
        for compiled in Path(_core.__file__).parent.glob("_c*.so"):
            target = folder / "semopt" / compiled.name
            if not target.exists():
                shutil.copy(compiled, target)

    def add(self, file, lines, before=None, counted=True):
        """Write lines above the first line that starts with `before`, or at the end of a file."""
        path = self.folder / "semopt" / file
        text = path.read_text() if path.exists() else ""
        named = file if text else str(Path(file).with_name("NAME.py"))
        assert f"`semopt/{named}`" in self.recipe, f"the recipe does not name {named}"
        place = len(text) if before is None else ("\n" + text).index("\n" + before)
        path.write_text(text[:place] + lines.strip("\n") + "\n" + text[place:])
        if counted:
            self.added[file] = self.added.get(file, 0) + len(lines.strip("\n").splitlines())

    def run(self, *command, check=True):
        """Return what a command of Python writes that imports the copy."""
        code = f"import sys; sys.path.insert(0, {str(self.folder)!r}); "
        if command[0] == "-c":
            command = ("-c", code + command[1], *command[2:])
        else:
            main = "import runpy; runpy.run_module('semopt', run_name='__main__')"
            command = ("-c", code + main, *command[2:])
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if k != "PYTEST_ADDOPTS"},
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def is_short(self):
        """Tell whether the recipe keeps to its limits."""
        return len(self.added) <= FILES and sum(self.added.values()) <= LINES
