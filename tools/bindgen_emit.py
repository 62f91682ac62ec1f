"""Writes what bindgen.py makes of the declarations: C++ bindings, type stubs, the reference page."""

from __future__ import annotations

import functools
import re
import sys
import textwrap
from pathlib import Path

from bindgen_parse import MODULES, PRIVATE_MODULES, Function, Parameter, header_of, split_top

# ---- types and defaults ----

PYTHON_TYPES = {
    "array": "Operand",
    "bool": "bool",
    "int": "int",
    "int64_t": "int",
    "uint64_t": "int",
    "uint32_t": "int",
    "size_t": "int",
    "float": "float",
    "double": "float",
    "std::string": "str",
    "Dtype": "Dtype",
    "Shape": "int | Sequence[int]",
    "StreamOrDevice": "StreamOrDevice",
    "std::vector<int>": "int | Sequence[int]",
    "std::vector<int64_t>": "int | Sequence[int]",
}
RESULT_TYPES = {"void": "None", "array": "array", "Shape": "tuple[int, ...]"}
TEMPLATE = re.compile(r"std::(optional|vector|variant|pair|array|tuple)<(.*)>$")


def python_type(ctype: str) -> str | None:
    """The Python type of a parameter; None where there is no conversion."""
    if ctype in PYTHON_TYPES:
        return PYTHON_TYPES[ctype]
    match = TEMPLATE.match(ctype)
    if not match:
        return None
    kind, arguments = match.group(1), split_top(match.group(2))
    if kind == "array":
        arguments = arguments[:1]
    inner = [i for a in arguments if (i := python_type(a))]
    if len(inner) < len(arguments) or kind == "tuple":
        return None
    first = inner[0]
    return {
        "optional": f"{first} | None",
        "vector": f"Sequence[{first}]",
        "variant": " | ".join(dict.fromkeys(" | ".join(inner).split(" | "))),
        "pair": f"{first} | tuple[{first}, {first}]",
        "array": f"{first} | tuple[{first}, ...]",
    }[kind]


def element_type(p: Parameter) -> str:
    """Of a parameter that is a vector."""
    return p.ctype.removeprefix("std::vector<").removesuffix(">")


def result_type(function: Function) -> str | None:
    ctype = function.result
    if ctype in RESULT_TYPES:
        return RESULT_TYPES[ctype]
    if ctype == "std::vector<array>":
        kinds = {"tuple": "tuple[array, ...]", "one_or_tuple": "array | tuple[array, ...]"}
        return kinds.get(function.notes.get("returns", ""), "list[array]")
    if ctype in ("std::vector<int>", "std::vector<int64_t>"):
        return "tuple[int, ...]"
    match = TEMPLATE.match(ctype)
    if match and match.group(1) in ("pair", "tuple"):
        parts = ["array" if a == "array" else str(python_type(a)) for a in split_top(match.group(2))]
        return f"tuple[{', '.join(parts)}]"
    if match and match.group(1) == "optional" and match.group(2) == "array":
        return "array | None"
    return python_type(ctype)


def python_default(p: Parameter) -> str:
    text = re.sub(r"^std::vector<\w+>(?=\{)", "", p.default or "")
    if text in ("std::nullopt", "nullptr") or p.ctype == "StreamOrDevice":
        return "None"
    if text in ("true", "false"):
        return text.capitalize()
    if text.startswith("{") or text.endswith("{}"):
        inner = split_top(text[text.index("{") + 1 : -1])
        repeated = ("std::pair", "std::array", "std::vector<int")  # one number counts for all
        same = len(set(inner)) == 1 and p.ctype.startswith(repeated)
        return inner[0] if same else f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
    return re.sub(r"(?<=[\d.])f$", "", text)


def cpp_default(p: Parameter) -> str:
    text = p.default or ""
    return f"{p.ctype}{text}" if text.startswith("{") else text


# ---- signatures ----


def signature(function: Function, method: bool, stub: bool) -> str:
    """The parameters as Python writes them; in a docstring without types, and with defaults that can be evaluated."""
    parts = ["self" if stub else "$self"] if method else []
    for i, p in enumerate(function.parameters):
        if i == 0 and method:
            continue
        if i == 0 and function.variadic:
            element = python_type(element_type(p))
            parts.append(f"*{p.name}: {element}" if stub else f"*{p.name}")
            continue
        if i == function.keyword_from and not (function.variadic and i == 1):
            parts.append("*")
        text = p.name + (f": {python_type(p.ctype)}" if stub else "")
        if p.ctype == "Dtype" and p.default and stub:
            text = f"{p.name}: Dtype | None"
        if p.default is not None:
            default = python_default(p)
            if p.ctype == "Dtype" and not stub:
                default = "None"  # which means the default; inspect cannot evaluate the name
            text += f" = {default}" if stub else f"={default}"
        parts.append(text)
        if i + 1 == function.positional_only:
            parts.append("/")
    return ", ".join(parts)


