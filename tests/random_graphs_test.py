"""Random programs give the same bits whether they are evaluated at once, step by step, compiled, or with values held.

This is rule 3 of the design: where something is evaluated never changes a bit. A program that breaks it is made as
small as it gets, and printed so that it can be pasted.
"""

import faulthandler
import os
import time
import zlib

import numpy as np
import pytest

from tests.runner import graphs, module

FULL = os.environ.get("MELIX_TEST_FULL") == "1"
SEED = int(os.environ.get("MELIX_TEST_SEED", "0"))
GROUPS = 8  # so that several workers share them
SECONDS = 120 if FULL else 4


def checked(seed: int) -> str | None:
    """What is wrong with the program of that seed, with the program; None when nothing is."""
    program = graphs.random_program(np.random.default_rng(seed))
    fault = fault_of(program, seed)
    if fault is None:
        return None
    # A program that differs must not become one that raises, nor the other way round.
    raised = fault.startswith("raised")
    same = lambda p: (f := fault_of(p, seed)) is not None and f.startswith("raised") == raised
    small = graphs.shrink(program, same)
    imports = f"import numpy as np\nimport {module.NAME} as mx\n"
    return f"program {seed}: {fault_of(small, seed)}\n{imports}{small}"


def fault_of(program: graphs.Program, seed: int) -> str | None:
    try:
        return graphs.difference(program, np.random.default_rng(seed))
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"


@pytest.mark.parametrize("group", range(GROUPS))
def test_where_a_program_is_evaluated_changes_no_bit(group):
    end, count, faults = time.monotonic() + SECONDS, 0, []
    faulthandler.dump_traceback_later(SECONDS + 240, exit=True)
    try:
        while time.monotonic() < end and len(faults) < 2:
            fault = checked(zlib.crc32(f"{SEED} {group} {count}".encode()))
            faults += [fault] if fault else []
            count += 1
    finally:
        faulthandler.cancel_dump_traceback_later()
    if faults:
        pytest.fail(f"{len(faults)} of {count} programs\n" + "\n\n".join(faults), pytrace=False)


def test_programs_are_long_and_varied():
    programs = [graphs.random_program(np.random.default_rng(seed)) for seed in range(20)]
    texts = {step.text.split("(")[0] for program in programs for step in program.steps}
    assert max(len(program.steps) for program in programs) >= 25
    assert len(texts) >= 40


def test_a_failing_program_becomes_small():
    program = graphs.random_program(np.random.default_rng(5))
    fails = lambda p: any("mx.sin" in step.text or "mx.tanh" in step.text for step in p.steps)
    last = len(program.inputs) + len(program.steps)
    steps = (*program.steps, graphs.Step("mx.sin({})", (0,)))
    program = graphs.Program(program.inputs, steps, (*program.outputs, last))
    small = graphs.shrink(graphs.without_dead(program), fails, seconds=10)
    assert len(small.steps) == 1
    assert "mx.sin" in str(small) or "mx.tanh" in str(small)


def test_a_wrong_bit_is_seen(monkeypatch):
    compiled = lambda program: lambda *inputs: [-array for array in program.build(inputs, program.outputs)]
    monkeypatch.setattr(graphs, "_compile", compiled)
    program = graphs.Program(
        (graphs.input_text((3,), "float32", 1),), (graphs.Step("mx.sin({})", (0,)),), (1,)
    )
    assert "evaluated compiled: 3 elements differ" in graphs.difference(program, np.random.default_rng(0))
