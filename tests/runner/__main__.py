"""Commands of the operation runner.

python -m tests.runner coverage          operation x element type, as Markdown
python -m tests.runner serve             answers questions of a test (see worker.py)
"""

import sys
from pathlib import Path

from tests.runner import dtypes, parity, rows, suite, worker
from tests.runner.record import Record

# Columns of the table: types that operations nearly always take together.
_COLUMNS = {
    "bool": dtypes.BOOL,
    "uint8…64": dtypes.UNSIGNED,
    "int8…64": dtypes.SIGNED,
    "float16": ("float16",),
    "bfloat16": ("bfloat16",),
    "float32": ("float32",),
    "float64": ("float64",),
    "complex64": dtypes.COMPLEX,
}


def coverage() -> str:
    """The table of what each operation with a record takes ("yes") and refuses ("raises"), and who has no record."""
    files = sorted(path for folder in ("melix", "tests") for path in (rows.ROOT / folder).rglob("*_test.py"))
    records: dict[str, list[Record]] = {}
    for file in files:
        if "RECORDS" in file.read_text():
            for record in suite.load(str(file)):
                records.setdefault(record.name, []).append(record)
    lines = [f"| operation | {' | '.join(_COLUMNS)} | gradient |", "|---" * (len(_COLUMNS) + 2) + "|"]
    for name, found in sorted(records.items()):
        taken = {dtype for record in found for dtype in record.dtypes}
        cells = [_cell(taken, types) for types in _COLUMNS.values()]
        smooth = "yes" if any(record.smooth is not None for record in found) else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {smooth} |")
    known = {part for name in records for part in (name, name.rsplit(".", 1)[-1])}
    without = sorted(name for name, _ in rows.operations() if name not in known)
    lines += ["", f"{len(records)} operations have records. Without one: {', '.join(without) or 'none'}."]
    return "\n".join(lines)


def _cell(taken: set[str], types: tuple[str, ...]) -> str:
    inside = [dtype for dtype in types if dtype in taken]
    return "yes" if len(inside) == len(types) else ", ".join(inside) or "raises"


def main() -> None:
    sys.path.insert(0, str(Path.cwd()))
    command = sys.argv[1] if len(sys.argv) == 2 else "help"
    if command == "coverage":
        print(coverage())
    elif command == "serve":
        worker.serve({"results": suite.results, "outcomes": parity.outcomes, "names": parity.names})
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
