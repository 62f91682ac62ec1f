"""Whether a result is right: within the tolerance of a reference, or the same bits as another result."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.runner import dtypes
from tests.runner.dtypes import INFO


class Failure(AssertionError):
    """A result that is wrong; the text says where, what was expected and what came."""


class Pass(Exception):
    """The case says nothing about the check: it is not counted."""


@dataclass(frozen=True)
class Tolerance:
    """How far a floating result may be from the reference. Integers and booleans are always exact.

    `ulp` units in the last place of the computing type (float32 for the 16-bit ones), at the magnitude of the result or
    of `scale(*arguments)`, for results that cancel; and half a unit of a 16-bit type for each of `roundings`. `double`
    is the bound for float64, where the reference in double is hardly better than the result itself. `why` is required
    of a record that needs another tolerance than the default.
    """

    ulp: float = 4
    double: float | None = None
    roundings: float = 1
    scale: Callable | None = None
    why: str = ""

    def allowed(self, magnitude: np.ndarray, scale: np.ndarray, dtype: str) -> np.ndarray:
        """The error allowed for a result around that magnitude."""
        computed = "float32" if INFO[dtype].bits == 16 else dtype
        ulps = self.double if dtype == "float64" and self.double is not None else self.ulp
        if dtype == "complex64":
            ulps = 2 * ulps  # of the modulus, for the two parts together
        allowed = ulps * dtypes.ulp(np.maximum(magnitude, scale), computed)
        if INFO[dtype].bits == 16:
            allowed = allowed + self.roundings * dtypes.ulp(magnitude, dtype) / 2
        return allowed


ELEMENTWISE = Tolerance()
EXACT = Tolerance(ulp=0, double=0, why="the values are copied or chosen, not computed")


def compare(array, expected, dtype: str, tolerance: Tolerance, scale=None) -> None:
    """Raises Failure unless the module array has the type, the shape and, within the tolerance, the values."""
    check_type(array, dtype, np.shape(expected))
    compare_values(dtypes.to_numpy(array), expected, dtype, tolerance, scale)


def compare_values(got: np.ndarray, expected, dtype: str, tolerance: Tolerance, scale=None) -> None:
    """The same for values that are in NumPy already."""
    if INFO[dtype].kind in "bui":
        expected = (
            dtypes.wrap(expected, dtype) if INFO[dtype].kind != "b" else np.asarray(expected).astype(bool)
        )
        wrong = got != expected
    else:
        wrong = _differs(got, np.asarray(expected), dtype, tolerance, scale)
    if np.any(wrong):
        raise Failure(describe(got, expected, wrong, dtype))


def check_type(array, dtype: str, shape: tuple) -> None:
    """Raises Failure unless the array has that element type and shape."""
    if dtypes.name_of(array) != dtype:
        raise Failure(f"dtype {dtypes.name_of(array)}, expected {dtype}")
    if tuple(array.shape) != tuple(shape):
        raise Failure(f"shape {tuple(array.shape)}, expected {tuple(shape)}")


def _differs(got, expected, dtype: str, tolerance: Tolerance, scale) -> np.ndarray:
    is_complex = INFO[dtype].kind == "c"
    wide = np.complex128 if is_complex else np.longdouble if dtype == "float64" else np.float64
    with np.errstate(all="ignore"):
        got, expected = got.astype(wide), expected.astype(wide)
        size, error = np.abs(expected), np.abs(got - expected)
        magnitude = np.maximum(size, np.where(np.isfinite(got), np.abs(got), 0))
        allowed = tolerance.allowed(magnitude, size if scale is None else np.abs(scale), dtype)
        right = (error <= allowed) | (got == expected)
        if is_complex:
            # Which part of an infinite complex number is NaN depends on the order of the operations: either is right.
            return ~(
                right
                | (~np.isfinite(got) & (size + allowed >= dtypes.overflow(dtype)))
                | ~np.isfinite(expected)
            )
        right |= np.isnan(got) & np.isnan(expected)
        return ~(right | (np.isinf(got) & (np.sign(got) * expected + allowed >= dtypes.overflow(dtype))))


def same_bits(array, other, what: str) -> None:
    """Raises Failure unless both module arrays have one type, one shape and the same bits."""
    check_type(array, dtypes.name_of(other), tuple(other.shape))
    ours, theirs = dtypes.bits(array), dtypes.bits(other)
    if not np.array_equal(ours, theirs):
        wrong = ours != theirs
        if INFO[dtypes.name_of(array)].kind == "c":
            wrong = wrong.any(axis=-1)
        text = describe(
            dtypes.to_numpy(array), dtypes.to_numpy(other), wrong.reshape(array.shape), dtypes.name_of(array)
        )
        raise Failure(f"{what}: {text}")


def describe(got, expected, wrong, dtype: str) -> str:
    """The first wrong elements: index, expected, got, and the distance in units of the last place."""
    got, expected, wrong = np.asarray(got), np.asarray(expected), np.broadcast_to(wrong, np.shape(got))
    expected = np.broadcast_to(expected, got.shape)
    lines = [f"{int(wrong.sum())} of {wrong.size} elements of {dtype}{list(got.shape)} are wrong"]
    for index in list(zip(*np.nonzero(wrong)))[:4] if got.shape else [()]:
        index = tuple(map(int, index))
        text = f"  at {list(index)}: expected {_number(expected[index])}, got {_number(got[index])}"
        if INFO[dtype].kind == "f" and np.isfinite(got[index]) and np.isfinite(float(expected[index])):
            distance = abs(np.longdouble(got[index]) - np.longdouble(expected[index]))
            text += f" ({float(distance / dtypes.ulp(np.float64(expected[index]), dtype)):.3g} ulp)"
        lines.append(text)
    return "\n".join(lines)


def _number(value) -> str:
    if isinstance(value, (np.floating, np.complexfloating)):
        return f"{complex(value)!r}" if isinstance(value, np.complexfloating) else f"{float(value)!r}"
    return str(value)
