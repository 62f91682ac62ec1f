"""Tests of depends (melix/ops/depends.h): values, derivatives, and what waits for what."""

import numpy as np

from tests.runner import ALL, EXACT, Record, call, mx, operation_tests


def samples(of):
    for shape in of.shapes:
        yield call(of(shape), of(3))
    yield call([of(2, 3), of()], [of(4), of(2, 2)])
    yield call([of(5)], [])


def reference(inputs, dependencies):
    return inputs


RECORDS = [
    Record(
        "depends",
        samples,
        reference,
        dtypes=ALL,
        result=lambda dtype: dtype,
        tolerance=EXACT,
        only=("gradient", "second", "jvp", "vmap", "compiled", "threads"),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


def test_one_array_gives_one_and_a_list_gives_a_list():
    x = mx.array([1.0, 2.0])
    assert mx.array_equal(mx.depends(x, x + 1), x)
    many = mx.depends([x, x * 2], [x + 1])
    assert isinstance(many, list) and mx.array_equal(many[1], x * 2)
    assert mx.depends([], []) == []


def test_dependencies_are_evaluated_too():
    """Who reads the array has made its dependencies: reading these runs no kernel any more."""
    x = mx.array(np.arange(1000.0, dtype=np.float32))
    first, second = mx.exp(x), mx.sin(x)
    mx.eval(mx.depends(x, [first, second]))
    before = mx.debug.traffic()["kernels"]
    mx.eval(first, second)
    assert mx.debug.traffic()["kernels"] == before


def test_no_gradient_flows_to_dependencies():
    def function(x, y):
        return mx.depends(x * 2, y * 3).sum()

    gx, gy = mx.grad(function, argnums=(0, 1))(mx.ones((3,)), mx.ones((3,)))
    assert np.array_equal(np.array(gx), [2, 2, 2]) and np.array_equal(np.array(gy), [0, 0, 0])
