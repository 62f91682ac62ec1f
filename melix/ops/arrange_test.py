"""Records of operations that put arrays together, take them apart, extend and rearrange them (melix/ops/arrange.h)."""

import numpy as np
import pytest

from tests.runner import EXACT, Record, Tolerance, bad, call, mx, operation_tests


def joined(of):
    yield call([of(3)])
    yield call([of(3), of(0), of(5)])
    yield call([of(2, 3), of(4, 3)])
    yield call([of(2, 3), of(2, 1), of(2, 4)], axis=1)
    yield call([of(2, 3, 4), of(2, 3, 1)], axis=-1)
    yield call([of(2, 3), of(4), of()], axis=None)
    yield call([of(1, 17, 3) for _ in range(40)], axis=of.pick([0, 1, 2]))


def joined_large(of):
    yield call([of(301, 503), of(701, 503)])
    yield call([of(301, 503), of(301, 203)], axis=1)


def stacked(of):
    yield call([of(3)])
    for axis in (0, 1, -1, 2):
        yield call([of(2, 3), of(2, 3), of(2, 3)], axis=axis)
    yield call([of(), of()])
    yield call([of(0, 2), of(0, 2)], axis=1)


def cut(of):
    yield call(of(6), 3)
    yield call(of(4, 6), 2, axis=1)
    yield call(of(4, 6), 1, axis=-2)
    yield call(of(7), [2, 5])
    yield call(of(7), [])
    yield call(of(7), [5, 2, 100])
    yield call(of(3, 7, 2), [-3, 6], axis=1)


def unstacked(of):
    yield call(of(3))
    yield call(of(2, 3, 4), axis=1)
    yield call(of(2, 3, 4), axis=-1)
    yield call(of(3, 0))


def pads(of):
    for widths in (1, (2,), (1, 3), [(2, 1)], 0):
        yield call(of(3, 4), widths)
    yield call(of(3, 4), [(0, 2), (3, 0)], constant_values=of())
    yield call(of(2, 3, 5), [(1, 0), (0, 0), (2, 3)], constant_values=1)
    yield call(of(), 3)
    yield call(of(0, 2), [(1, 2), (0, 1)])
    yield call(of(67), 30)


def pads_large(of):
    yield call(of(401, 503), [(3, 4), (5, 6)])


def continued(of):
    for widths in ((1, 1), (2, 5), (0, 3)):
        yield call(of(4), widths)
        yield call(of(1), widths)
        yield call(of(3, 5), widths)
    yield call(of(2, 3), [(7, 0), (4, 11)])
    yield call(of(2, 0), [(1, 1), (0, 0)])


def continues(mode):
    return Record(
        "pad",
        lambda of: (call(*made.args, mode=mode) for made in continued(of)),
        lambda a, widths, mode: np.pad(a, widths, mode) if a.size else np.zeros((a.shape[0] + 2, 0), a.dtype),
        variant=mode,
        tolerance=EXACT,
        bad=(bad(lambda of: call(of(0), 1, mode=mode), mode, "(0,)"),),
    )


def pad_reference(a, widths, constant_values=0):
    if a.ndim == 0:
        return a
    value = np.asarray(constant_values).astype(a.dtype)
    inside = np.pad(np.ones(a.shape, bool), widths)
    return np.where(inside, np.pad(a, widths), value)


def tiles(of):
    for reps in (2, (2, 3), (2, 1, 2), (), 0, (3, 0)):
        yield call(of(2, 3), reps)
    yield call(of(), 3)
    yield call(of(2, 3, 4), (2,))


def repeats(of):
    yield call(of(2, 3), 2)
    yield call(of(), 3)
    for axis in (0, 1, -1):
        yield call(of(2, 3), of.pick([0, 1, 4]), axis=axis)
    yield call(of(17), 5, 0)


def flips(of):
    for shape in of.shapes:
        yield call(of(shape))
        if shape:
            yield call(of(shape), axis=of.pick(range(-len(shape), len(shape))))
    yield call(of(2, 3, 4), axis=(0, -1))
    yield call(of(2, 3, 4), axis=[])


def rolls(of):
    for shape in of.shapes:
        yield call(of(shape), of.pick([-300, -1, 0, 1, 5]))
        if shape:
            yield call(of(shape), of.pick([-7, -1, 1, 2]), of.pick(range(-len(shape), len(shape))))
    yield call(of(4, 5), (1, 2), (0, 1))
    yield call(of(4, 5), 2, (0, 1))
    yield call(of(4, 5), (1, 2), (1, 1))
    yield call(of(4, 5), (1, 2), 0)


def transposes(of):
    yield call(of(2, 3))
    yield call(of(2, 3, 4))
    yield call(of(2, 0, 4))


def permutes(of):
    yield from transposes(of)
    yield call(of(2, 3, 4), (1, 2, 0))
    yield call(of(2, 3, 4), axes=(-1, 0, 1))


def differences(of):
    yield call(of(5))
    # Differences of rounded differences have no bound in units of the result: not of 16-bit types.
    for n in (0, 1, 1 if of.info.bits == 16 else 2, 7):
        yield call(of(4, 6), n)
        yield call(of(4, 6), n, axis=0)
    yield call(of(0))
    yield call(of(67), axis=-1)


def diff(a, n=1, axis=-1):
    return np.diff(a, min(n, a.shape[axis]), axis) if a.size else a


def neighbours(a, n=1, axis=-1):
    """Each difference rounds: the units are those of the sum of what was subtracted."""
    a = np.abs(a).astype(float)
    for _ in range(min(n, a.shape[axis])):
        a = np.delete(a, 0, axis) + np.delete(a, -1, axis)
    return a


