"""Machine code of csrc/gpu/kernels.cuh for one GPU: read through nvdisasm, counted by pipe.

A kernel is a list of lines: labels (`.L_x_12:`) and instructions without their addresses.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from shutil import which

# Where each instruction runs, by the start of its name; the longest that fits holds. Nsight
# Compute's documentation names the pipes. All others (branches, barriers, what a warp runs once)
# take no more than their issue.
PIPES = {
    "fp64": "DADD DMUL DFMA DSETP DMNMX",
    "fp32": "FADD FMUL FFMA",
    "imad": "IMAD HFMA2 HADD2 HMUL2",
    "alu": "FMNMX FSETP FSEL FCHK IADD ISETP IABS ISCADD LOP3 LEA PLOP3 P2R R2P SEL SHF PRMT MOV "
    "CS2R VIADD VIMNMX VIADDMNMX IMNMX I2FP F2FP FLO POPC SGXT BMSK",
    "xu": "MUFU I2F F2I F2F FRND",
    "load": "LD LDG LDS LDL LDC ST STG STS STL ATOM ATOMG ATOMS RED SHFL QSPC",
}
_PIPE = {name: pipe for pipe, names in PIPES.items() for name in names.split()}
WITHOUT = "nvdisasm is not installed: pip install nvidia-cuda-nvdisasm"
LOCAL = ("LDL", "STL")  # what spills registers
LABEL = re.compile(r"(\.L_x_\d+):$")
INSTRUCTION = re.compile(r"/\*[0-9a-f]+\*/\s+(.+?)\s*;")
TARGET = re.compile(r"BRA.*`\((\.L_x_\d+)\)")


def disassembler() -> str | None:
    """Return the path of nvdisasm: of a toolkit, or of a Python package; None if it is nowhere."""
    places = (Path(p or ".") for p in sys.path)
    packaged = (str(found) for p in places for found in sorted(p.glob("nvidia/*/bin/nvdisasm")))
    return which("nvdisasm") or next(packaged, None)


def kernels(cubin: Path) -> dict[str, list[str]]:
    """Return the lines of each kernel of a cubin, by its name without `semopt_`.

    Raises
    ------
    ValueError
        If there is no disassembler, saying what to install.
    """
    tool = disassembler()
    if tool is None:
        raise ValueError(WITHOUT)
    text = subprocess.run([tool, "-c", str(cubin)], check=True, capture_output=True, text=True)
    found: dict[str, list[str]] = {}
    for part in re.split(r"^\.text\.semopt_", text.stdout, flags=re.MULTILINE)[1:]:
        name, _, body = part.partition(":\n")
        lines = [LABEL.match(line) or INSTRUCTION.search(line) for line in body.split("\n")]
        found[name] = [match[0] if match.re is LABEL else match[1] for match in lines if match]
    return found


def mnemonic(line: str) -> str:
    """Return what an instruction does, with its modifiers: `FADD`, `LDS.128`."""
    return next(word for word in line.split() if not word.startswith("@"))


def pipe(line: str) -> str:
    """Return the pipe that executes an instruction."""
    name = mnemonic(line).partition(".")[0]
    fitting = [known for known in _PIPE if name.startswith(known)]
    return _PIPE[max(fitting, key=len)] if fitting else "other"


def loops(lines: list[str]) -> list[list[str]]:
    """Return the bodies of all loops, the branches back included."""
    found = []
    for at, line in enumerate(lines):
        target = TARGET.search(line)
        if target and f"{target[1]}:" in lines[:at]:
            found.append(lines[lines.index(f"{target[1]}:") + 1 : at + 1])
    return found


def innermost(lines: list[str], doing: str) -> list[str]:
    """Return the loop without another inside that has most of an instruction."""
    inner = (body for body in loops(lines) if not loops(body))
    return max(inner, key=lambda body: sum(mnemonic(line) == doing for line in body))


def outermost(lines: list[str]) -> list[str]:
    """Return the longest loop: over the grid."""
    return max(loops(lines), key=len)


def path(body: list[str], shortest: bool = False) -> list[str]:
    """Return the longest (or shortest) way through a loop, of those with the fewest calls.

    What is out of line is for rare cases. Loops inside are passed once.
    """
    way: list[str] | None = []  # up to this line; None where nothing falls through
    ways: dict[str, list[str] | None] = {}  # up to branches to labels ahead

    def better(*ways: list[str] | None) -> list[str] | None:
        def rank(way: list[str]) -> tuple[int, int]:
            calls = sum(mnemonic(line).startswith("CALL") for line in way)
            return -calls, -len(way) if shortest else len(way)

        return max((way for way in ways if way is not None), key=rank, default=None)

    for line in body:
        label, target = LABEL.match(line), TARGET.search(line)
        if label:
            way = better(way, ways.get(label[1]))
        elif way is not None:
            way = [*way, line]
            if target:
                ways[target[1]] = better(way, ways.get(target[1]))
                way = way if line.startswith("@") else None
    back = (ways[label] for label in ways if f"{label}:" not in body)
    return better(way, *back) or []


def mix(lines: list[str]) -> Counter[str]:
    """Return how many instructions run in each pipe."""
    return Counter(pipe(line) for line in lines if not LABEL.match(line))
