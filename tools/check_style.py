"""Checks the norms that no formatter sees: length of files and lines, opening comments, things not used here.

What a formatter or linter can check is left to clang-format and ruff.
"""

import re
from pathlib import Path

from tree import ROOT, files, report

MAX_LINES = 600
MAX_COLUMNS = 120
CPP = (".h", ".cpp", ".inc", ".cu", ".cuh")
SCRIPTS = (".py", ".cmake", "CMakeLists.txt", "/run", "dev", ".sh")
# Data made by a tool, which nobody reads line by line.
GENERATED = re.compile(r"_tables?_data\.(inc|h)$|melix_c_ops\.h$")

UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
BANNED = [
    (
        re.compile(r"\bstd::(w?regex|basic_regex)\b|#include <regex>"),
        "std::regex is slow, and recurses on its input",
    ),
    (re.compile(r"\btypeid\b"), "operations are known by the address of their description, not by typeid"),
]
# In the library, but for the one file that does it and for tests.
WRITING = re.compile(r"\b(O_TRUNC|O_CREAT|mkstemp|mkostemp|fopen|std::ofstream)\b")
WRITING_WHY = (
    "files are written through melix/io/atomic_file.h: the old file or a whole new one, whatever happens"
)
MAY_WRITE = re.compile(r"_test\.cpp$|^(?!melix/|capi/|cli/|python/)|^melix/io/atomic_file\.cpp$")


def opening_problem(path: Path, lines: list[str]) -> str | None:
    """A file opens with a comment that says what it is."""
    body = [line for line in lines if line.strip() and not line.startswith("#!")]
    if not body:
        return None
    starts = ("//", "/*") if path.name.endswith(CPP) else ("#", '"""', 'r"""')
    return (
        None if body[0].startswith(starts) else "the file does not open with a comment that says what it is"
    )


def problems_of(path: Path) -> list[str]:
    lines = (ROOT / path).read_text().splitlines()
    is_cpp, is_code = path.name.endswith(CPP), path.as_posix().endswith(CPP + SCRIPTS)
    found = []
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            found.append((number, "a note of something unfinished"))
        if is_code and len(line) > MAX_COLUMNS:
            found.append((number, f"{len(line)} columns, at most {MAX_COLUMNS}"))
        if is_cpp:
            code = line.split("//")[0]
            found += [(number, why) for pattern, why in BANNED if pattern.search(code)]
            if WRITING.search(code) and not MAY_WRITE.search(path.as_posix()):
                found.append((number, WRITING_WHY))
    if is_code:
        if len(lines) > MAX_LINES and not GENERATED.search(path.name):
            found.append((len(lines), f"{len(lines)} lines, at most {MAX_LINES}"))
        if why := opening_problem(path, lines):
            found.append((1, why))
    if path.suffix in (".h", ".cuh") and "#pragma once" not in lines:
        found.append((1, "no #pragma once"))
    return [f"{path}:{number}: {why}" for number, why in found]


def main() -> None:
    report(
        [p for f in files(*CPP, *SCRIPTS, ".md", ".toml", ".json") for p in problems_of(f)],
        "breaches of style",
    )


if __name__ == "__main__":
    main()
