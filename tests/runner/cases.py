"""One cell of the cross product: a record, a check, an element type, a layout, a device and a sample.

The id of a case ("exp/value/float16/transposed/cpu/3") and the seed of the run say everything about it: a case gives
the same values whichever others run. A run that samples deals element types, layouts and samples like cards, so that
each is seen before one comes again.
"""

import itertools
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.runner import layouts
from tests.runner.dtypes import INFO
from tests.runner.module import mx, on
from tests.runner.record import Call, Domains, Maker, Record

SEED = int(os.environ.get("MELIX_TEST_SEED", "0"))
FULL = os.environ.get("MELIX_TEST_FULL") == "1"
ONLY = os.environ.get("MELIX_TEST_CASE", "")


def seed_of(*parts) -> int:
    """A number made of the run's seed and the parts."""
    return zlib.crc32(" ".join(map(str, (SEED, *parts))).encode())


_KEPT = 16  # lists of samples that a record keeps: as many as one check goes to and fro between


@dataclass(frozen=True)
class Case:
    label: str  # of the record
    check: str
    dtype: str
    layout: str
    device: str
    sample: int

    def __str__(self) -> str:
        return f"{self.label}/{self.check}/{self.dtype}/{self.layout}/{self.device}/{self.sample}"

    @staticmethod
    def parse(text: str) -> "Case":
        label, check, dtype, layout, device, sample = text.rsplit("/", 5)
        return Case(label, check, dtype, layout, device, int(sample))

    def rng(self, *parts) -> np.random.Generator:
        """Random numbers of this case alone."""
        return np.random.default_rng(seed_of(self, *parts))


class Prepared:
    """A case with its arguments: the call, and the module arrays in their layouts."""

    def __init__(self, record: Record, case: Case, samples, domain=None, variant: int = 0):
        self.record, self.case = record, case
        made = all_samples(record, samples, case.dtype, case.check, domain, variant)[case.sample]
        rng = case.rng("layout")
        inputs = made.inputs()
        # Mostly all arguments share the layout of the case; sometimes one is left as it is.
        self.layouts = [case.layout if rng.random() < 0.75 else "contiguous" for _ in inputs]
        if len(inputs) == 1:
            self.layouts = [case.layout]
        values = case.rng("values", variant)
        special = record.nonfinite if isinstance(record.nonfinite, tuple) else None
        self.inputs = [
            layouts.arrange(leaf, layout, values, special) for leaf, layout in zip(inputs, self.layouts)
        ]
        self.call = made.with_inputs(self.inputs)

    def arrays(self) -> list:
        """New module arrays of the inputs. They are evaluated, or windows that are not, as the case's chance goes."""
        arrays = [layouts.build(leaf, layout) for leaf, layout in zip(self.inputs, self.layouts)]
        if self.case.rng("evaluated").random() < 0.5:
            mx.eval(arrays)
        return arrays

    def function(self, *arrays) -> list:
        """The operation as a function of its arrays alone."""
        args, kwargs = self.call.filled(arrays)
        return self.record(*args, **kwargs)

    def results(self) -> list:
        """The operation's results, evaluated."""
        with on(self.case.device):
            results = self.function(*self.arrays())
            mx.eval(results)
        return results


def all_samples(
    record: Record, samples, dtype: str, check: str, domain: Domains | None = None, variant: int = 0
) -> list[Call]:
    """The calls that the record makes for the type; nothing is drawn before it is asked for.

    Full mode has every odd tail for the check of values; ten times as long a run for the others would show little.
    """
    domain = domain or record.domain_of(dtype)
    key = check, dtype, id(domain), variant
    if key not in record.kept:
        if len(record.kept) >= _KEPT:
            record.kept.clear()
        full = FULL and check == "value"
        record.kept[key] = list(samples(Maker(dtype, domain, seed_of(record.label), full, variant)))
    return record.kept[key]


@dataclass(frozen=True)
class Space:
    """What the cases of one record and check range over."""

    record: Record
    check: str
    dtypes: list[str]
    layouts: list[str]
    devices: list[str]
    counts: dict[str, list[int]]  # element type -> numbers of the samples

    def size(self) -> int:
        each = sum(len(self.counts[dtype]) * len(self._layouts(dtype)) for dtype in self.dtypes)
        return each * len(self.devices)

    def cases(self) -> Iterator[Case]:
        """All cases once. A sampled run begins with those that show every type, layout and sample soon."""
        if not self.size():
            return
        rng = np.random.default_rng(seed_of(self.record.label, self.check))
        types, devices = _Deck(self.dtypes, rng), _Deck(self.devices, rng)
        layouts = {names: _Deck(names, rng) for names in dict.fromkeys(map(self._layouts, self.dtypes))}
        samples = {dtype: _Deck(self.counts[dtype], rng) for dtype in self.dtypes if self.counts[dtype]}
        seen = set()
        while not FULL and len(seen) < self.size() / 2:
            dtype, device = types.next(), devices.next()
            if dtype not in samples:
                continue
            layout = layouts[self._layouts(dtype)].next()
            case = self._case(dtype, layout, device, samples[dtype].next())
            if case not in seen:
                seen.add(case)
                yield case
        for dtype in self.dtypes:
            for layout, device, sample in itertools.product(
                self._layouts(dtype), self.devices, self.counts[dtype]
            ):
                case = self._case(dtype, layout, device, sample)
                if case not in seen:
                    yield case

    def _layouts(self, dtype: str) -> tuple[str, ...]:
        return tuple(name for name in self.layouts if name != "nonfinite" or INFO[dtype].kind == "f")

    def _case(self, dtype: str, layout: str, device: str, sample: int) -> Case:
        return Case(self.record.label, self.check, dtype, layout, device, sample)


class _Deck:
    """Deals its cards in random order, all of them before any comes again."""

    def __init__(self, cards, rng: np.random.Generator):
        self._cards, self._rng, self._left = list(cards), rng, []

    def next(self):
        if not self._left:
            self._left = [self._cards[i] for i in self._rng.permutation(len(self._cards))]
        return self._left.pop()


def layouts_of(record: Record, names=layouts.NAMES) -> list[str]:
    """The layouts that the record can be tested in."""
    return [name for name in names if name != "nonfinite" or record.nonfinite]


def size_of(made: Call) -> int:
    """Elements of all inputs of a call."""
    return sum(int(np.prod(leaf.shape)) for leaf in made.inputs())


def describe(prepared: Prepared) -> str:
    """The call of a case as a line for people."""
    shapes = [f"{leaf!r} {layout}" for leaf, layout in zip(prepared.inputs, prepared.layouts)]
    return f"{prepared.record.name}{prepared.call!r}  ({', '.join(shapes)})"
