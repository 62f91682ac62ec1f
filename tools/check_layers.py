"""Checks that every #include goes down the layers of the design, never up.

    scalar <- core <- graph <- ops <- transforms <- nn <- optim, lm <- cli, capi, python

The scalar mathematics includes nothing of ours, and everybody may include it. A backend sees core, graph and the
declarations of the operations; nothing but melix/backend/registry.cpp sees a backend of flesh and blood, and only
transforms sees backend.h, the table a backend fills in. The parsers of io see core alone. The list of operations,
melix/graph/ops.inc, is made of the tables of ops. Tests may include what they like.
"""

import re
from pathlib import Path

from tree import ROOT, files, report

BELOW_NN = ["core", "graph", "ops", "transforms"]
PUBLIC = [*BELOW_NN, "nn", "optim", "io", "lm", "distributed", "melix.h", "custom_op.h"]

# Layer -> what it may include under melix/, besides itself: a folder, or one file.
MAY_SEE: dict[str, list[str]] = {
    "scalar": [],
    "core": [],
    "io": ["core"],
    "graph": ["core"],
    "ops": ["core", "graph"],
    "backend": ["core", "graph", "ops"],
    "transforms": ["core", "graph", "ops", "backend/backend.h"],
    "distributed": ["core", "graph", "ops"],
    "nn": [*BELOW_NN, "io"],
    "optim": [*BELOW_NN, "nn", "io"],
    "lm": [*BELOW_NN, "nn", "optim", "io", "distributed"],
    "melix.h": PUBLIC,
    "custom_op.h": ["core", "graph", "backend/backend.h"],
    "capi": PUBLIC,
    "cli": [*PUBLIC, "capi"],
    "python": PUBLIC,
}
# Loading and saving are operations above the parsers.
LOAD_SAVE = re.compile(r"melix/(ops/(load|save)\w*|transforms/export/\w+)\.(h|cpp)$")
OPS_LIST = "melix/graph/ops.inc"
OWN_FOLDERS = ("melix/", "python/", "capi/", "cli/")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def layer(path: str) -> str:
    parts = path.split("/")
    return parts[1] if parts[0] == "melix" else parts[0]


def concrete_backend(path: str) -> str | None:
    """`cpu` for melix/backend/cpu/..., None for the shared files of the backends and for everything else."""
    parts = path.split("/")
    is_one = parts[:2] == ["melix", "backend"] and len(parts) > 3 and parts[2] != "common"
    return parts[2] if is_one else None


def violation(source: str, target: str) -> str | None:
    """Why `source` may not include `target` (both from the root of the tree), or None."""
    above, below = layer(source), layer(target)
    if above not in MAY_SEE:
        return f"{above} is not a layer that tools/check_layers.py knows"
    if target == OPS_LIST and not source.endswith(".cpp"):
        return "the list of operations is included by sources only: a new row must not recompile everything"
    backend = concrete_backend(target)
    if backend and source != "melix/backend/registry.cpp" and concrete_backend(source) != backend:
        return f"only melix/backend/registry.cpp sees the {backend} backend"
    if below in (above, "scalar"):
        return None
    if above == "backend" and below == "ops" and not target.endswith((".h", ".inc")):
        return "a backend sees the declarations of operations only"
    if below == "io" and LOAD_SAVE.match(source):
        return None
    if source == OPS_LIST and below == "ops" and target.endswith(".inc"):
        return None
    if any(target == f"melix/{seen}" or target.startswith(f"melix/{seen}/") for seen in MAY_SEE[above]):
        return None
    return f"{above} may not see {below}"


def problems_of(path: Path) -> list[str]:
    found = []
    text = (ROOT / path).read_text()
    for match in INCLUDE.finditer(text):
        quote, target = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        if target.startswith(OWN_FOLDERS):
            why = violation(path.as_posix(), target)
        elif quote == '"' and not target.startswith("generated/"):
            why = "own headers are included by their path from the root of the tree"
        else:
            why = None
        if why:
            found.append(f"{path}:{line}: includes {target}: {why}")
    return found


def main() -> None:
    sources = [f for f in files(".h", ".cpp", ".inc", ".cu", ".cuh") if f.as_posix().startswith(OWN_FOLDERS)]
    tests = ("_test.cpp", "_test.h")
    report(
        [p for f in sources if not f.name.endswith(tests) for p in problems_of(f)],
        "includes against the layers",
    )


if __name__ == "__main__":
    main()
