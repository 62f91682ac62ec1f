"""Checks the objects compiled for one instruction set: usage check_isa.py [BUILD_DIR].

The linker keeps one copy of an inline function that several objects define. If the AVX-512 object of a kernel holds a
copy of, say, std::vector<float>::~vector, that copy may be the one kept, and the whole library dies on a machine
without AVX-512. So an object of an instruction set may define code that others can see only inside its namespace,
melix::cpu::<isa> (or for types of it), and nothing that runs when the library is loaded.
"""

import re
import subprocess
import sys
from pathlib import Path

from tree import ROOT, report

# nm's letters for code that the linker can choose: global and weak functions, and resolvers.
SHARED_CODE = "TWi"


def demangled(name: str) -> str:
    return subprocess.run(["c++filt", name], capture_output=True, text=True, check=True).stdout.strip()


def problems_of(isa: str, objects: list[Path]) -> list[str]:
    # The namespace in a mangled name: each part after its length, in members and in template arguments alike.
    own = f"5melix3cpu{len(isa)}{isa}"
    listing = subprocess.run(
        ["nm", "--defined-only", "--print-file-name", *map(str, objects)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = []
    for line in listing.splitlines():
        match = re.match(r"(.*):[0-9a-f]* (\w) (\S+)$", line)
        if not match:
            continue
        path, kind, name = match.groups()
        source = f"{isa}: {Path(path).name.removesuffix('.o')}"
        if name.startswith("_GLOBAL__sub_I"):
            found.append(f"{source}: runs code when the library is loaded (a dynamic initialiser)")
        elif kind in SHARED_CODE and own not in name:
            found.append(f"{source}: defines {demangled(name)}, outside melix::cpu::{isa}")
    return found


def main() -> None:
    build = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release")
    found = []
    for folder in sorted(build.glob("CMakeFiles/melix_simd_*.dir")):
        isa = folder.name.removeprefix("melix_simd_").removesuffix(".dir")
        # Objects of sources that have been removed since stay in the folder.
        objects = [
            o for o in sorted(folder.rglob("*.o")) if (ROOT / o.relative_to(folder).with_suffix("")).exists()
        ]
        if objects and isa != "baseline":
            found += problems_of(isa, objects)
    report(found, "symbols that would leak an instruction set")


if __name__ == "__main__":
    main()
