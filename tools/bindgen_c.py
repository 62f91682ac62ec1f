"""Makes the C interface of the operations from the declarations that bindgen.py makes Python's from.

    python tools/bindgen_c.py --header capi/melix_c_ops.h   writes the declarations; they are in the tree
    python tools/bindgen_c.py --check capi/melix_c_ops.h    says whether that file is what would be written
    python tools/bindgen_c.py --list                        names of the sources below the folder of --out-dir
    python tools/bindgen_c.py --out-dir DIR [--root ROOT]   writes the sources; files that stay the same are not touched

An operation `name` becomes melix_name, of a module melix_module_name; overloads are numbered from the second on. The
results come first, then the parameters in the order of C++. A list is an address and a number of elements; what is
optional is an address that may be NULL.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from bindgen import headers_of, write_if_changed
from bindgen_emit import TEMPLATE
from bindgen_parse import Function, header_of, read, split_top

SCALARS = {
    "bool": "bool",
    "int": "int",
    "int64_t": "int64_t",
    "uint64_t": "uint64_t",
    "uint32_t": "uint32_t",
    "size_t": "size_t",
    "float": "float",
    "double": "double",
    "Dtype": "melix_dtype",
    "std::variant<int64_t, double>": "melix_number",
}
# What comes as an address already, so that NULL can be nothing.
ADDRESSES = {"array": "melix_array", "std::string": "const char*"}
missing: list[str] = []  # operations that the interface lacks, and why: --check does not pass
# No operation on arrays: what they give has no form in C.
NOT_IN_C = {
    "broadcast_shapes": "works on shapes alone",
    "einsum_path": "gives a description for people",
    "precompiled_cuda_kernel": "takes a description of the launch",
}


@dataclass
class Piece:
    """One parameter in C."""

    before: str  # of the name
    name: str
    after: str = ""

    def __str__(self) -> str:
        return f"{self.before} {self.name}{self.after}"


def forms(ctype: str) -> list[tuple[str, str]]:
    """The forms of a parameter that C has, each with what it adds to the name of the function.

    Of the alternatives of a variant, an array or a list of pairs can say what a number or a list of numbers can; a
    number and a list may mean different things, and are two functions.
    """
    match = TEMPLATE.match(ctype)
    if ctype in SCALARS or not match:
        return [(ctype, "")]
    kind, inner = match.group(1), split_top(match.group(2))
    if kind == "optional":
        return [(f"std::optional<{form}>", suffix) for form, suffix in forms(inner[0])]
    if kind != "variant":
        return [(ctype, "")]
    if inner[0] in SCALARS and inner[-1].startswith("std::vector"):
        return [(inner[0], ""), (inner[-1], "_list")]
    return [(max(inner, key=lambda t: (t == "array", "pair" in t or "array" in t, t.count("<"))), "")]


def pieces(ctype: str, name: str) -> list[Piece] | None:
    """How C gives a value of the form; None where it cannot."""
    match = TEMPLATE.match(ctype)
    kind, inner = (match.group(1), split_top(match.group(2))) if match else ("", [])
    if ctype == "StreamOrDevice":
        return [Piece("melix_stream", name)]
    if ctype in SCALARS:
        return [Piece(SCALARS[ctype], name)]
    if ctype in ADDRESSES:
        return [Piece(ADDRESSES[ctype], name)]
    if kind == "optional":
        return [Piece(f"const {SCALARS[inner[0]]}*", name)] if inner[0] in SCALARS else pieces(inner[0], name)
    size = Piece("size_t", f"{name}_size")
    if ctype == "Shape":
        return [Piece("const int64_t*", name), size]
    if kind == "vector":
        return listed(inner[0], name, size)
    if kind in ("pair", "array") and inner[0] in SCALARS and (kind == "array" or inner[0] == inner[1]):
        return [Piece(f"const {SCALARS[inner[0]]}*", name)]
    return None


def listed(element: str, name: str, size: Piece) -> list[Piece] | None:
    """A list of these."""
    match = TEMPLATE.match(element)
    inner = split_top(match.group(2)) if match else []
    if element == "array":
        return [Piece("const melix_array*", name), size]
    if element in SCALARS:
        return [Piece(f"const {SCALARS[element]}*", name), size]
    if match and match.group(1) == "vector" and inner[0] in SCALARS:
        return [
            Piece(f"const {SCALARS[inner[0]]}* const*", name),
            Piece("const size_t*", f"{name}_sizes"),
            size,
        ]
    if match and match.group(1) == "pair" and inner[0] == inner[1]:
        return [Piece(f"const {SCALARS[inner[0]]} (*", name, ")[2]"), size]
    return None


def results(ctype: str) -> list[Piece] | None:
    if ctype == "void":
        return []
    if ctype == "array":
        return [Piece("melix_array*", "out")]
    if ctype == "std::vector<array>":
        return [Piece("melix_arrays*", "out")]
    match = TEMPLATE.match(ctype)
    if match and match.group(1) in ("pair", "tuple"):
        parts = split_top(match.group(2))
        if all(part == "array" for part in parts):
            return [Piece("melix_array*", f"out{i}") for i in range(len(parts))]
    return None


@dataclass
class CFunction:
    function: Function
    name: str
    outputs: list[Piece]
    inputs: list[tuple[str, list[Piece]]]  # type in C++, and what C gives for it

    def declaration(self) -> str:
        parts = self.outputs + [piece for _, own in self.inputs for piece in own]
        return f"melix_status {self.name}({', '.join(map(str, parts))})"

    def definition(self) -> str:
        op = f'"{self.function.name}"'
        arguments = ", ".join(
            f"Argument<{qualified(ctype)}>::get({', '.join([op, *(p.name for p in own)])})"
            for ctype, own in self.inputs
        )
        call = f"melix::{self.function.cname}({arguments})"
        names = [p.name for p in self.outputs]
        clear = [f"  *{p.name} = {'{}' if p.before == 'melix_arrays*' else 'nullptr'};" for p in self.outputs]
        if not names:
            body = f"{call};"
        elif len(names) == 1:
            body = f"give({names[0]}, {call});"
        else:
            body = f"give_each({call}, {', '.join(names)});"
        return "\n".join(
            [f"{self.declaration()} {{", *clear, f"  return guarded([&] {{ {body} }});", "}", ""]
        )


def qualified(ctype: str) -> str:
    """The type where a parameter may be called `array`."""
    return re.sub(r"(?<!std::)\barray\b", "melix::array", ctype)


def c_functions(functions: list[Function]) -> list[CFunction]:
    out: list[CFunction] = []
    counts: dict[str, int] = {}
    for f in functions:
        if f.name in NOT_IN_C:
            continue
        outputs, name = results(f.result), "_".join(filter(None, ["melix", f.module, f.name]))
        counts[name] = counts.get(name, 0) + 1
        number = str(counts[name]) if counts[name] > 1 else ""
        for chosen in itertools.product(*(forms(p.ctype) for p in f.parameters)):
            inputs, unknown = [], [] if outputs is not None else [f.result]
            for p, (form, _) in zip(f.parameters, chosen, strict=True):
                own = pieces(form, p.name)
                inputs.append((form, own or []))
                unknown += [form] if own is None else []
            if outputs is None or unknown:
                missing.append(f"{f.cname}: no form in C for {', '.join(unknown)} (see pieces, NOT_IN_C)")
                continue
            suffix = "".join(suffix for _, suffix in chosen)
            out.append(CFunction(f, name + number + suffix, outputs, inputs))
    return out


def comment(function: Function) -> str:
    defaults = [
        f"{p.name} = {p.default}"
        for p in function.parameters
        if p.default not in (None, "{}", "std::nullopt") and p.ctype != "StreamOrDevice"
    ]
    lines = function.doc.split("\n")
    if defaults:
        lines += textwrap.wrap(f"Default in C++: {', '.join(defaults)}.", 110)
    return "\n".join(f"/// {line}".rstrip() for line in lines)


def header(root: Path, stems: dict[str, list[CFunction]]) -> str:
    out = [
        "// The operations of melix in C, made by tools/bindgen_c.py from the headers of melix. Include melix_c.h.",
        "// What is optional may be NULL; a list is an address and its number of elements.",
        "#pragma once",
        "",
        "#include <melix_c.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
    ]
    for stem, functions in stems.items():
        if functions:
            out += [f"// ---- {stem} ----", ""]
        for f in functions:
            out += [comment(f.function), f"MELIX_C_API {f.declaration()};", ""]
    text = "\n".join([*out, "#ifdef __cplusplus", "}", "#endif", ""])
    format = ["clang-format", "--style=file", "--assume-filename=capi/melix_c_ops.h"]
    return subprocess.run(format, input=text, cwd=root, capture_output=True, check=True, text=True).stdout


def source(stem: str, functions: list[CFunction]) -> str:
    out = [
        f"// The operations of {header_of(stem)} in C, made by tools/bindgen_c.py.",
        f'#include "{header_of(stem)}"',
        "",
        '#include "capi/convert.h"',
        "",
        "using namespace melix;",
        "using namespace melix::c;",
        "",
    ]
    return "\n".join([*out, *(f.definition() for f in functions)])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--header", type=Path)
    parser.add_argument("--check", type=Path)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--out-dir", type=Path)
    args = parser.parse_args()
    stems = {stem: c_functions(functions) for stem, functions in read(headers_of(args.root)).items()}
    if args.header:
        write_if_changed(args.header, header(args.root, stems))
    if missing:
        print("\n".join(missing), file=sys.stderr)
    if args.check and missing:
        sys.exit(f"{len(missing)} operations are not in the C interface")
    if args.check and args.check.read_text() != header(args.root, stems):
        sys.exit(f"{args.check} is not what the declarations say: ./dev docs writes it anew")
    for stem, functions in stems.items():
        if args.list and functions:
            print(f"ops_{stem}.cpp")
        if args.out_dir and functions:
            write_if_changed(args.out_dir / f"ops_{stem}.cpp", source(stem, functions))


if __name__ == "__main__":
    main()
