"""What README.md and docs/ say is so: their programs run and print what stands below them, their C++ is in the tree,
their links lead somewhere, and the reference pages follow the declarations.

A ```python block is executed; those of one page share a namespace, top to bottom, in a process of their own. A ```text
block right below is what it prints, exactly; where the block is meant to fail, the last line is `ErrorType: message`.
A ```cpp, ```c or ```cmake block is a part of a file of the tree (but for indentation and empty lines); examples/cpp,
examples/c and examples/custom_op are built by tests/install_test.py.

    python tests/docs_test.py docs/indexing.md ...     puts what the programs print below them
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
SECONDS = 120  # a page takes about one


@dataclass
class Block:
    language: str
    code: str
    line: int  # of the page, the first of the code
    start: int  # of the code in the page's text
    printed: str | None = None  # what the ```text block below says
    printed_at: tuple[int, int] = (0, 0)


def blocks_of(text: str) -> list[Block]:
    """The blocks of a page; a ```text block right below a program belongs to it."""
    out: list[Block] = []
    previous_end = -1
    for match in BLOCK.finditer(text):
        between = text[previous_end : match.start()]
        if match[1] == "text" and out and out[-1].language == "python" and not between.strip():
            out[-1].printed, out[-1].printed_at = match[2], match.span(2)
        else:
            out.append(Block(match[1], match[2], text.count("\n", 0, match.start(2)) + 1, match.start(2)))
        previous_end = match.end()
    return out


def run_blocks(page: str) -> None:
    """In a process of its own: runs blocks that come as JSON, says as JSON what each printed and how it failed."""
    namespace = {"__name__": "__main__", "__file__": page}
    results = []
    for code, line in json.load(sys.stdin):
        printed, failure = io.StringIO(), None
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile("\n" * (line - 1) + code, page, "exec"), namespace)
            except Exception as error:
                print(f"{type(error).__name__}: {error}")
                failure = traceback.format_exc()
        results.append((printed.getvalue(), failure))
    json.dump(results, sys.stdout)


def results_of(page: str, programs: list[Block], folder: Path) -> list[tuple[str, str | None]]:
    paths = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    done = subprocess.run(
        [sys.executable, __file__, "--run", page],
        input=json.dumps([(b.code, b.line) for b in programs]),
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*paths, str(ROOT)])},
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_python_blocks_run_and_print_what_stands_below(name, tmp_path):
    programs = [b for b in blocks_of((ROOT / name).read_text()) if b.language == "python"]
    for block, (printed, failure) in zip(programs, results_of(name, programs, tmp_path)):
        if block.printed is None:
            assert failure is None, f"{name}:{block.line}\n{failure}"
        else:
            assert printed == block.printed, f"{name}:{block.line} prints something else\n{failure or ''}"


def plain(code: str) -> str:
    return "\n".join(line.strip() for line in code.splitlines() if line.strip()) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_cpp_blocks_are_parts_of_the_tree(name):
    shown = [b for b in blocks_of((ROOT / name).read_text()) if b.language in ("cpp", "c", "cmake")]
    suffixes = (".cpp", ".c", ".h", ".inc", "CMakeLists.txt")
    folders = [ROOT / "melix", ROOT / "examples"]
    sources = [p for f in folders if shown for p in f.rglob("*") if p.name.endswith(suffixes)]
    texts = ["\n" + plain(p.read_text()) for p in sources]
    for block in shown:
        part = "\n" + plain(block.code)
        assert any(part in text for text in texts), f"{name}:{block.line}: no file has this\n{block.code}"


def anchors_of(text: str) -> set[str]:
    """The names that headings have in links: lower case, words joined by dashes."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    for link in LINK.findall(BLOCK.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{name}: {link}"
        if anchor:
            assert anchor in anchors_of(target.read_text()), f"{name}: {link}"


def test_the_reference_follows_the_declarations(tmp_path):
    made = tmp_path / "operations.md"
    subprocess.run([sys.executable, ROOT / "tools/bindgen.py", "--reference", made], check=True)
    committed = ROOT / "docs/operations.md"
    assert committed.read_text() == made.read_text(), "docs/operations.md is old: ./dev docs writes it anew"


def update(path: Path) -> None:
    """Replaces what stands below the programs of a page by what they print."""
    text = path.read_text()
    programs = [b for b in blocks_of(text) if b.language == "python"]
    results = results_of(str(path), programs, Path.cwd())
    for block, (printed, failure) in reversed(list(zip(programs, results))):
        if block.printed is not None:
            start, end = block.printed_at
            text = text[:start] + printed + text[end:]
        elif failure:
            print(f"{path}:{block.line}\n{failure}", file=sys.stderr)
    path.write_text(text)


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        run_blocks(sys.argv[2])
    else:
        for argument in sys.argv[1:]:
            update(Path(argument))