def is_bound(function: Function) -> bool:
    """Whether code is made for the function; says why not where that is an oversight."""
    if "manual" in function.notes:
        return False
    unknown = [p.ctype for p in function.parameters if python_type(p.ctype) is None]
    if result_type(function) is None:
        unknown.append(function.result)
    if function.variadic:
        unknown = [u for u in unknown if not u.startswith("std::vector")]
    if unknown:
        complain(f"bindgen: {function.cname} is not bound, there is no conversion for {', '.join(unknown)}")
    return not unknown


@functools.cache
def complain(text: str) -> None:
    print(text, file=sys.stderr)


# ---- C++ ----


def c_string(text: str) -> str:
    lines = text.split("\n")
    escape = lambda s: s.replace("\\", "\\\\").replace('"', '\\"')
    return "\n     ".join(
        f'"{escape(line)}{chr(92) + "n" if i + 1 < len(lines) else ""}"' for i, line in enumerate(lines)
    )


def argument(function: Function, i: int, shift: int) -> str:
    p, at = function.parameters[i], i - shift
    if i == 0 and function.variadic:
        return f"in.rest_as<{element_type(p)}>()"
    if p.name in function.weak:
        return f"weak.get_optional({at})" if p.ctype.startswith("std::optional") else f"*weak.get({at})"
    if p.ctype == "array" and p.default is None:
        return f"*ArrayArgument(in, {at})"
    return f"in.get<{p.ctype}>({at}{', ' + cpp_default(p) if p.default is not None else ''})"


def identifier(function: Function) -> str:
    """Names what belongs to a function in the generated code; overloads are numbered."""
    number = str(function.overload) if function.overload else ""
    return "_".join(filter(None, [function.module, function.name])) + number


def function_source(function: Function) -> str:
    shift = 1 if function.variadic else 0  # a variadic parameter has no place among the others
    parameters = function.parameters[shift:]
    ident = identifier(function)
    required = sum(p.default is None for p in parameters)
    counts = [len(parameters), function.positional_only, max(function.keyword_from - shift, 0), required]
    names = ", ".join(f'"{p.name}"' for p in parameters) or "nullptr"
    weak = [i - shift for i, p in enumerate(function.parameters) if p.name in function.weak]
    arguments = ", ".join(argument(function, i, shift) for i in range(len(function.parameters)))
    call = f"melix::{function.cname}({arguments})"
    convert = "to_python"
    if "vector" in function.result and "returns" in function.notes:
        convert = f"to_{function.notes['returns']}"
    body = [f"  WeakArguments weak(in, {', '.join(map(str, weak))});"] if weak else []
    body += (
        [f"  {call};", "  return Py_NewRef(Py_None);"]
        if function.result == "void"
        else [f"  return {convert}({call});"]
    )
    return "\n".join(
        [
            f"constexpr const char* {ident}_names[] = {{{names}}};",
            f'Signature {ident}_signature{{"{function.name}", {ident}_names, '
            f"{', '.join(map(str, counts))}{', true' if function.variadic else ''}}};",
            f"PyObject* {ident}_call({'const Arguments&' + (' in' if function.parameters else '')}) {{",
            *body,
            "}",
            "",
        ]
    )


def overloads(functions: list[Function]) -> dict[str, list[Function]]:
    """The functions by name. Those of one name are numbered from 1 on."""
    out: dict[str, list[Function]] = {}
    for f in functions:
        out.setdefault(f.name, []).append(f)
    for group in out.values():
        for number, f in enumerate(group, 1):
            f.overload = number if len(group) > 1 else 0
    return out


def function_row(name: str, group: list[Function]) -> str:
    entry = f"function<{identifier(group[0])}_call, {identifier(group[0])}_signature>"
    doc = f"{name}({signature(group[0], False, False)})\n--\n\n{group[0].doc}"
    if len(group) > 1:
        entry = f"overloaded<{'_'.join(filter(None, [group[0].module, name]))}_overloads>"
        doc = "\n\n".join(f"{name}({signature(f, False, False)})\n{f.doc}" for f in group)
    return f'    {{"{name}", as_c({entry}), kCall,\n     {c_string(doc)}}},'


def method_row(f: Function) -> str:
    doc = f"{f.method}({signature(f, True, False)})\n--\n\n{f.doc}"
    entry = f"method<{identifier(f)}_call, {identifier(f)}_signature>"
    return f'    {{"{f.method}", as_c({entry}), kCall,\n     {c_string(doc)}}},'