def flat_list(parts):
    return [np.array(part) for part in parts]


SAME = {"tolerance": EXACT}
RECORDS = [
    Record("concatenate", joined, np.concatenate, large=joined_large, **SAME,
           bad=(bad(lambda of: call([]), "at least one"),
                bad(lambda of: call([of(2, 3), of(2, 2)]), "(2, 3)", "(2, 2)"),
                bad(lambda of: call([of(2, 3), of(3)]), "(2, 3)", "(3,)"),
                bad(lambda of: call([of(2, 3), of(2, 3)], axis=2), "axis 2", "(2, 3)", error=IndexError),
                bad(lambda of: call([of(), of()]), "axis 0", error=IndexError))),
    Record("stack", stacked, np.stack, **SAME,
           bad=(bad(lambda of: call([]), "at least one"),
                bad(lambda of: call([of(2), of(3)]), "(2,)", "(3,)"),
                bad(lambda of: call([of(2), of(2)], axis=2), "axis 2", error=IndexError))),
    Record("split", cut, lambda *a, **kw: flat_list(np.split(*a, **kw)), **SAME,
           bad=(bad(lambda of: call(of(3), 2), "(3,)", "2"), bad(lambda of: call(of(3), 0), "0"),
                bad(lambda of: call(of(3), -1), "-1"),
                bad(lambda of: call(of(3), 1, axis=1), "axis 1", error=IndexError))),
    Record("unstack", unstacked, lambda a, axis=0: [np.array(part) for part in np.moveaxis(a, axis, 0)], **SAME,
           bad=(bad(lambda of: call(of()), "axis 0", error=IndexError),)),
    Record("pad", pads, pad_reference, large=pads_large, **SAME,
           bad=(bad(lambda of: call(of(2), -1), "negative"),
                bad(lambda of: call(of(2, 2), [(1, 1), (1, 1), (1, 1)]), "(2, 2)"),
                bad(lambda of: call(of(2), 1, mode="wrap"), "wrap"),
                bad(lambda of: call(of(2), 2**62), "large"),
                bad(lambda of: call(of(2), 1, constant_values=of(2)), "(2,)"))),
    *map(continues, ("edge", "reflect", "symmetric")),
    Record("tile", tiles, np.tile, **SAME,
           bad=(bad(lambda of: call(of(2), -1), "-1"), bad(lambda of: call(of(2), (2**40, 2**40)), "2^63"))),
    Record("repeat", repeats, np.repeat, **SAME,
           bad=(bad(lambda of: call(of(2), -1), "-1"),
                bad(lambda of: call(of(2), 2, axis=1), "axis 1", error=IndexError))),
    Record("flip", flips, lambda a, axis=None: np.flip(a, tuple(axis) if isinstance(axis, list) else axis), **SAME,
           bad=(bad(lambda of: call(of(2), axis=1), "axis 1", error=IndexError),)),
    Record("roll", rolls, np.roll, **SAME,
           bad=(bad(lambda of: call(of(2, 2), (1, 2, 3), (0, 1)), "3 shifts"),
                bad(lambda of: call(of(2), 1, 1), "axis 1", error=IndexError))),
    Record("permute_dims", permutes, np.transpose, **SAME),
    Record("matrix_transpose", transposes, lambda a: np.swapaxes(a, -1, -2), **SAME,
           bad=(bad(lambda of: call(of(3)), "(3,)"),)),
    Record("diff", differences, diff, nonfinite=False,
           tolerance=Tolerance(ulp=4, scale=neighbours, why="n differences"),
           bad=(bad(lambda of: call(of(3), -1), "-1"),
                bad(lambda of: call(of(3), axis=1), "axis 1", error=IndexError))),
]  # fmt: skip
test_operations = operation_tests(RECORDS, __file__)


def test_types_are_promoted():
    a = mx.array([1, 2], dtype=mx.int8)
    assert mx.concatenate([a, mx.array([1.5])]).tolist() == [1.0, 2.0, 1.5]
    assert mx.concatenate([a, mx.array([True])]).dtype == mx.int8
    assert mx.stack([a, mx.array([1, 2], dtype=mx.uint8)]).dtype == mx.int16


def test_axis_none():
    assert mx.concatenate([mx.ones((2, 2)), mx.zeros((3,))], axis=None).shape == (7,)
    assert mx.stack([mx.ones((2,)), mx.ones((2,))], axis=None).shape == (2, 2)
    assert mx.concat([mx.ones((2,)), mx.ones((1,))]).shape == (3,)


@pytest.mark.parametrize("shape", [(3, 5), (4, 1, 2)])
def test_gradients_of_windows_come_together(shape):
    x = mx.array(np.random.default_rng(1).standard_normal(shape), dtype=mx.float32)

    def f(a):
        head, tail = mx.split(a, [1])
        return (mx.concatenate([tail * 2, head, mx.flip(a)]) ** 2).sum()

    expected = 2 * np.array(x) * (1 + 1)
    expected[1:] += 2 * np.array(x)[1:] * 3
    np.testing.assert_allclose(np.array(mx.grad(f)(x)), expected, rtol=1e-6)


def test_padding_value_has_a_gradient_and_a_batch():
    def padded(value):
        return mx.pad(mx.ones((2,)), (1, 2), constant_values=value)

    assert mx.grad(lambda v: padded(v).sum())(mx.array(4.0)).item() == 3
    batch = mx.vmap(padded)(mx.array([5.0, 6.0]))
    assert batch.tolist() == [[5, 1, 1, 5, 5], [6, 1, 1, 6, 6]]
