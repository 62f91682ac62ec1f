"""Makes Python's side of the operations from their declarations: bindings, type stubs and the reference page.

Reads melix/ops/*.h, melix/ops/elementwise.inc, melix/nn/*.h and melix/optim/*.h. Every free function of namespace
melix (and of its parts random, linalg, fft, fast, nn, optim) that has a `///` comment and takes a StreamOrDevice last
becomes a Python function: parameter names, order and defaults are those of C++, the comment is its documentation. A row
of elementwise.inc becomes one too. Others need a line `@python` in their comment. A comment counts for all
declarations below it up to an empty line. Overloads in one header are one function, which takes the first that the
arguments fit.

What is not regular is said by lines of the comment, or by a `// @python ...` line above a row of elementwise.inc:

    @python hidden            not in Python
    @python manual            in Python, but bound by hand in python/src (and in python/stubs)
    @python name=x            another name
    @python alias=x,y         more names
    @python method            also a method of the class array (method=x: under another name)
    @python module=random     in that module of melix.core (the default for namespace melix::random)
    @python rename=old:new    another name of a parameter
    @python positional=2      so many parameters by position only (default: none)
    @python keyword=axis      this parameter and all after it by keyword only (default: stream; none: no parameter)
    @python weak=x,y          numbers given for these take the dtype of the arrays given for the others (default: a, b)
    @python variadic          the first parameter, a vector, is f(*arrays)
    @python returns=tuple     several results as a tuple, not a list (one_or_tuple: a single one as it is)

    python tools/bindgen.py --list                        names of the outputs below the folder of --out-dir
    python tools/bindgen.py --out-dir DIR [--root ROOT]   writes them; files that stay the same are not touched
    python tools/bindgen.py --reference FILE              writes the reference page in Markdown
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bindgen_emit import binding_list, binding_source, reference, stubs
from bindgen_parse import FOLDERS, Function, read


def headers_of(root: Path) -> dict[str, list[Path]]:
    """Stem -> the files that declare its operations, from the root. Stems outside of ops have their folder in front."""
    out: dict[str, list[Path]] = {}
    for folder in FOLDERS:
        found = [
            path for pattern in ("*.h", "elementwise.inc") for path in (root / "melix" / folder).glob(pattern)
        ]
        for path in sorted(found):
            out.setdefault(path.stem if folder == FOLDERS[0] else f"{folder}_{path.stem}", []).append(path)
    return out


def outputs(root: Path) -> dict[str, str]:
    """Name below the output folder -> text."""
    stems = headers_of(root)
    found = read(stems)
    complain_about_duplicates(found)
    out = {f"ops_{stem}.cpp": binding_source(stem, functions) for stem, functions in found.items()}
    out["bindings.inc"] = binding_list(list(stems))
    out |= stubs(root / "python" / "stubs", [f for functions in found.values() for f in functions])
    return out


def complain_about_duplicates(found: dict[str, list[Function]]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for stem, functions in found.items():
        for function in functions:
            for name in [function.name, *function.aliases]:
                key = (function.module, name)
                if seen.get(key, stem) != stem:
                    sys.exit(
                        f"bindgen: {stem}.h and {seen[key]}.h both declare {function.module or 'core'}.{name}: "
                        "annotate one with `@python hidden` or `@python name=`"
                    )
                seen[key] = stem


def write_if_changed(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--list", action="store_true", help="print the names of the outputs")
    parser.add_argument("--out-dir", type=Path, help="write the bindings and stubs below this folder")
    parser.add_argument("--reference", type=Path, help="write the reference page to this file")
    arguments = parser.parse_args()

    if arguments.list:
        print("\n".join(outputs(arguments.root)))
    if arguments.out_dir:
        for name, text in outputs(arguments.root).items():
            write_if_changed(arguments.out_dir / name, text)
    if arguments.reference:
        stems = headers_of(arguments.root)
        write_if_changed(arguments.reference, reference(stems, read(stems)))


if __name__ == "__main__":
    main()
