"""Random programs of array operations: made, run in several ways, made smaller when they fail, printed.

A program is text: inputs, then steps such as "mx.add({}, {})" whose holes are earlier values. Steps that the module
refuses when they are built are dropped while the program is made, so the tables below need not know the rules.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tests.runner import dtypes
from tests.runner.module import mx

_LARGEST = 20_000  # elements of one value
_DIMENSIONS = (1, 1, 2, 3, 5, 8, 17, 33)
_DTYPES = (
    *dtypes.FLOATS,
    *dtypes.FLOATS,
    "float32",
    "bool",
    "int32",
    "int8",
    "uint8",
    "uint16",
    "int64",
    "complex64",
)

_TAME = [
    "abs",
    "negative",
    "square",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "arctan",
    "erf",
    "floor",
    "ceil",
    "round",
    "sign",
    "exp",
    "expm1",
    "isfinite",
    "logical_not",
]
_WILD = [
    "sqrt",
    "rsqrt",
    "log",
    "log1p",
    "reciprocal",
    "sinh",
    "arcsinh",
    "conjugate",
    "real",
    "isnan",
    "bitwise_invert",
    "arctanh",
]
_BINARY = [
    "add",
    "subtract",
    "multiply",
    "maximum",
    "minimum",
    "divide",
    "less",
    "equal",
    "greater_equal",
    "not_equal",
    "logaddexp",
    "floor_divide",
    "remainder",
    "arctan2",
    "power",
    "logical_and",
    "logical_or",
    "bitwise_and",
    "bitwise_xor",
    "left_shift",
    "right_shift",
]
_SCALARS = ("{} + 1", "{} * 0.5", "2 - {}", "{} / 3", "{} > 0", "mx.maximum({}, 0.25)", "{} // 2", "{} == 1")
_REDUCTIONS = ["sum", "sum", "max", "min", "mean", "prod", "any", "all", "logsumexp", "var"]


@dataclass(frozen=True)
class Step:
    text: str  # with a hole {} for each argument
    arguments: tuple[int, ...]  # numbers of values


@dataclass(frozen=True)
class Program:
    inputs: tuple[str, ...]  # texts of the first values
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]

    def __str__(self) -> str:
        lines = [f"v{i} = {text}" for i, text in enumerate(self.inputs)]
        for i, step in enumerate(self.steps, len(self.inputs)):
            lines.append(f"v{i} = {step.text.format(*(f'v{k}' for k in step.arguments))}")
        return "\n".join([*lines, f"outputs = [{', '.join(f'v{i}' for i in self.outputs)}]"])

    def arrays(self) -> list:
        """New arrays of the inputs, evaluated."""
        made = [_compiled(text)() for text in self.inputs]
        mx.eval(made)
        return made

    def build(self, inputs, wanted, each: Callable = lambda array: array) -> list:
        """The wanted values, not evaluated, all others dropped; `each` sees every value as it is made."""
        values = list(inputs)
        for step in self.steps:
            values.append(each(_compiled(step.text)(*(values[k] for k in step.arguments))))
        return [values[k] for k in wanted]


@functools.cache
def _compiled(text: str) -> Callable:
    """A text with holes as a function."""
    names = [f"a{i}" for i in range(text.count("{}"))]
    return eval(f"lambda {', '.join(names)}: {text.format(*names)}", {"mx": mx, "np": np})


# ---- making ----


def random_program(rng: np.random.Generator, longest: int = 40) -> Program:
    """A program of up to so many steps."""
    common = tuple(int(n) for n in rng.choice(_DIMENSIONS, rng.integers(1, 4)))
    inputs = tuple(_input(rng, common) for _ in range(rng.integers(2, 6)))
    program = Program(inputs, (), ())
    values = program.arrays()
    target = int(rng.integers(3, longest + 1))
    for _ in range(4 * target):
        if len(program.steps) >= target:
            break
        step = _step(rng, values)
        if step is None:
            continue
        try:
            value = _compiled(step.text)(*(values[k] for k in step.arguments))
        except (ValueError, TypeError, IndexError, RuntimeError):
            continue
        if 0 < value.size <= _LARGEST and value.ndim <= 6:
            values.append(value)
            program = replace(program, steps=(*program.steps, step))
    total = len(values)
    outputs = (
        {total - 1, *(int(k) for k in rng.integers(len(inputs), total, rng.integers(0, 4)))}
        if program.steps
        else {0}
    )
    return replace(program, outputs=tuple(sorted(outputs)))


def _input(rng: np.random.Generator, common: tuple) -> str:
    """An input that broadcasts with the others: some axes are 1, some leading ones are missing."""
    shape = tuple(1 if rng.random() < 0.2 else n for n in common)[
        int(rng.integers(len(common) + 1)) if rng.random() < 0.3 else 0 :
    ]
    return input_text(shape, _DTYPES[int(rng.integers(len(_DTYPES)))], int(rng.integers(1000)))


def input_text(shape: tuple, dtype: str, seed: int) -> str:
    drawn = f"np.random.default_rng({seed})"
    low = {"b": 0, "u": 0, "i": -9}.get(dtypes.INFO[dtype].kind)
    values = f"{drawn}.uniform(-3, 3, {shape})"
    if low is not None:
        values = f"{drawn}.integers({low}, {2 if dtype == 'bool' else 9}, {shape})"
    if dtype == "complex64":
        values = f"{values} * (1 + 0.5j)"
    return f"mx.array({values}, dtype=mx.{'bool_' if dtype == 'bool' else dtype})"


def _pick(rng, choices):
    return choices[int(rng.integers(len(choices)))]


def _recent(rng, count: int) -> int:
    """A value, the later the likelier: chains get long."""
    return (
        count - 1 - int(min(rng.geometric(0.25) - 1, count - 1))
        if rng.random() < 0.7
        else int(rng.integers(count))
    )


def _step(rng: np.random.Generator, values: list) -> Step | None:
    a = _recent(rng, len(values))
    kind = rng.random()
    if kind < 0.22:
        return Step(f"mx.{_pick(rng, _TAME if rng.random() < 0.8 else _WILD)}({{}})", (a,))
    if kind < 0.32:
        return Step(_pick(rng, _SCALARS), (a,))
    if kind < 0.58:
        return Step(f"mx.{_pick(rng, _BINARY)}({{}}, {{}})", (a, _recent(rng, len(values))))
    if kind < 0.64:
        return Step("mx.where({}, {}, {})", (int(rng.integers(len(values))), a, _recent(rng, len(values))))
    if kind < 0.72:
        dtype = _pick(rng, _DTYPES)
        return Step(f"{{}}.astype(mx.{'bool_' if dtype == 'bool' else dtype})", (a,))
    if kind < 0.88:
        return Step(_view(rng, tuple(values[a].shape)), (a,))
    return Step(_reduction(rng, values[a].ndim), (a,))


def _view(rng: np.random.Generator, shape: tuple) -> str:
    """Another window on the elements."""
    axes = [int(i) for i in rng.permutation(len(shape))]
    longer = tuple(int(n) for n in rng.choice((2, 3), rng.integers(1, 3)))
    ones = tuple(n if n != 1 else int(rng.integers(1, 4)) for n in shape)
    return _pick(
        rng,
        [
            f"mx.transpose({{}}, {axes})",
            f"mx.broadcast_to({{}}, {ones})",
            f"mx.broadcast_to({{}}, {longer + shape})",
            f"mx.expand_dims({{}}, {int(rng.integers(len(shape) + 1))})",
            f"mx.reshape({{}}, {_other_shape(rng, shape)})",
            "mx.squeeze({})",
            "mx.flatten({})",
            "{}[..., ::-1]",
            "{}[1:]",
            "{}[::2]",
            "{}[..., :5]",
            "mx.contiguous({})",
        ],
    )


def _other_shape(rng: np.random.Generator, shape: tuple) -> tuple:
    """A random factorisation of the number of elements."""
    left, found = int(np.prod(shape)), []
    while left > 1 and len(found) < 4:
        divisors = [n for n in range(2, left + 1) if left % n == 0]
        found.append(_pick(rng, divisors[:6] + divisors[-1:]))
        left //= found[-1]
    return (*found, left) if left > 1 else tuple(found)


def _reduction(rng: np.random.Generator, ndim: int) -> str:
    name, keepdims = _pick(rng, _REDUCTIONS), bool(rng.integers(2))
    axes = [int(i) for i in rng.permutation(ndim)[: rng.integers(1, 3)]] if ndim else []
    return f"mx.{name}({{}}, axis={tuple(axes) if axes else None}, keepdims={keepdims})"


# ---- running ----


def difference(program: Program, rng: np.random.Generator) -> str | None:
    """How the ways of evaluating the program differ in bits, or None. One by one is the measure."""
    total = len(program.inputs) + len(program.steps)
    inputs = program.arrays()

    def evaluated(array):
        mx.eval(array)
        return array

    everything = [bits_of(array) for array in program.build(inputs, range(total), evaluated)]
    held = sorted({*program.outputs, *(int(k) for k in rng.integers(0, total, 1 + total // 4))})
    for what, wanted, results in (
        ("at once", program.outputs, lambda: _eval(program.build(program.arrays(), program.outputs))),
        ("with values held", held, lambda: _eval_some(program.build(inputs, held), rng)),
        ("compiled", program.outputs, lambda: _eval(_compile(program)(*inputs))),
    ):
        for k, result in zip(wanted, results(), strict=True):
            if bits_of(result) != everything[k]:
                return f"v{k}, evaluated {what}: {_first_difference(result, program, k)}"
    return None


def bits_of(array) -> tuple:
    """Type, shape and bits of an array."""
    return dtypes.name_of(array), tuple(array.shape), dtypes.bits(array).tobytes()


def _eval(arrays: list) -> list:
    mx.eval(arrays)
    return arrays


def _eval_some(arrays: list, rng: np.random.Generator) -> list:
    """Evaluates one of them, then the rest in random order: parts of the graph are there already."""
    for k in rng.permutation(len(arrays)):
        mx.eval(arrays[int(k)])
    return arrays


def _compile(program: Program) -> Callable:
    if not hasattr(mx, "compile"):
        return lambda *inputs: program.build(inputs, program.outputs)
    return mx.compile(lambda *inputs: program.build(inputs, program.outputs))


def _first_difference(result, program: Program, k: int) -> str:
    def evaluated(array):
        mx.eval(array)
        return array

    wanted = program.build(program.arrays(), [k], evaluated)[0]
    if dtypes.name_of(result) != dtypes.name_of(wanted) or tuple(result.shape) != tuple(wanted.shape):
        return f"{result.dtype}{list(result.shape)} instead of {wanted.dtype}{list(wanted.shape)}"
    a, b = np.atleast_1d(dtypes.to_numpy(result)), np.atleast_1d(dtypes.to_numpy(wanted))
    places = np.argwhere((a != b) & ~((a != a) & (b != b)) | (np.signbit(a.real) != np.signbit(b.real)))
    place = tuple(int(i) for i in places[0]) if len(places) else ()
    return f"{len(places)} elements differ, first at {list(place)}: {a[place]!r}, one by one {b[place]!r}"


# ---- making smaller ----


def shrink(program: Program, fails: Callable[[Program], bool], seconds: float = 30) -> Program:
    """A smaller program that still fails: fewer outputs, no dead steps, inputs in the place of steps."""
    end = time.monotonic() + seconds
    progress = True
    while progress and time.monotonic() < end:
        progress = False
        for candidate in _smaller(program):
            if time.monotonic() > end:
                break
            try:
                if fails(candidate):
                    program, progress = candidate, True
                    break
            except Exception:  # the smaller program is not one: try the next
                continue
    return program


def _smaller(program: Program):
    first = len(program.inputs)
    if len(program.outputs) > 1:
        for k in program.outputs:
            yield without_dead(replace(program, outputs=(k,)))
        for k in program.outputs:
            yield without_dead(replace(program, outputs=tuple(j for j in program.outputs if j != k)))
    values = program.build(program.arrays(), range(first + len(program.steps)))
    for i in range(len(program.steps) - 1, -1, -1):
        here = values[first + i]
        fresh = input_text(tuple(here.shape), dtypes.name_of(here), 1)
        for k in program.steps[i].arguments:
            if tuple(values[k].shape) == tuple(here.shape) and values[k].dtype == here.dtype:
                yield without_dead(_with_value(program, first + i, k))
        if first + i not in program.outputs:
            yield without_dead(_with_input(program, first + i, fresh))


def _with_value(program: Program, old: int, new: int) -> Program:
    """The value `new` in the place of `old`."""
    change = lambda k: new if k == old else k
    steps = tuple(Step(step.text, tuple(map(change, step.arguments))) for step in program.steps)
    return replace(program, steps=steps, outputs=tuple(sorted(set(map(change, program.outputs)))))


def _with_input(program: Program, old: int, text: str) -> Program:
    """A new input in the place of the value `old`."""
    count = len(program.inputs)
    change = lambda k: count if k == old else k + (k >= count)
    steps = tuple(Step(step.text, tuple(map(change, step.arguments))) for step in program.steps)
    return Program((*program.inputs, text), steps, tuple(map(change, program.outputs)))


def without_dead(program: Program) -> Program:
    """Without values that no output needs."""
    count, needed = len(program.inputs), set(program.outputs)
    for i in range(len(program.steps) - 1, -1, -1):
        if count + i in needed:
            needed.update(program.steps[i].arguments)
    kept = sorted(needed)
    number = {k: i for i, k in enumerate(kept)}
    steps = tuple(
        Step(program.steps[k - count].text, tuple(number[j] for j in program.steps[k - count].arguments))
        for k in kept
        if k >= count
    )
    inputs = tuple(program.inputs[k] for k in kept if k < count)
    return Program(inputs, steps, tuple(number[k] for k in program.outputs))
