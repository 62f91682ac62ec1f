"""The runner sees planted mistakes, accepts what is right, and reads the library's tables as they are."""

import itertools

import numpy as np
import pytest

from tests.runner import (
    ALL,
    EXACT,
    Record,
    Tolerance,
    bad,
    call,
    dtypes,
    edge,
    layouts,
    module,
    mx,
    rows,
    suite,
)
from tests.runner.cases import Case, Space
from tests.runner.checks import BY_NAME
from tests.runner.compare import ELEMENTWISE, Failure, compare_values, same_bits
from tests.runner.dtypes import INFO, round_to
from tests.runner.record import Maker
from tests.runner.worker import Worker, WorkerError


def each_shape(of):
    return [call(of(shape)) for shape in of.shapes]


def faults(check: str, record: Record) -> list[str]:
    """What the check says about the record."""
    _, _, failures = suite.run(record, BY_NAME[check], seconds=0.2)
    return [f"{type(error).__name__}: {error}" for _, error in failures]


def square(function=mx.square, reference=np.square, **fields) -> Record:
    return Record("square", each_shape, reference, function=function, **fields)


# ---- planted mistakes ----


def test_what_is_right_passes_every_check():
    record = square(dtypes=("float32", "float64", "int32"))
    for check in ("value", "gradient", "second", "jvp", "vmap", "fused"):
        assert not faults(check, record), check


def test_a_wrong_value_a_wrong_type_and_a_wrong_shape_are_seen():
    assert "ulp" in faults("value", square(lambda x: mx.square(x) * 1.00001, dtypes=("float32",)))[0]
    assert (
        "dtype float32, expected float64" in faults("value", square(result="float64", dtypes=("float32",)))[0]
    )
    assert (
        "shape" in faults("value", square(lambda x: mx.expand_dims(mx.square(x), 0), dtypes=("float32",)))[0]
    )
    assert "results, expected" in faults("value", square(lambda x: [x * x, x], dtypes=("float32",)))[0]


def test_a_wrong_derivative_is_seen():
    half = square(lambda x: mx.stop_gradient(x) * x, dtypes=("float64",))
    assert "the derivative is wrong" in faults("gradient", half)[0]
    # The gradient of x * stop(x) is x, whose own gradient is 0 and should be 2.
    assert "the derivative is wrong" in faults("second", half)[0]


def test_a_function_that_looks_at_the_batch_is_seen():
    record = square(lambda x: x * np.float32(x.sum().item()), dtypes=("float32",))
    assert faults("vmap", record)


def test_a_function_that_is_not_the_same_twice_is_seen():
    calls = itertools.count()
    record = square(lambda x: x * float(next(calls)), dtypes=("float32",))
    assert "compiled" in faults("compiled", record)[0]
    assert "evaluated at once" in faults("fused", record)[0]


def test_a_changed_argument_is_seen():
    def function(x):
        if x.size:
            x += 1
        return x

    found = faults("value", square(function, lambda x: x + 1, dtypes=("int32",)))
    assert any("changed its argument" in text for text in found)


def test_bits_that_depend_on_threads_are_seen(monkeypatch):
    threads, find = [0], module.find
    set_number = lambda n: threads.__setitem__(0, n)
    monkeypatch.setattr(module, "find", lambda path: set_number if path.startswith("debug.") else find(path))
    record = square(lambda x: x + (threads[0] == 7), dtypes=("int32",))
    assert any("7 threads against 1" in text for text in faults("threads", record))
    assert threads == [0]


@pytest.mark.skipif(
    not module.IS_MELIX or len(module.instruction_sets()) < 2, reason="there is no MELIX_CPU to choose"
)
def test_bits_that_depend_on_the_instruction_set_are_seen(tmp_path):
    file = tmp_path / "planted_test.py"
    file.write_text(
        "import os\n"
        "from tests.runner import Record, call\n"
        "wrong = os.environ.get('MELIX_CPU') == 'avx2'\n"
        "samples = lambda of: [call(of(3))]\n"
        "RECORDS = [Record('planted', samples, None, function=lambda x: x + wrong, dtypes=('int32',))]\n"
    )
    (record,) = suite.load(str(file))
    assert "avx2 against sse4: 3 of 3 elements" in faults("instruction_sets", record)[0]


def test_missing_errors_and_wrong_ones_are_seen():
    assert "instead of raising" in faults("rejects", square(dtypes=("float32",)))[0]
    accepted = square(bad=(bad(lambda of: call(of(2)), "anything"),))
    assert "instead of raising" in faults("errors", accepted)[0]
    other = Record("reshape", each_shape, None, bad=(bad(lambda of: call(of(2), (3,)), error=TypeError),))
    assert "raised ValueError" in faults("errors", other)[0]


def test_a_wrong_edge_is_seen():
    assert faults("edges", square(edges=(edge("int8", ([16, 3],), [1, 9]),)))
    assert not faults("edges", square(edges=(edge("int8", ([16, 3],), [0, 9]),)))


def test_two_records_of_one_name_need_variants():
    with pytest.raises(ValueError, match="square"):
        suite.operation_tests([square(), square()], __file__)


# ---- comparison ----


def test_tolerances_count_units_of_the_last_place():
    one = np.float32(1)
    near = np.nextafter(one, np.float32(2))
    for _ in range(3):
        near = np.nextafter(near, np.float32(2))
    compare_values(near, np.float64(1), "float32", ELEMENTWISE)  # 4 units
    with pytest.raises(Failure, match="5 ulp"):
        compare_values(np.nextafter(near, np.float32(2)), np.float64(1), "float32", ELEMENTWISE)
    with pytest.raises(Failure):
        compare_values(near, np.float64(1), "float32", EXACT)
    compare_values(near, np.float64(1), "float32", Tolerance(ulp=4))


