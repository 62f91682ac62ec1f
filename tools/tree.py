"""The files of the tree as the checks see them: tracked ones and new ones that git does not ignore."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def files(*suffixes: str) -> list[Path]:
    """Paths relative to ROOT, sorted, of the files whose name ends with one of the suffixes."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    return sorted(Path(name) for name in listed if name.endswith(suffixes) and (ROOT / name).is_file())


def report(problems: list[str], what: str) -> None:
    """Prints the problems, one a line, and ends the process: with 1 if there is one."""
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(f"{len(problems)} {what}")
