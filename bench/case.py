"""What a case is made of: its arrays, its work, the function of each library, and the reference it must agree with.

Not here: the cases themselves (cases.py), and anything that runs or times them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

NAMES = ("melix", "numpy", "torch", "mlx")
SEED = 20


@dataclass(frozen=True)
class Typed:
    """Values of a type that NumPy does not have: every library makes its own array of them, of `dtype`."""

    values: np.ndarray
    dtype: str


@dataclass(frozen=True)
class Near:
    """What a result must be: |result - values| <= allowed, element by element, in float64."""

    values: np.ndarray
    allowed: Any


@dataclass(frozen=True)
class Work:
    """What a call cannot do without: bytes of operands read and results written, or operations of a type."""

    read: float = 0
    written: float = 0
    operations: float = 0
    dtype: str = "f32"

    @property
    def bytes(self) -> float:
        return self.read + self.written

    @property
    def limit(self) -> tuple[str, float] | None:
        """The loop of limits.cpp that bounds the case, with its bytes; None: nothing physical does."""
        if self.operations:
            return self.dtype, 0
        if not self.bytes:
            return None
        share = self.read / self.bytes
        return ("read" if share > 0.9 else "add" if share > 0.6 else "copy"), self.bytes

    @property
    def amount(self) -> float:
        """What is done, in the unit in which limits.cpp gives a rate."""
        return self.operations or self.bytes


@dataclass(frozen=True)
class Case:
    """One row of the table.

    arrays(rng, *sizes) gives the operands by name: NumPy arrays, Typed ones, or plain values. run[library](xp,
    **operands) gets them as arrays of the library, with its module xp, and gives the function that is timed. Operands
    whose names begin with `_` are for the reference alone, which gets all as NumPy arrays and computes in float64.
    """

    name: str
    what: str
    run: dict[str, Callable]
    arrays: Callable[..., dict]
    reference: Callable[..., Near] | None
    full: tuple = ()  # the sizes that are timed
    tiny: tuple = ()  # and those of the tests: odd, so that tails are there
    work: Callable[..., Work] = lambda *sizes: Work()
    part: Any = ...  # the part of the result that the reference gives
    calls: int = 1  # first calls whose results, stacked, are compared: for functions that keep a state
    seconds: bool = False  # the function returns the seconds that count
    goal: float | None = None  # how many times faster than the best peer it is meant to be
    goal_peer: str | None = None  # or than this one
    target: float | None = None  # the seconds it is meant to take at most


def everywhere(function: Callable, *but: str) -> dict[str, Callable]:
    """One text for all libraries, whose names agree there, but some."""
    return {name: function for name in NAMES if name not in but}


def each(numpy=None, torch=None, mx=None) -> dict[str, Callable]:
    """A text for each; melix and MLX share one."""
    texts = {"melix": mx, "numpy": numpy, "torch": torch, "mlx": mx}
    return {name: text for name, text in texts.items() if text}


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


def bfloat16(values: np.ndarray) -> Typed:
    """float32 values rounded to bfloat16, so that every library starts from the same ones."""
    bits = values.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return Typed(rounded.view(np.float32), "bfloat16")


def within(values: np.ndarray, ulp: float = 4, scale: Any = None, bits: int = 24) -> Near:
    """`ulp` units of a format of `bits` bits, of the values themselves or of `scale`."""
    size = np.abs(values) if scale is None else scale
    return Near(values, ulp * 2.0 ** (1 - bits) * np.maximum(size, 1e-30))


def exactly(values: np.ndarray) -> Near:
    return Near(values, 0)


def disagreement(result: np.ndarray, near: Near) -> str | None:
    """What is wrong with a result, or None. A NaN is wrong."""
    if result.shape != near.values.shape:
        return f"shape {result.shape} instead of {near.values.shape}"
    wrong = ~(np.abs(result - near.values) <= near.allowed)
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {wrong.size} wrong, at {at}: {result[at]} instead of {near.values[at]}"
