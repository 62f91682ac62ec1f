"""The element types as tests see them: NumPy carriers, rounding, units in the last place, bits.

A type is known by its name. NumPy has no bfloat16: its values travel as float32 numbers that bfloat16 can hold.
"""

from dataclasses import dataclass

import numpy as np

from tests.runner.module import mx


@dataclass(frozen=True)
class Info:
    """One element type: its kind as a letter of NumPy's (b, u, i, f, c), and the NumPy type that carries its values."""

    name: str
    kind: str
    bits: int
    carrier: type
    mantissa: int = 0  # bits behind the leading one
    largest: float = 0.0
    tiny_exponent: int = 0  # exponent of the smallest normal number


_TABLE = [
    Info("bool", "b", 8, np.bool_),
    *(Info(f"uint{bits}", "u", bits, getattr(np, f"uint{bits}")) for bits in (8, 16, 32, 64)),
    *(Info(f"int{bits}", "i", bits, getattr(np, f"int{bits}")) for bits in (8, 16, 32, 64)),
    Info("float16", "f", 16, np.float16, 10, 65504.0, -14),
    Info("bfloat16", "f", 16, np.float32, 7, float.fromhex("0x1.fep127"), -126),
    Info("float32", "f", 32, np.float32, 23, float(np.finfo(np.float32).max), -126),
    Info("float64", "f", 64, np.float64, 52, float(np.finfo(np.float64).max), -1022),
    Info("complex64", "c", 64, np.complex64, 23, float(np.finfo(np.float32).max), -126),
]
INFO = {info.name: info for info in _TABLE}

ALL = tuple(INFO)
BOOL = ("bool",)
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
SIGNED = ("int8", "int16", "int32", "int64")
INTEGERS = UNSIGNED + SIGNED
FLOATS = ("float16", "bfloat16", "float32", "float64")
HALVES = ("float16", "bfloat16")
COMPLEX = ("complex64",)
INEXACT = FLOATS + COMPLEX
REAL = BOOL + INTEGERS + FLOATS


def of_module(name: str):
    """The module's own object for the type."""
    return getattr(mx, "bool_" if name == "bool" else name)


def name_of(array) -> str:
    """The name of a module array's type."""
    return str(array.dtype).rsplit(".", 1)[-1].rstrip("_")


def inexact(dtype: str) -> str:
    """The type in which functions of real analysis compute an argument of this type."""
    return dtype if dtype in INEXACT else "float32"


def round_to(values, dtype: str) -> np.ndarray:
    """The nearest values that the type can hold, in its carrier: ties to even, integers modulo 2**bits."""
    info, values = INFO[dtype], np.asarray(values)
    with np.errstate(all="ignore"):
        if info.kind in "ui":
            return wrap(values, dtype)
        if dtype != "bfloat16":
            return values.astype(info.carrier)
        # Through float32 the value would be rounded twice; both roundings of a double to odd first are exact.
        single = values.astype(np.float32)
        wide = values.astype(np.float64)
        bits = single.view(np.uint32)
        inexact_ = np.isfinite(single) & (single.astype(np.float64) != wide)
        away = np.abs(single.astype(np.float64)) > np.abs(wide)
        odd = np.where(inexact_, (bits - away) | np.uint32(1), bits).astype(np.uint32)
        rounded = (odd + np.uint32(0x7FFF) + ((odd >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
        return np.where(np.isnan(single), np.float32(np.nan), rounded.view(np.float32))


def wrap(values, dtype: str) -> np.ndarray:
    """Integers modulo 2**bits; arrays of Python integers of any size are taken."""
    info, values = INFO[dtype], np.asarray(values)
    if values.dtype == object:
        mask = (1 << info.bits) - 1
        flat = [int(value) & mask for value in values.ravel()]
        return np.array(flat, dtype=np.uint64).reshape(values.shape).astype(info.carrier)
    return values.astype(info.carrier)


def promote(a: str, b: str) -> str:
    """The type in which two types meet: NumPy's rules, with float32 for what would need a float64."""
    kinds = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
    (low, x), (high, y) = sorted((kinds[INFO[name].kind], name) for name in (a, b))
    if low < high:
        return y
    if low == 2 and x != y and INFO[x].bits == INFO[y].bits:
        return "float32"
    if INFO[x].kind != INFO[y].kind:
        signed, unsigned = (x, y) if INFO[x].kind == "i" else (y, x)
        if INFO[signed].bits > INFO[unsigned].bits:
            return signed
        return "float32" if unsigned == "uint64" else f"int{2 * INFO[unsigned].bits}"
    return max(x, y, key=lambda name: INFO[name].bits)


def to_module(values: np.ndarray, dtype: str):
    """A module array of exactly these values."""
    return mx.array(np.ascontiguousarray(values).reshape(np.shape(values)), dtype=of_module(dtype))


def to_numpy(array) -> np.ndarray:
    """The values of a module array in the carrier of its type."""
    if name_of(array) == "bfloat16":
        array = array.astype(mx.float32)
    return np.array(array)


def ulp(magnitude, dtype: str) -> np.ndarray:
    """The distance of the type's numbers at that magnitude, in double (longdouble for float64)."""
    info = INFO[dtype]
    magnitude = np.minimum(np.abs(magnitude), info.largest).astype(
        np.longdouble if info.bits == 64 else np.float64
    )
    with np.errstate(all="ignore"):
        exponent = np.frexp(np.where(np.isfinite(magnitude), magnitude, 1))[1] - 1
    exponent = np.maximum(np.where(magnitude == 0, info.tiny_exponent, exponent), info.tiny_exponent)
    return np.ldexp(np.ones_like(magnitude), exponent - info.mantissa)


def overflow(dtype: str) -> np.longdouble:
    """The smallest magnitude that rounds to infinity."""
    largest = np.longdouble(INFO[dtype].largest)
    return largest + np.longdouble(ulp(largest, dtype)) / 2


def bits(array) -> np.ndarray:
    """The values of a module array as unsigned integers that are equal when the results are the same.

    Payload and sign of NaN are no result: which operand's NaN survives an addition is the compiler's choice.
    """
    values = np.atleast_1d(to_numpy(array))
    if values.dtype.kind == "c":
        values = np.stack([values.real, values.imag], axis=-1)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.full_like(values, np.nan), values)
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