def binding_source(stem: str, functions: list[Function]) -> str:
    bound = [f for f in functions if is_bound(f)]
    out = [
        f"// Bindings of the operations in {header_of(stem)}, made by tools/bindgen.py.",
        f'#include "{header_of(stem)}"',
        "",
        '#include "python/src/generated.h"',
        "",
        "namespace melix::python {",
    ]
    tables, calls = [], []
    for module in dict.fromkeys(f.module for f in bound):
        table, groups = f"{module or 'core'}_functions", overloads([f for f in bound if f.module == module])
        for name, group in groups.items():
            if len(group) > 1:
                rows = ", ".join(f"{{{identifier(f)}_call, &{identifier(f)}_signature}}" for f in group)
                tables.append(
                    f"constexpr Overload {'_'.join(filter(None, [module, name]))}_overloads[] = {{{rows}}};"
                )
        tables += [
            f"PyMethodDef {table}[] = {{",
            *(function_row(*group) for group in groups.items()),
            "    {}};",
            "",
        ]
        python_name = PRIVATE_MODULES.get(module, module)
        calls.append(f'  add_functions(core, "{python_name}", {table});')
        aliases = [(f.name, a) for group in groups.values() for f in group for a in f.aliases]
        calls += [f'  add_alias(core, "{python_name}", "{name}", "{alias}");' for name, alias in aliases]
    if methods := [f for f in bound if f.method]:
        tables += ["PyMethodDef methods[] = {", *map(method_row, methods), "    {}};", ""]
        calls.append("  add_methods(array_type, methods);")
    if bound:
        out += ["namespace {", "", *map(function_source, bound), *tables, "}  // namespace", ""]
    interned = [f"  intern_names({identifier(f)}_signature);" for f in bound]
    out += [
        f"void bind_ops_{stem}({'nb::module_& core' if bound else 'nb::module_&'}) {{",
        *interned,
        *calls,
        "}",
        "",
    ]
    return "\n".join([*out, "}  // namespace melix::python", ""])


def binding_list(stems: list[str]) -> str:
    rows = "\n".join(f"MELIX_BINDING({stem})" for stem in stems)
    return f"// Headers of operations with bindings, made by tools/bindgen.py.\n{rows}\n"


# ---- stubs ----


def docstring(text: str, indent: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    closing = " " if escaped.endswith('"') else ""
    return textwrap.indent(f'"""{escaped}{closing}"""', indent)


def stub_of(function: Function, name: str, method: bool) -> str:
    indent = "    " if method else ""
    overload = f"{indent}@overload\n" if function.overload else ""
    head = f"{overload}{indent}def {name}({signature(function, method, True)}) -> {result_type(function)}:"
    return f"{head}\n{docstring(function.doc, indent + '    ')}\n{indent}    ...\n"


def stubs(folder: Path, functions: list[Function]) -> dict[str, str]:
    """The package of stubs: what is written by hand in python/stubs, and the functions (and, at the marker, the
    methods) that are made."""
    bound = [f for f in functions if is_bound(f)]
    out = {}
    by_hand = {path.stem: path.read_text() for path in sorted(folder.glob("*.pyi"))}
    modules = {PRIVATE_MODULES.get(module, module): module for module in MODULES}  # name in Python -> in C++
    for file in ("", *sorted({*by_hand, *modules} - {"core"})):
        module = modules.get(file, file)
        text = by_hand.get(file or "core", "")
        methods = "\n".join(stub_of(f, f.method, True) for f in bound if f.method)
        text = text.replace("    # (methods made from the operations)\n", methods)
        names = [(f, name) for f in bound if f.module == module for name in (f.name, *f.aliases)]
        text += "".join(f"\n{stub_of(f, name, False)}" for f, name in names)
        out[f"core/{file or '__init__'}.pyi"] = text
    return out


# ---- the reference ----


def heading(path: Path) -> str:
    """What a header says of itself in its first comment."""
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith("//"):
            break
        lines.append(line[2:].strip())
    return " ".join(lines)


def reference(stems: dict[str, list[Path]], functions: dict[str, list[Function]]) -> str:
    out = ["# Operations", "", "Made by `tools/bindgen.py` from the declarations. `mx` is `melix.core`.", ""]
    for stem, own in functions.items():
        shown = [f for f in own if "manual" in f.notes or is_bound(f)]
        if not shown:
            continue
        header = next(p for p in stems[stem] if p.suffix == ".h")
        out += [f"## {stem}", "", heading(header), ""]
        for f in shown:
            prefix = (
                f"{f.module}." if f.module in PRIVATE_MODULES else f"mx.{f.module}." if f.module else "mx."
            )
            out += [f"### {prefix}{f.name}", "", f"`{f.name}({signature(f, False, False)})`", "", f.doc, ""]
            also = [f"`{prefix}{a}`" for a in f.aliases] + ([f"`array.{f.method}`"] if f.method else [])
            if also:
                out += [f"Also {', '.join(also)}.", ""]
    return "\n".join(out)
