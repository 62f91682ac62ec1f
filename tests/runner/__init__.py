"""The operation runner: records of operations (data), and the checks that each is crossed with.

What a record needs is here; docs/testing.md shows how to write one.
"""

from tests.runner import domains
from tests.runner.compare import ELEMENTWISE, EXACT, Tolerance
from tests.runner.domains import mixed, positive, uniform
from tests.runner.dtypes import (
    ALL,
    BOOL,
    COMPLEX,
    FLOATS,
    HALVES,
    INEXACT,
    INTEGERS,
    REAL,
    SIGNED,
    UNSIGNED,
    inexact,
)
from tests.runner.module import mx
from tests.runner.record import Call, Maker, Record, bad, call, edge, same
from tests.runner.suite import operation_tests

__all__ = [
    "ALL",
    "BOOL",
    "COMPLEX",
    "ELEMENTWISE",
    "EXACT",
    "FLOATS",
    "HALVES",
    "INEXACT",
    "INTEGERS",
    "REAL",
    "SIGNED",
    "UNSIGNED",
    "Call",
    "Maker",
    "Record",
    "Tolerance",
    "bad",
    "call",
    "domains",
    "edge",
    "inexact",
    "mixed",
    "mx",
    "operation_tests",
    "positive",
    "same",
    "uniform",
]
