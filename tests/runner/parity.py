"""The worker's side of tests/mlx_parity_test.py: what comes of an expression, in values that can be sent."""

import numpy as np

from tests.runner import dtypes
from tests.runner.module import mx
from tests.runner.record import flat

_MOST = 64  # values of a result that are sent


def outcomes(text: str, types: list[tuple[str, str]]) -> list[tuple]:
    """("ok", description, values) or ("error", kind, text) of the expression for each pair of types of x and y."""
    return [_outcome(text, *pair) for pair in types]


def names(path: str) -> list[str]:
    """The public names of the module or of a part of it."""
    return [name for name in dir(eval(path, {"mx": mx})) if not name.startswith("_")]


def _outcome(text: str, first: str, second: str) -> tuple:
    try:
        result = eval(text, _arguments(first, second))
        arrays = [part for part in flat(result) if isinstance(part, mx.array)]
        mx.eval(arrays)
        parts = [_part(part) for part in flat(result)]
    except Exception as error:
        return "error", type(error).__name__, str(error)
    return "ok", ", ".join(part[0] for part in parts), [value for part in parts for value in part[1]]


def _arguments(first: str, second: str) -> dict:
    make = lambda values, dtype: dtypes.to_module(dtypes.round_to(np.array(values), dtype), dtype)
    return {
        "mx": mx,
        "x": make([[1, 2, 3], [3, 1, 2]], first),
        "y": make([[2, 1, 3], [1, 1, 4]], second),
        "v": make([1, 3, 0, 2], first),
        "s": make(2, first),
        "k": make([[0.5, 1, 2], [4, 0.25, 1]], "float32"),
        "i": make([1, 0], "int32"),
        "c": make([[1, 0, 1], [0, 1, 0]], "bool"),
    }


def _part(part) -> tuple[str, list]:
    """An array as its type and shape, and anything else as the name of its Python type; and values."""
    if isinstance(part, mx.array):
        values = dtypes.to_numpy(part).ravel()[:_MOST].tolist()
        return f"{dtypes.name_of(part)}{list(part.shape)}", values
    if isinstance(part, (bool, int, float, complex)):
        return type(part).__name__, [part]
    return f"{type(part).__name__} {str(part).rsplit('.', 1)[-1]}", []
