"""The library's tables as tests read them: melix/ops/elementwise.inc, melix/graph/ops.inc, melix/core/dtype.inc."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.runner import dtypes

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Row:
    """A row of elementwise.inc: name, which types it takes (Domain in elementwise.h), which it gives, derivatives."""

    name: str
    arguments: int
    domain: str
    out: str
    derivatives: tuple[str, ...]

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The element types that the operation takes."""
        return _TAKES[self.domain]

    @property
    def is_differentiable(self) -> bool:
        """Whether the row has an expression for a derivative."""
        return any(text != "none" for text in self.derivatives)

    def computed(self, dtype: str) -> str:
        """The type that an argument is computed as."""
        if self.domain in ("inexact", "floating"):
            return dtypes.inexact(dtype)
        if self.domain == "shift" and dtype == "bool":
            return "uint8"
        return "bool" if self.domain == "logical" else dtype

    def result(self, dtype: str) -> str:
        """The type of the result for arguments of a type."""
        if self.out == "boolean":
            return "bool"
        computed = self.computed(dtype)
        return "float32" if self.out == "real" and computed == "complex64" else computed


_TAKES = {
    "all": dtypes.ALL,
    "number": dtypes.INTEGERS + dtypes.INEXACT,
    "real": dtypes.REAL,
    "rounding": dtypes.REAL,
    "inexact": dtypes.ALL,
    "floating": dtypes.REAL,
    "integer": dtypes.BOOL + dtypes.INTEGERS,
    "shift": dtypes.BOOL + dtypes.INTEGERS,
    "logical": dtypes.ALL,
}


def elementwise() -> list[Row]:
    """All rows of elementwise.inc."""
    rows = []
    for macro, cells in macros("melix/ops/elementwise.inc", "MELIX_UNARY|MELIX_BINARY"):
        arguments = 1 if macro == "MELIX_UNARY" else 2
        name, domain, out = cells[:3]
        rows.append(Row(name, arguments, domain, out, tuple(cells[4 : 4 + arguments])))
    return rows


def operations() -> list[tuple[str, str]]:
    """Name and CPU cell of every row of ops.inc, elementwise ones included."""
    rows = [
        (cells[0], cells[1]) for _, cells in macros("melix/graph/ops.inc", "MELIX_OP") if cells[0] != "name"
    ]
    return rows + [(row.name, "region") for row in elementwise()]


def dtype_names() -> list[str]:
    """The element types of dtype.inc."""
    return [cells[0].rstrip("_") for _, cells in macros("melix/core/dtype.inc", "MELIX_DTYPE")]


def macros(path: str, names: str) -> Iterator[tuple[str, list[str]]]:
    """Calls of the macros in a file: (macro, arguments as text). Comments and #define lines are not calls."""
    text = (ROOT / path).read_text()
    text = re.sub(r"^\s*(//|#).*$", "", text, flags=re.MULTILINE)
    for match in re.finditer(rf"^\s*({names})\s*\(", text, flags=re.MULTILINE):
        yield match[1], _arguments(text, match.end())


def _arguments(text: str, start: int) -> list[str]:
    """The arguments from behind the opening parenthesis on, split at commas that are in no parenthesis nor string."""
    cells, depth, quoted, begin = [], 0, False, start
    for i in range(start, len(text)):
        char = text[i]
        if char == '"' and text[i - 1] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif char == "," and depth == 0:
            cells.append(text[begin:i])
            begin = i + 1
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            if depth == 0:
                cells.append(text[begin:i])
                return [" ".join(cell.split()) for cell in cells]
            depth -= 1
    raise ValueError(f"a macro call does not end: {text[start : start + 60]!r}")
