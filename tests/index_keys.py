"""Random keys for a[key], and what they name: shared by the tests of indexing.

What a key means is taken from NumPy once, as the numbers of the elements that it names: `places(shape, key)`.
"""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

import melix.core as mx

EXAMPLES = settings(max_examples=300)
FEWER = settings(max_examples=120)

# The updates of a.at[key], and the same in NumPy.
UPDATES = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


@st.composite
def shapes(draw, least=0):
    """Mostly small dimensions, now and then an empty one."""
    return tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 5, 3, 2, 4, 0]), min_size=least, max_size=4)))


def slices(n):
    ends = st.none() | st.integers(-n - 2, n + 2)
    steps = st.none() | st.integers(-n - 1, n + 1).filter(bool)
    return st.builds(slice, ends, ends, steps)


@st.composite
def index_arrays(draw, n, space):
    """Integers for an axis of n elements, of a shape that broadcasts to `space`."""
    shape = space[draw(st.integers(0, len(space))) :]
    shape = tuple(draw(st.sampled_from([k, k, 1])) for k in shape)
    dtype = draw(st.sampled_from([np.int32, np.int64, np.int8]))
    values = draw(
        st.lists(st.integers(-n, n - 1), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))
    )
    return np.array(values, dtype).reshape(shape)


@st.composite
def keys(draw, shape, arrays=True):
    """A key for an array of that shape. Arrays in it are NumPy's; `ours` gives them as melix takes them."""
    space = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 0]), max_size=2)))
    entries, axis, ellipsis = [], 0, False
    while True:
        n = shape[axis] if axis < len(shape) else None
        # Behind an ellipsis all axes that are left must be named.
        kinds = [] if ellipsis and n is not None else ["end"]
        if len(entries) < 6:
            kinds += ["none"] if ellipsis else ["none", "ellipsis"]
            kinds += ["bool"] if arrays and len(entries) < 3 else []
        if n is not None:
            kinds += ["slice"] * 3 + (["mask"] * 2 if arrays else [])
        if n:
            kinds += ["int"] * 2 + (["array"] * 4 if arrays else [])
        kind = draw(st.sampled_from(kinds))
        used = 1
        if kind == "end":
            break
        elif kind == "none":
            entries.append(None)
            used = 0
        elif kind == "bool":
            entries.append(draw(st.booleans()))
            used = 0
        elif kind == "ellipsis":
            entries.append(...)
            ellipsis = True
            used = draw(st.integers(0, len(shape) - axis))
        elif kind == "slice":
            entries.append(draw(slices(n)))
        elif kind == "int":
            entries.append(draw(st.integers(-n, n - 1)))
        elif kind == "array":
            entries.append(draw(index_arrays(n, space)))
        else:
            used = draw(st.integers(1, min(2, len(shape) - axis)))
            size = int(np.prod(shape[axis : axis + used]))
            bits = draw(st.lists(st.booleans(), min_size=size, max_size=size))
            entries.append(np.array(bits, bool).reshape(shape[axis : axis + used]))
        axis += used
    if len(entries) == 1 and draw(st.booleans()):
        return entries[0]
    return tuple(entries)


def ours(key, way=0):
    """The key with its arrays as melix arrays (0), NumPy arrays (1) or lists (2)."""
    if isinstance(key, tuple):
        return tuple(ours(entry, way) for entry in key)
    if not isinstance(key, np.ndarray):
        return key
    # A list without elements does not say that it is a mask.
    return mx.array(key) if way == 0 else key if way == 1 or not key.size else key.tolist()


def places(shape, key):
    """Numbers of the elements that the key names, in the shape of the result; None where NumPy refuses the key."""
    try:
        return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)[key]
    except IndexError:
        return None


def numbers(shape, dtype=np.float64, start=1):
    """Different numbers, small enough for exact sums."""
    return (np.arange(int(np.prod(shape))) % 1000 + start).astype(dtype).reshape(shape)


@st.composite
def problems(draw, arrays=True):
    """A shape, a key, and the places that it names."""
    shape = draw(shapes())
    key = draw(keys(shape, arrays))
    return shape, key, places(shape, key)


@st.composite
def updates(draw, arrays=True):
    """The same with a shape of values that broadcasts to the places."""
    shape, key, named = draw(problems(arrays))
    if named is None:
        return shape, key, named, ()
    values = named.shape[draw(st.integers(0, named.ndim)) :]
    values = tuple(draw(st.sampled_from([n, n, 1])) for n in values)
    return shape, key, named, values


def check(result, expected):
    assert tuple(result.shape) == expected.shape
    np.testing.assert_array_equal(np.array(result), expected)
