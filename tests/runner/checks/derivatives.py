"""Derivatives: against finite differences, of the second order, and the two modes against each other.

Derivatives are tested along directions: single elements, and one direction through all of them. Complex functions are
taken as real functions of their parts; the gradient g of z satisfies dL = Re(conj(g) dz).
"""

from collections.abc import Callable

import numpy as np

from tests.runner import dtypes
from tests.runner.cases import Case, Prepared
from tests.runner.compare import Failure, Pass
from tests.runner.module import mx, on
from tests.runner.record import Input, Record

# float64: the step of the design. complex64 has float32 parts: a step of 1e-3 leaves about four digits.
_STEP = {"float64": 1e-6, "complex64": 1e-3}
_ABSOLUTE = {"float64": 1e-5, "complex64": 3e-3}
_RELATIVE = {"float64": 1e-3, "complex64": 1e-2}
_ROUNDING = {"float64": 1e-15, "complex64": 5e-7}  # of the function's value, which the step magnifies
_ELEMENTS = 10  # single elements that are tried, of all

Arrays = list[np.ndarray]
Function = Callable[..., list]


class _Problem:
    """A function of the inputs that have derivatives, around one point, with cotangents for its results."""

    def __init__(self, record: Record, case: Case):
        prepared = Prepared(record, case, record.samples, domain=record.smooth)
        everything = prepared.arrays()
        self.which = [index for index, leaf in enumerate(prepared.inputs) if leaf.is_differentiable]
        self.case, self.rng = case, case.rng("directions")
        self.leaves: list[Input] = [prepared.inputs[index] for index in self.which]
        self.arrays = [everything[index] for index in self.which]
        self.point = [leaf.values for leaf in self.leaves]
        self.types = [leaf.dtype for leaf in self.leaves]

        def function(*arrays):
            filled = list(everything)
            for index, array in zip(self.which, arrays):
                filled[index] = array
            return [result for result in prepared.function(*filled) if _is_inexact(result)]

        self.function = function
        results = function(*self.arrays)
        self.result_types = [dtypes.name_of(result) for result in results]
        self.cotangents = [self.random(tuple(result.shape), dtypes.name_of(result)) for result in results]
        if not any(values.size for values in self.point) or not any(
            values.size for values in self.cotangents
        ):
            raise Pass

    def random(self, shape: tuple, dtype: str) -> np.ndarray:
        values = self.rng.uniform(-1, 1, shape)
        if dtype == "complex64":
            values = values + 1j * self.rng.uniform(-1, 1, shape)
        return dtypes.round_to(values, dtype)

    def gradients(self, arrays: list, cotangents: Arrays) -> list:
        weights = [dtypes.to_module(values, dtype) for values, dtype in zip(cotangents, self.result_types)]
        return list(mx.vjp(self.function, list(arrays), weights)[1])


def _is_inexact(array) -> bool:
    return dtypes.name_of(array) in dtypes.INEXACT


def gradient(record: Record, case: Case) -> None:
    """The gradient is the finite difference of the function."""
    with on(case.device):
        problem = _Problem(record, case)
        gradients = problem.gradients(problem.arrays, problem.cotangents)
        _check_types(gradients, problem)
        _compare(problem, problem.function, problem.cotangents, gradients)


def second(record: Record, case: Case) -> None:
    """The gradient of the gradient is the finite difference of the gradient."""
    with on(case.device):
        problem = _Problem(record, case)
        weights = [problem.random(values.shape, dtype) for values, dtype in zip(problem.point, problem.types)]

        def first(*arrays):
            return problem.gradients(arrays, problem.cotangents)

        modules = [dtypes.to_module(values, dtype) for values, dtype in zip(weights, problem.types)]
        gradients = list(mx.vjp(first, problem.arrays, modules)[1])
        _check_types(gradients, problem)
        _compare(problem, first, weights, gradients)


