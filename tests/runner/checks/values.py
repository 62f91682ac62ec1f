"""Values, types and errors of single calls."""

import contextlib
import fcntl
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from tests.runner import dtypes, module
from tests.runner.cases import Case, Prepared
from tests.runner.compare import Failure, check_type, compare
from tests.runner.dtypes import INFO
from tests.runner.module import mx, on
from tests.runner.record import Maker, Record, quiet


def value(record: Record, case: Case) -> None:
    """Results have the reference's values, the declared type, the shape; arguments are as before."""
    prepared = Prepared(record, case, record.samples)
    with on(case.device):
        arrays = prepared.arrays()
        results = prepared.function(*arrays)
        mx.eval(results)
    expected, types = record.expected(prepared.call), record.results(case.dtype)
    if len(results) != len(expected):
        raise Failure(f"{len(results)} results, expected {len(expected)}")
    scales = record.scale(prepared.call) or [None] * len(expected)
    for result, wanted, dtype, scale in zip(results, expected, types * len(expected), scales):
        compare(result, wanted, dtype, record.tolerance, scale)
    for array, leaf in zip(arrays, prepared.inputs):
        if not np.array_equal(dtypes.to_numpy(array), leaf.values, equal_nan=INFO[leaf.dtype].kind in "fc"):
            raise Failure(f"the call changed its argument {leaf!r}")


def type_only(record: Record, case: Case) -> None:
    """Results have the declared type: for operations without an oracle."""
    for result, dtype in zip(Prepared(record, case, record.samples).results(), record.results(case.dtype)):
        check_type(result, dtype, tuple(result.shape))


def rejects(record: Record, case: Case) -> None:
    """A type that the operation does not take raises its error when the call is made."""
    prepared = Prepared(record, case, record.samples)
    arrays = prepared.arrays()
    _must_raise(record, lambda: prepared.function(*arrays), record.error, (case.dtype,))


def errors(record: Record, case: Case) -> None:
    """Bad arguments raise the error that the record says, with a text that says what is wrong."""
    for entry in record.bad:
        made = entry.make(Maker(entry.dtype, record.domain, 0))
        arrays = [dtypes.to_module(leaf.values, leaf.dtype) for leaf in made.inputs()]
        args, kwargs = made.filled(arrays)
        _must_raise(record, partial(record, *args, **kwargs), entry.error, entry.says, repr(made))


def _must_raise(record: Record, function, kind: type, says: tuple[str, ...], what: str = "") -> None:
    try:
        results = function()
    except Exception as error:
        if type(error) is not kind:
            raise Failure(
                f"{what} raised {type(error).__name__} ({error}), expected {kind.__name__}"
            ) from error
        wanted = (f"[{record.name.rsplit('.', 1)[-1]}]", *says)
        absent = [part for part in wanted if part not in str(error)]
        if absent and module.IS_MELIX:
            raise Failure(f"{what} raised the text {str(error)!r}, in which {absent} is missing") from error
    else:
        types = [dtypes.name_of(result) for result in results]
        raise Failure(f"{what} gave {types} instead of raising {kind.__name__}")


def edges(record: Record, case: Case) -> None:
    """The exact values that the record promises at the edges of element types."""
    for entry in (entry for entry in record.edges if case.dtype in entry.dtypes):
        to = entry.to or record.results(case.dtype)[0]
        # As scalars, and repeated, so that the vector body and the tail meet the value as well.
        for repeat in (None, 37):
            with on(case.device):
                arrays = [_edge_argument(argument, case.dtype, repeat) for argument in entry.args]
                results = record(*arrays, **entry.kwargs)
                mx.eval(results)
            expected = _repeated(dtypes.round_to(_exact(entry.expected, to), to), repeat)
            try:
                compare(results[0], expected, to, record.tolerance)
            except Failure as failure:
                raise Failure(f"{record.name}{entry.args} of {case.dtype}: {failure}") from None


def _edge_argument(argument, dtype: str, repeat: int | None):
    return dtypes.to_module(_repeated(dtypes.round_to(_exact(argument, dtype), dtype), repeat), dtype)


def _exact(values, dtype: str) -> np.ndarray:
    return np.array(values, dtype=object if INFO[dtype].kind in "ui" else None)


def _repeated(values: np.ndarray, repeat: int | None) -> np.ndarray:
    return values if repeat is None else np.repeat(values[..., None], repeat, axis=-1)


def huge(record: Record, case: Case) -> None:
    """More than 2**31 elements of a one-byte type: right at the beginning, around 2**31 and at the end."""
    n = 2**31 + 77
    windows = [slice(0, 64), slice(2**31 - 40, 2**31 + 40), slice(n - 30, n)]
    leaf = Maker(case.dtype, record.domain, 7)(80)
    known = [leaf.values[: window.stop - window.start] for window in windows]
    with one_at_a_time():
        values = np.full(n, leaf.values[0], leaf.values.dtype)
        for window, part in zip(windows, known):
            values[window] = part
        with on(case.device):
            array = dtypes.to_module(values, case.dtype)
            del values
            result = record(array)[0]
            parts = [result[window] for window in windows]
            mx.eval(parts)
        del array, result
    for part, given in zip(parts, known):
        with quiet():
            expected = record.reference(given)
        compare(part, expected, record.results(case.dtype)[0], record.tolerance)


@contextlib.contextmanager
def one_at_a_time():
    """Two tests of this size do not fit into memory together."""
    with open(Path(tempfile.gettempdir()) / "melix-huge.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
