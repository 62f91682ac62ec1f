"""The benchmark: every case of every installed library agrees with its reference, at tiny sizes; the tool around them.

Nothing is timed here. What a run of `./dev bench` measures is in docs/performance.md.
"""

import xml.etree.ElementTree as xml

import pytest

from bench import report
from bench.case import NAMES, Work
from bench.cases import CASES
from bench.compare import Row
from bench.libraries import installed
from bench.process import Limits, Worker

PAIRS = [(name, case) for name in NAMES if installed(name) for case in CASES if name in CASES[case].run]


@pytest.fixture(scope="module")
def workers():
    """A process for each library, as in a run: they do not share threads or runtimes."""
    made = {name: Worker(name, timeout=60) for name in NAMES}
    yield made
    for worker in made.values():
        worker.close()


@pytest.mark.parametrize(("library", "case"), PAIRS)
def test_a_case_agrees_with_its_reference(workers, library, case):
    answer = workers[library].ask(do="prepare", case=case, tiny=True)
    if "absent" in answer:
        pytest.skip(answer["absent"])
    assert "ok" in answer, answer
    timed = workers[library].ask(do="time", seconds=0)
    assert timed["runs"] == 1 and timed["best"] > 0


@pytest.mark.parametrize("case", ["gelu_chain_10m", "gelu_compiled_10m"])
def test_a_chain_moves_its_operands_and_results_once(workers, case):
    work = CASES[case].work(*CASES[case].tiny)
    moved = workers["melix"].ask(do="prepare", case=case, tiny=True)["moved"]
    assert work.bytes <= moved <= work.bytes + 64, "scalars apart, every byte is moved once"


def test_a_library_that_takes_too_long_or_dies_is_reported_and_starts_again():
    worker = Worker("numpy", timeout=0.01)
    assert worker.ask(do="prepare", case="matmul_6000_f32", tiny=False) == {"error": "> 0 s"}
    worker.timeout = 60
    assert worker.ask(do="no such thing") == {"error": "the process ended"}
    assert worker.ask(do="prepare", case="add_10m", tiny=True) == {"ok": True, "moved": None}
    worker.close()


@pytest.mark.parametrize(
    "work",
    [
        Work(read=4e6),
        Work(2e6, 2e6),
        Work(4e6, 2e6),
        *[Work(operations=1e6, dtype=d) for d in ("f32", "bf16")],
    ],
)
def test_the_limits_of_the_machine_are_positive(work):
    limits = Limits()
    limits.measure(work, seconds=0.01)
    assert 0 < limits.seconds(work) < 1


def test_table_and_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(report, "PICTURE", tmp_path / "performance.svg")
    report.PAGE.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    fast, slow, alone = (Row(CASES[name]) for name in ("add_10m", "sort_1m", "tiny_adds_100"))
    fast.seconds, fast.limit, fast.moved = {"melix": 0.001, "numpy": 0.004, "torch": 0.003}, 0.0009, 1.0
    slow.seconds, slow.why = {"melix": 0.004, "numpy": 0.002}, {"torch": "error: > 20 s"}
    alone.seconds = {"melix": 200e-6}
    report.write([fast, slow, alone], {"melix": "1"}, [0.5, 1.0], "./dev bench")
    page = report.PAGE.read_text()
    assert page.startswith("before\n") and page.endswith("after\n") and "old" not in page
    assert "| 1.00 ms | 3.00 ms torch | 3.00 | 2 | 90 % | 1.00 |" in page
    assert "| 4.00 ms | 2.00 ms numpy | **0.50** | 1 | - | - |" in page
    assert "`sort_1m`: torch error: > 20 s" in page
    assert xml.parse(report.PICTURE).getroot().tag.endswith("svg")
    assert report.missed(slow) and report.missed(alone) and not report.missed(fast)
