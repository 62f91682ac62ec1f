"""What a test of an operation is written as: a Record. docs/testing.md shows how to write one.

A record is data: what to call, with which arguments, what comes out, and what must be refused. Every check that the
runner knows is made from it.
"""

import contextlib
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.runner import domains, dtypes, module
from tests.runner.compare import ELEMENTWISE, Tolerance
from tests.runner.dtypes import INFO

Domains = domains.Domain | tuple[domains.Domain, ...]


class Input:
    """An array argument: its values are drawn when somebody asks, and are then always the same."""

    def __init__(
        self,
        shape: tuple,
        dtype: str,
        draw: Callable[[np.random.Generator], np.ndarray],
        seed: int,
        fixed=False,
    ):
        self.shape, self.dtype, self.fixed = tuple(shape), dtype, fixed
        self._draw, self._seed, self._values = draw, seed, None

    @property
    def values(self) -> np.ndarray:
        """The values, in the carrier of the type."""
        if self._values is None:
            drawn = self._draw(np.random.default_rng(self._seed))
            self._values = dtypes.round_to(drawn, self.dtype).reshape(self.shape)
        return self._values

    def replaced(self, values: np.ndarray) -> "Input":
        """The same argument with other values (and their shape)."""
        return Input(values.shape, self.dtype, lambda rng: values, 0, self.fixed)

    @property
    def is_differentiable(self) -> bool:
        return INFO[self.dtype].kind in "fc"

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


@dataclass(frozen=True)
class Call:
    """Arguments of one call. Inputs among them, in lists too, become arrays; everything else is passed as it is."""

    args: tuple
    kwargs: dict[str, Any]

    def inputs(self) -> list[Input]:
        found: list[Input] = []
        self._map(lambda leaf: found.append(leaf))
        return found

    def filled(self, leaves: Iterable) -> tuple[tuple, dict]:
        """args and kwargs with each Input replaced by the next of the leaves."""
        iterator = iter(leaves)
        return self._map(lambda leaf: next(iterator))

    def with_inputs(self, inputs: Iterable[Input]) -> "Call":
        return Call(*self.filled(inputs))

    def _map(self, function) -> tuple[tuple, dict]:
        def walk(value):
            if isinstance(value, Input):
                return function(value)
            if isinstance(value, (list, tuple)):
                return type(value)(walk(item) for item in value)
            return value

        return walk(self.args), {key: walk(value) for key, value in self.kwargs.items()}

    def __repr__(self) -> str:
        named = [f"{key}={value!r}" for key, value in self.kwargs.items()]
        return f"({', '.join([repr(value) for value in self.args] + named)})"


def call(*args, **kwargs) -> Call:
    """What samples yield: the arguments of one call."""
    return Call(args, kwargs)


class Maker:
    """Makes the arguments of samples for one element type: `of(2, 3)` is a random array of that shape.

    Values come from the record's domain. Shapes and other arguments must not depend on the values: draw them with
    `pick`, which goes by the run's seed.
    """

    def __init__(self, dtype: str, domain, seed: int, full: bool = False, variant: int = 0):
        self.dtype, self.full, self.domain = dtype, full, domain
        self.info = INFO[dtype]
        self._seed, self._variant, self._made = seed, variant, 0
        self._choices = np.random.default_rng(seed)

    def __call__(
        self, *shape, dtype: str | None = None, domain=None, argument: int = 0, low=None, high=None
    ) -> Input:
        """A random array: of(2, 3) or of((2, 3)). The bounds are for integers; domains are for the other types."""
        if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
            shape = tuple(shape[0])
        own = self.domain[argument] if isinstance(self.domain, tuple) else self.domain
        dtype, domain = dtype or self.dtype, domain or own
        return Input(shape, dtype, lambda rng: draw(rng, shape, dtype, domain, low, high), self._next_seed())

    def given(self, values, dtype: str | None = None) -> Input:
        """An array of these very values: no layout may change them."""
        values = np.asarray(values)
        return Input(values.shape, dtype or self.dtype, lambda rng: values, 0, fixed=True)

    def drawn(
        self, shape, function: Callable[[np.random.Generator], np.ndarray], dtype: str | None = None
    ) -> Input:
        """An array of the values that the function draws, which hang together: no layout may change them."""
        return Input(tuple(shape), dtype or self.dtype, function, self._next_seed(), fixed=True)

    def pick(self, choices):
        """One of the choices (the same for every element type in a run)."""
        return choices[int(self._choices.integers(len(choices)))]

    @property
    def shapes(self) -> list[tuple]:
        """Shapes that find mistakes: scalars, empty ones, odd tails, several axes."""
        tails = range(1, 130) if self.full else sorted({int(n) for n in self._choices.integers(1, 130, 4)})
        return [
            (),
            (0,),
            (3, 0, 2),
            (1,),
            *((n,) for n in tails),
            (2, 3),
            (5, 1, 7),
            (3, 4, 5),
            (2, 1, 3, 17),
        ]

    def _next_seed(self) -> int:
        self._made += 1
        return zlib.crc32(f"{self._seed} {self._variant} {self._made}".encode())


def draw(rng, shape, dtype: str, domain, low=None, high=None) -> np.ndarray:
    """Random values of the type: of the domain if it is a floating one."""
    kind = INFO[dtype].kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "ui":
        return domains.integers(rng, shape, dtype, low, high)
    if kind == "c":
        return domain(rng, shape) + 1j * domain(rng, shape)
    values = domain(rng, shape)
    return np.clip(values, -INFO[dtype].largest, INFO[dtype].largest)