def jvp(record: Record, case: Case) -> None:
    """<w, J v> = <J^T w, v> for random w and v."""
    with on(case.device):
        problem = _Problem(record, case)
        tangents = [
            problem.random(values.shape, dtype) for values, dtype in zip(problem.point, problem.types)
        ]
        modules = [dtypes.to_module(values, dtype) for values, dtype in zip(tangents, problem.types)]
        forward = mx.jvp(problem.function, problem.arrays, modules)[1]
        backward = problem.gradients(problem.arrays, problem.cotangents)
    for result, cotangent in zip(forward, problem.cotangents):
        if tuple(result.shape) != cotangent.shape:
            raise Failure(f"a tangent of shape {tuple(result.shape)} for a result of shape {cotangent.shape}")
    left, left_size = _inner(problem.cotangents, [dtypes.to_numpy(array) for array in forward])
    right, right_size = _inner([dtypes.to_numpy(array) for array in backward], tangents)
    precision = 1e-10 if case.dtype == "float64" else 1e-4
    if not abs(left - right) <= precision * (1 + left_size + right_size):
        raise Failure(f"<w, jvp(v)> = {left!r}, <vjp(w), v> = {right!r}")


def _inner(left: Arrays, right: Arrays) -> tuple[float, float]:
    """The real inner product, and the sum of the magnitudes in it."""
    products = [np.real(np.conj(a) * b) for a, b in zip(left, right)]
    return float(sum(p.sum() for p in products)), float(sum(np.abs(p).sum() for p in products))


def _check_types(gradients: list, problem: _Problem) -> None:
    for index, (result, values, dtype) in enumerate(zip(gradients, problem.point, problem.types)):
        if tuple(result.shape) != values.shape or dtypes.name_of(result) != dtype:
            came = f"{dtypes.name_of(result)}{list(result.shape)}"
            raise Failure(f"gradient {index} is {came}, its argument {dtype}{list(values.shape)}")


def _compare(problem: _Problem, function: Function, cotangents: Arrays, gradients: list) -> None:
    """Differences of <cotangents, function> along directions against <gradients, direction>."""
    gradients = [dtypes.to_numpy(array) for array in gradients]
    step, wrong = _STEP[problem.case.dtype], []
    for what, direction in _directions(problem):
        ahead, behind = (_moved(problem, function, direction, sign * step) for sign in (1, -1))
        change, _ = _inner(cotangents, [a - b for a, b in zip(ahead, behind)])
        numeric, (analytic, size) = change / (2 * step), _inner(gradients, direction)
        noise = _ROUNDING[problem.case.dtype] * _inner(cotangents, ahead)[1] / step
        allowed = (
            _ABSOLUTE[problem.case.dtype] * (1 + size) + _RELATIVE[problem.case.dtype] * abs(numeric) + noise
        )
        if not abs(numeric - analytic) <= allowed:
            hint = " (is `smooth` right?)" if np.isnan(numeric) else ""
            wrong.append(f"  {what}: finite difference {numeric!r}, derivative {analytic!r}{hint}")
    if wrong:
        raise Failure("\n".join([f"the derivative is wrong in {len(wrong)} directions", *wrong[:5]]))


def _directions(problem: _Problem):
    """Some single elements of the arguments, and a direction through all of them."""
    zeros = [np.zeros_like(values) for values in problem.point]
    places = [(k, index) for k, values in enumerate(zeros) for index in np.ndindex(values.shape)]
    for place in problem.rng.permutation(len(places))[:_ELEMENTS]:
        k, index = places[place]
        direction = [values.copy() for values in zeros]
        direction[k][index] = 1 if problem.types[k] != "complex64" else problem.rng.choice([1, 1j, 1 - 1j])
        yield f"argument {k} at {list(index)}, where it is {problem.point[k][index]}", direction
    yield "all elements", [problem.random(values.shape, dtype) for values, dtype in zip(zeros, problem.types)]


def _moved(problem: _Problem, function: Function, direction: Arrays, step: float) -> Arrays:
    moved = [
        dtypes.to_module(dtypes.round_to(values + step * along, dtype), dtype)
        for values, along, dtype in zip(problem.point, direction, problem.types)
    ]
    results = function(*moved)
    mx.eval(results)
    wide = {"f": np.float64, "c": np.complex128}
    return [values.astype(wide[values.dtype.kind]) for values in map(dtypes.to_numpy, results)]