def test_sixteen_bit_results_are_rounded_once():
    compare_values(np.float16(2049), np.float64(2049), "float16", ELEMENTWISE)  # a tie, to even
    with pytest.raises(Failure):
        compare_values(np.float16(2052), np.float64(2050), "float16", ELEMENTWISE)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_overflow_rounds_to_infinity(dtype):
    largest, carrier = INFO[dtype].largest, INFO[dtype].carrier
    infinite = np.array(np.inf, carrier)
    compare_values(infinite, np.longdouble(largest) * 2, dtype, ELEMENTWISE)
    with pytest.raises(Failure):
        compare_values(infinite, np.longdouble(largest) / 2, dtype, ELEMENTWISE)
    with pytest.raises(Failure):
        compare_values(np.array(largest, carrier), np.longdouble(-largest), dtype, ELEMENTWISE)
    with pytest.raises(Failure):
        compare_values(np.array(np.nan, carrier), np.longdouble(1), dtype, ELEMENTWISE)


def test_bits_tell_zeros_apart_but_not_nans():
    zero, minus = mx.array([0.0, 1.0]), mx.array([-0.0, 1.0])
    with pytest.raises(Failure, match=r"expected -0\.0, got 0\.0"):
        same_bits(zero, minus, "zeros")
    nans = np.array([0x7FC00000, 0xFFC00001], np.uint32).view(np.float32)
    same_bits(mx.array(nans), mx.array(nans[::-1].copy()), "NaN")


# ---- element types ----


def test_rounding_to_bfloat16_is_to_the_nearest_even():
    values = [1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-40, 3.4e38, 1e-40, -(1 + 2**-8)]
    wanted = [1.0, 1 + 2**-6, 1 + 2**-7, np.inf, 1e-40, -1.0]
    got = round_to(values, "bfloat16")
    assert np.allclose(got, wanted, rtol=0, atol=1e-41)
    assert np.array_equal(got, dtypes.to_numpy(dtypes.to_module(got, "bfloat16")))


def test_integers_wrap():
    assert round_to(np.array([300, -1, 2**70 + 5], object), "uint8").tolist() == [44, 255, 5]
    assert round_to(np.array([2**63, -(2**63) - 1], object), "int64").tolist() == [-(2**63), 2**63 - 1]


def test_values_go_to_the_module_and_back():
    for dtype in ALL:
        values = Maker(dtype, lambda rng, shape: rng.uniform(-4, 4, shape), 3)(4, 5).values
        array = dtypes.to_module(values, dtype)
        assert dtypes.name_of(array) == dtype
        assert np.array_equal(dtypes.to_numpy(array), values)


@pytest.mark.parametrize("layout", layouts.NAMES)
@pytest.mark.parametrize("dtype", ["float32", "bool", "complex64", "bfloat16", "int8"])
def test_layouts_show_the_values(layout, dtype):
    for shape in ((), (0,), (1,), (7,), (3, 0, 2), (3, 4), (2, 1, 5)):
        leaf = Maker(dtype, lambda rng, shape: rng.uniform(-4, 4, shape), 3)(shape)
        leaf = layouts.arrange(leaf, layout, np.random.default_rng(0))
        array = layouts.build(leaf, layout)
        assert tuple(array.shape) == shape
        assert np.array_equal(dtypes.to_numpy(array), leaf.values, equal_nan=INFO[dtype].kind in "fc")


# ---- cases ----


def test_a_case_is_its_name():
    case = Case("linalg.norm:fro", "value", "float32", "strided", "cpu", 3)
    assert Case.parse(str(case)) == case


def test_every_case_comes_once_and_every_type_early():
    counts = {dtype: [0, 1, 2] for dtype in ALL}
    space = Space(square(), "value", list(ALL), list(layouts.NAMES), ["cpu"], counts)
    found = list(space.cases())
    assert len(found) == len(set(found)) == space.size()
    assert {case.dtype for case in found[: 2 * len(ALL)]} == set(ALL)
    assert {case.layout for case in found[: 2 * len(ALL)]} == set(layouts.NAMES)


def test_choices_do_not_depend_on_the_element_type():
    picked = []
    for dtype in ALL:
        of = Maker(dtype, lambda rng, shape: rng.uniform(-1, 1, shape), 11)
        picked.append(([of.pick(range(100)) for _ in range(5)], of.shapes))
    assert all(picks == picked[0] for picks in picked)


# ---- tables and workers ----


def test_the_element_types_are_those_of_the_library():
    assert set(rows.dtype_names()) == set(ALL)


def test_rows_are_read_whole():
    found = {row.name: row for row in rows.elementwise()}
    assert len(found) > 60
    assert found["power"].derivatives[1].startswith("g * y * log(where(equal(a, 0), 1, a))")
    assert found["arctan2"].result("int8") == "float32"
    assert found["abs"].result("complex64") == "float32"
    assert found["floor"].dtypes == dtypes.REAL
    assert ("sum", "kernel") in rows.operations()


def test_a_worker_that_raises_dies_or_hangs_is_an_error_and_comes_back():
    worker = Worker({})
    try:
        with pytest.raises(WorkerError, match="NameError"):
            worker.ask("names", "nothing")
        with pytest.raises(WorkerError, match="died with status 3"):
            worker.ask("names", "__import__('os')._exit(3)")
        with pytest.raises(WorkerError, match=r"no answer in 1 s"):
            worker.ask("names", "__import__('time').sleep(60)", seconds=1)
        assert "array" in worker.ask("names", "mx")
    finally:
        worker.stop()