@dataclass(frozen=True)
class Bad:
    """A call that must raise an error of a kind, whose text has the parts in it (besides "[name]", always)."""

    make: Callable[[Maker], Call]
    says: tuple[str, ...]
    error: type = ValueError
    dtype: str = "float32"


def bad(make: Callable[[Maker], Call], *says: str, error: type = ValueError, dtype: str = "float32") -> Bad:
    """bad(lambda of: call(of(2, 4), axis=3), "axis 3", "(2, 4)", error=IndexError)"""
    return Bad(make, says, error, dtype)


@dataclass(frozen=True)
class Edge:
    """Exact values at the edge of an element type: each argument is a number or list of that type."""

    dtypes: tuple[str, ...]
    args: tuple
    expected: Any
    to: str | None = None  # element type of the result; by default the record's rule
    kwargs: dict = field(default_factory=dict)


def edge(types: str, args: tuple, expected, to: str | None = None, **kwargs) -> Edge:
    """edge("int8 uint8", ([5, 0], [0, 0]), [0, 0])"""
    return Edge(tuple(types.split()), args, expected, to, kwargs)


def same(dtype: str) -> str:
    return dtype


@dataclass(frozen=True)
class Record:
    """One operation. `samples(of)` yields the calls; `reference` gets the same arguments as NumPy arrays, in double.

    See docs/testing.md for every field with an example.
    """

    name: str
    samples: Callable[[Maker], Iterator[Call]]
    reference: Callable | None  # None: there is no oracle, shape and type alone are checked
    function: Callable | None = None  # default: the module's function `name`
    variant: str = ""  # tells records of one operation apart
    dtypes: tuple[str, ...] = dtypes.ALL
    error: type = ValueError  # what other element types raise
    result: Callable[[str], Any] | str = same  # element type of the result (of each, for several)
    tolerance: Tolerance = ELEMENTWISE
    domain: Domains = domains.REAL  # a tuple: of each argument that samples tell apart by of(..., argument=k)
    complex_domain: Domains | None = None  # of both parts of complex arguments; default: domain
    smooth: Domains | None = domains.UNIT  # where finite differences are valid; None: not differentiable
    only: tuple[str, ...] = ()  # the checks that are made; default: all
    extended: bool = (
        False  # whether the reference takes longdouble, and is then the more exact one for float64 too
    )
    nonfinite: bool | tuple = (
        True  # whether the reference is right for NaN and infinities; or the values to try
    )
    bad: tuple[Bad, ...] = ()
    edges: tuple[Edge, ...] = ()
    large: Callable[[Maker], Iterator[Call]] | None = None  # samples that keep several threads busy
    huge: bool = False  # elementwise in its one input: also tested on more than 2**31 elements
    skip: dict[str, str] = field(default_factory=dict)  # check -> reason
    file: str = ""  # where it stands; filled in by operation_tests
    kept: dict = field(
        default_factory=dict, repr=False, compare=False
    )  # samples that were made (cases.all_samples)

    @property
    def label(self) -> str:
        """What the tests are called by."""
        return f"{self.name}:{self.variant}" if self.variant else self.name

    def domain_of(self, dtype: str) -> Domains:
        return self.complex_domain if dtype == "complex64" and self.complex_domain else self.domain

    @property
    def rejected(self) -> tuple[str, ...]:
        return tuple(dtype for dtype in dtypes.ALL if dtype not in self.dtypes)

    def missing(self) -> str | None:
        """Why the operation cannot be called in this module, or None."""
        return None if self.function else module.missing(self.name)

    def __call__(self, *args, **kwargs) -> list:
        """The results as a flat list of module arrays."""
        function = self.function or module.find(self.name)
        return flat(function(*args, **kwargs))

    def results(self, dtype: str) -> list[str]:
        """Element types of the results."""
        rule = self.result(dtype) if callable(self.result) else self.result
        return [rule] if isinstance(rule, str) else list(rule)

    def expected(self, made: Call) -> list[np.ndarray]:
        """The reference's results for the call, as wide as NumPy has them."""
        args, kwargs = made.filled(self.wide(leaf) for leaf in made.inputs())
        with quiet():
            return flat(self.reference(*args, **kwargs))

    def scale(self, made: Call) -> list[np.ndarray] | None:
        """The magnitudes that errors of the results are measured against, if they are not the results themselves."""
        if self.tolerance.scale is None:
            return None
        args, kwargs = made.filled(self.wide(leaf) for leaf in made.inputs())
        with quiet():
            return flat(self.tolerance.scale(*args, **kwargs))

    def wide(self, leaf: Input) -> np.ndarray:
        """The values as the reference sees them: floating ones in double or wider, integers as they are."""
        values = leaf.values
        if values.dtype.kind == "c":
            return values.astype(np.complex128)
        if values.dtype.kind == "f":
            return values.astype(np.longdouble if self.extended and leaf.dtype == "float64" else np.float64)
        return values


@contextlib.contextmanager
def quiet():
    """NumPy without its warnings: what they are about is tested on purpose."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def flat(results) -> list:
    """One result or several, nested or not, as a flat list."""
    if isinstance(results, dict):
        results = list(results.values())
    if isinstance(results, (list, tuple)):
        return [array for part in results for array in flat(part)]
    return [results]
