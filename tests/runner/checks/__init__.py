"""Every check that the runner crosses records with. A check is a row here and a function of a case.

Adding one: write `def name(record, case)` in a file of this folder, raising Failure when the result is wrong and Pass
when the case says nothing, and add its row.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.runner import cases, dtypes, layouts, module
from tests.runner.cases import Space
from tests.runner.checks import derivatives, determinism, files, transforms, values
from tests.runner.record import Record, call

_NUMBERS = ("float64", "complex64")


@dataclass(frozen=True)
class Check:
    """A property of operations: how it is tested, what it needs of the module, and what it ranges over."""

    name: str
    run: Callable
    needs: tuple[str, ...] = ()  # functions of the module
    usable: Callable[[], str | None] = lambda: None  # why it cannot run here, or None
    applies: Callable[[Record], bool] = lambda record: True
    types: Callable[[Record], tuple[str, ...]] = lambda record: record.dtypes
    layouts: tuple[str, ...] = layouts.NAMES
    samples: Callable[[Record], Callable] = lambda record: record.samples
    at_most: int | None = None  # elements of all inputs: small ones where each element costs evaluations
    weight: float = 1  # share of the time
    minimum: int = 3  # cases that run however little time there is
    full_only: bool = False

    def space(self, record: Record) -> Space:
        """What there is to check of the record."""
        types = list(self.types(record))
        counts = {
            dtype: [
                index
                for index, made in enumerate(
                    cases.all_samples(record, self.samples(record), dtype, self.name)
                )
                if self.at_most is None or cases.size_of(made) <= self.at_most
            ]
            for dtype in types
        }
        return Space(
            record, self.name, types, cases.layouts_of(record, self.layouts), module.devices(), counts
        )


def _has_reference(record: Record) -> bool:
    return record.reference is not None


def _differentiable(record: Record) -> bool:
    return record.smooth is not None and any(dtype in record.dtypes for dtype in _NUMBERS)


def _smooth_types(record: Record) -> tuple[str, ...]:
    return tuple(dtype for dtype in _NUMBERS if dtype in record.dtypes)


def _large(record: Record) -> Callable:
    return record.large or record.samples


def _one_byte(record: Record) -> tuple[str, ...]:
    return tuple(dtype for dtype in record.dtypes if dtypes.INFO[dtype].bits == 8)


def _edge_types(record: Record) -> tuple[str, ...]:
    return tuple(dtype for dtype in record.dtypes if any(dtype in entry.dtypes for entry in record.edges))


def _no_samples(record: Record) -> Callable:
    """For checks that make their own arguments: one case for each element type."""
    return lambda of: [call()]


_ONCE = {"layouts": ("contiguous",), "samples": _no_samples, "minimum": 100}
_GRADIENT = {
    "applies": _differentiable,
    "types": _smooth_types,
    "layouts": layouts.FAITHFUL,
    "at_most": 150,
}

CHECKS = [
    Check("value", values.value, applies=_has_reference, weight=4, minimum=14),
    Check("type", values.type_only, applies=lambda record: record.reference is None, minimum=14),
    Check(
        "rejects", values.rejects, applies=lambda r: bool(r.rejected), types=lambda r: r.rejected, minimum=14
    ),
    Check("errors", values.errors, applies=lambda r: bool(r.bad), types=lambda r: r.dtypes[:1], **_ONCE),
    Check("edges", values.edges, applies=lambda r: bool(r.edges), types=_edge_types, **_ONCE),
    Check("gradient", derivatives.gradient, ("vjp",), weight=2, **_GRADIENT),
    Check("second", derivatives.second, ("vjp",), **_GRADIENT),
    Check("jvp", derivatives.jvp, ("vjp", "jvp"), **_GRADIENT),
    Check("vmap", transforms.vmap, ("vmap",), layouts=layouts.FAITHFUL, at_most=2000, weight=2, minimum=6),
    Check("compiled", transforms.compiled, ("compile",), at_most=2000, minimum=6),
    Check("fused", transforms.fused, at_most=2000, weight=2, minimum=10),
    Check("exported", files.exported, ("export_function", "import_function"), at_most=2000),
    Check(
        "damaged",
        files.damaged,
        ("export_function", "import_function"),
        layouts=("contiguous",),
        at_most=300,
        weight=0.5,
        minimum=2,
    ),
    Check("threads", determinism.threads, ("debug.set_num_threads",), samples=_large),
    Check("instruction_sets", determinism.instruction_sets, usable=determinism.unusable, weight=2, minimum=6),
    Check("huge", values.huge, applies=lambda r: r.huge, types=_one_byte, full_only=True, **_ONCE),
]
BY_NAME = {check.name: check for check in CHECKS}
