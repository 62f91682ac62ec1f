"""Reads declarations of operations for bindgen.py: a scanner for the C++ that their headers are written in.

It knows comments, preprocessor lines, namespaces, `using` of types, and statements that end with `;` or a body; it does
not know C++. What is inside of classes, structs and bodies is skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

MODULES = ("random", "linalg", "fft", "fast", "nn", "optim")
# Modules of melix.core that are not for users, who have a package of that name beside it.
PRIVATE_MODULES = {"nn": "_nn", "optim": "_optim"}
# Folders of melix/ whose headers declare them.
FOLDERS = ("ops", "nn", "optim")
ROW = re.compile(r"^MELIX_(UNARY|BINARY)\s*\(\s*(\w+)", re.MULTILINE)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass
class Parameter:
    ctype: str  # without const and &, aliases resolved
    name: str
    default: str | None = None


@dataclass
class Function:
    cname: str  # with the namespace below melix: "random::normal"
    module: str
    result: str
    parameters: list[Parameter]
    doc: str
    notes: dict[str, str] = field(default_factory=dict)
    overload: int = 0  # counts functions of one name from 1 on; 0: there is no other

    @property
    def has_stream(self) -> bool:
        return bool(self.parameters) and self.parameters[-1].ctype == "StreamOrDevice"

    @property
    def name(self) -> str:
        return self.notes.get("name", self.cname.rsplit("::", 1)[-1])

    @property
    def aliases(self) -> list[str]:
        return words(self.notes.get("alias"))

    @property
    def method(self) -> str | None:
        return (self.notes["method"] or self.name) if "method" in self.notes else None

    @property
    def variadic(self) -> bool:
        return "variadic" in self.notes

    @property
    def positional_only(self) -> int:
        return int(self.notes.get("positional", 0))

    @property
    def keyword_from(self) -> int:
        """Index of the first parameter that is given by keyword only."""
        names = [p.name for p in self.parameters]
        first = self.notes.get("keyword", "stream")
        if self.variadic:
            return 1
        return names.index(first) if first in names else len(names)

    @property
    def weak(self) -> list[str]:
        names = [p.name for p in self.parameters]
        if "weak" in self.notes:
            return [n for n in words(self.notes["weak"]) if n in names]
        both = {p.name for p in self.parameters if p.ctype == "array"}
        return ["a", "b"] if {"a", "b"} <= both else []


def words(text: str | None) -> list[str]:
    return [w for w in (text or "").split(",") if w and w != "none"]


def parse_notes(line: str) -> dict[str, str]:
    notes = {}
    for item in line.split():
        key, _, value = item.partition("=")
        notes[key] = value
    return notes


def header_of(stem: str) -> str:
    """The file that declares the functions of a stem, as it is included."""
    folder = next((f for f in FOLDERS[1:] if stem.startswith(f"{f}_")), FOLDERS[0])
    return f"melix/{folder}/{stem.removeprefix(f'{folder}_')}.h"


# ---- elementwise.inc ----


def rows_of(text: str) -> list[Function]:
    out = []
    for match in ROW.finditer(text):
        kind, name = match.groups()
        row = text[match.start() : closing(text, text.index("(", match.start())) + 1]
        # The description is the last thing in the row; strings one after the other are one.
        doc = "".join(STRING.findall(row[last_comma(row) :])).replace('\\"', '"')
        before = text[: match.start()].rstrip("\n").rsplit("\n", 1)[-1]
        notes = parse_notes(before.split("@python", 1)[1]) if before.startswith("// @python") else {}
        arrays = ["a"] if kind == "UNARY" else ["a", "b"]
        parameters = [Parameter("array", n) for n in arrays] + [Parameter("StreamOrDevice", "stream", "{}")]
        if kind == "BINARY":
            notes.setdefault("keyword", "none")
        out.append(Function(name, notes.get("module", ""), "array", parameters, doc, notes))
    return out


def closing(text: str, start: int) -> int:
    """Index of the bracket that closes the one at `start`."""
    depth, i = 0, start
    while i < len(text):
        if text[i] == '"':
            match = STRING.match(text, i)
            i = match.end() if match else i + 1
            continue
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
        i += 1
    return len(text) - 1


def last_comma(row: str) -> int:
    """Index of the last comma between the cells of a row."""
    depth, i, at = 0, 0, 0
    while i < len(row):
        if row[i] == '"':
            match = STRING.match(row, i)
            i = match.end() if match else i + 1
            continue
        depth += (row[i] in "([{") - (row[i] in ")]}")
        if row[i] == "," and depth == 1:
            at = i
        i += 1
    return at


# ---- headers ----


class Scanner:
    """The documented statements of one header, with the namespace that each stands in."""

    def __init__(self, text: str):
        self.text = text
        self.namespaces: list[str] = []
        self.doc: list[str] = []
        self.statements: list[tuple[list[str], str, list[str]]] = []  # namespaces, statement, documentation
        self.scan()

    def scan(self) -> None:
        text, i, start = self.text, 0, None  # start: where the statement being read began
        depth = 0
        while i < len(text):
            at_line_start = i == 0 or text[i - 1] == "\n"
            if at_line_start and start is None and (blank := re.compile(r"[ \t]*\n").match(text, i)):
                self.doc = []
                i = blank.end()
            elif at_line_start and (line := re.compile(r"[ \t]*#(?:[^\n\\]|\\.|\\\n)*").match(text, i)):
                i, start = line.end(), None
            elif text.startswith("///", i):
                end = line_end(text, i)
                if depth == 0:
                    start = None  # what stood before was no statement (a macro)
                    self.doc.append(text[i + 3 : end].removeprefix(" "))
                i = end
            elif text.startswith("//", i):
                i = line_end(text, i)
            elif text.startswith("/*", i):
                i = text.index("*/", i) + 2
            elif text[i] == '"':
                string = STRING.match(text, i)
                i = string.end() if string else i + 1
            elif text[i].isspace():
                i += 1
            else:
                start = i if start is None else start
                depth += (text[i] in "([") - (text[i] in ")]")
                if depth == 0 and text[i] == "}":
                    if self.namespaces:
                        self.namespaces.pop()
                    start = None
                elif depth == 0 and text[i] in ";{":
                    i = self.statement(text[start:i], i)
                    start = None
                i += 1

    def statement(self, raw: str, end: int) -> int:
        """Takes a statement that ends at `end`; returns where its body, if it has one to skip, ends."""
        statement = " ".join(re.sub(r"//[^\n]*", "", raw).split())
        space = re.fullmatch(r"(?:inline )?namespace ([\w:]*)", statement)
        if space and self.text[end] == "{":
            self.namespaces.append(space.group(1))
            self.doc = []
            return end
        spaces = [part for name in self.namespaces if name for part in name.split("::")]
        self.statements.append((spaces, statement, list(self.doc)))
        return closing(self.text, end) if self.text[end] == "{" else end


def line_end(text: str, i: int) -> int:
    end = text.find("\n", i)
    return len(text) if end < 0 else end


def split_top(text: str, separator: str = ",") -> list[str]:
    """Splits at separators that are in no bracket."""
    parts, depth, current = [], 0, ""
    for c in text:
        depth += (c in "([{<") - (c in ")]}>")
        if c == separator and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += c
    return [*parts, current.strip()] if current.strip() else parts


def plain_type(ctype: str, aliases: dict[str, str]) -> str:
    ctype = re.sub(r"\bconst\b|[&]", "", ctype).strip()
    ctype = re.sub(r"\s+", " ", ctype)
    for _ in range(4):  # aliases of aliases
        ctype = re.sub(r"(?<![\w:])\w+(?![\w:])", lambda m: aliases.get(m.group(), m.group()), ctype)
    return ctype.replace("melix::", "").replace(" <", "<").replace("std::string_view", "std::string")


FUNCTION = re.compile(
    r"(?:inline |static |constexpr )*(?P<result>[\w:<>,& ]+?)[ &](?P<name>\w+)\s*\((?P<rest>.*)$"
)


def function_of(
    spaces: list[str], statement: str, doc: list[str], aliases: dict[str, str]
) -> Function | None:
    match = FUNCTION.match(statement)
    if not match or statement.startswith(
        ("template", "struct", "class", "enum", "using", "extern", "typedef")
    ):
        return None
    opening = statement.index("(", match.start("rest") - 1)
    inside = statement[opening + 1 : closing(statement, opening)]
    parameters = []
    for text in split_top(inside):
        declared, _, default = text.partition("=")
        ctype, _, name = declared.strip().replace("&", "& ").rpartition(" ")
        parameters.append(Parameter(plain_type(ctype, aliases), name, default.strip() or None))
    notes: dict[str, str] = {}
    for line in doc:
        if line.strip().startswith("@python"):
            notes |= parse_notes(line.split("@python", 1)[1])
    for pair in words(notes.get("rename")):
        old, new = pair.split(":")
        for p in parameters:
            p.name = new if p.name == old else p.name
    if parameters and parameters[-1].ctype == "StreamOrDevice":
        parameters[-1].name = "stream"
    inner = spaces[1:]  # below melix
    text = "\n".join(line for line in doc if not line.strip().startswith("@python")).strip()
    return Function(
        "::".join([*inner, match["name"]]),
        notes.get("module", inner[0] if inner else ""),
        plain_type(match["result"], aliases),
        parameters,
        text,
        notes,
    )


def read(stems: dict[str, list[Path]]) -> dict[str, list[Function]]:
    """Stem -> the functions that Python is to have (with those bound by hand), in the order of the files."""
    scanners = {p: Scanner(p.read_text()) for paths in stems.values() for p in paths if p.suffix == ".h"}
    aliases = {}
    for scanner in scanners.values():
        for _, statement, _ in scanner.statements:
            if alias := re.fullmatch(r"using (\w+) = (.+)", statement):
                aliases[alias.group(1)] = alias.group(2)
    out: dict[str, list[Function]] = {}
    for stem, paths in stems.items():
        out[stem] = []
        for path in sorted(paths, reverse=True):  # the rows of elementwise.inc first
            if path in scanners:
                out[stem] += functions_of(scanners[path], aliases)
            else:
                out[stem] += [f for f in rows_of(path.read_text()) if "hidden" not in f.notes]
    return out


def functions_of(scanner: Scanner, aliases: dict[str, str]) -> list[Function]:
    out = []
    for spaces, statement, doc in scanner.statements:
        inner = spaces[1:]
        if not doc or spaces[:1] != ["melix"] or len(inner) > 1 or (inner and inner[0] not in MODULES):
            continue
        function = function_of(spaces, statement, doc, aliases)
        # Helpers of the library have comments too, but no stream.
        if function and "hidden" not in function.notes and (function.has_stream or function.notes):
            out.append(function)
    return out
