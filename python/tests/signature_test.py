"""The functions that Python sees: signatures and documentation, and mlx's signatures where it is installed."""

import ast
import copy
import inspect
import os
import pathlib
import pickle
import re
import subprocess
import sys

import pytest

import melix.core as mx

try:
    import mlx.core as peer
except ImportError:
    peer = None

MODULES = ["", "random", "linalg", "fft", "fast"]
# Their C++ declarations differ from what their signatures say, or they take anything.
IRREGULAR = {"concatenate", "concat"}


def module(library, name):
    return getattr(library, name, None) if name else library


def functions(library):
    for name in MODULES:
        for function in dir(module(library, name)):
            yield name, function


def generated():
    for name in MODULES:
        m = module(mx, name)
        for function in dir(m) if m else []:
            f = getattr(m, function)
            if inspect.isbuiltin(f):
                yield f"{name}.{function}".lstrip("."), f


def test_functions_have_signatures_and_text():
    found = dict(generated())
    assert len(found) > 90
    for name, f in found.items():
        assert f.__doc__ and len(f.__doc__) > 3, name
        if not re.match(r"\w+\(.*\)\n", f.__doc__):  # overloads
            assert inspect.signature(f), name
    assert str(inspect.signature(mx.sum)) == "(a, axis=None, keepdims=False, *, stream=None)"
    assert str(inspect.signature(mx.array.sum)) == "(self, /, axis=None, keepdims=False, *, stream=None)"


def test_functions_can_be_copied_and_pickled():
    assert copy.deepcopy(mx.exp) is mx.exp and pickle.loads(pickle.dumps(mx.sum)) is mx.sum


def test_wrong_calls_are_type_errors():
    a = mx.array([1.0, 2.0])
    for wrong, text in [
        (lambda: mx.sum(), "needs the argument a"),
        (lambda: mx.sum(a, 0, False, None), "at most"),
        (lambda: mx.sum(a, nothing=1), "no keyword argument nothing"),
        (lambda: mx.sum(a, 0, axis=0), "two values for axis"),
        (lambda: mx.sum(a, axis=0.5), "axis must be"),
        (lambda: mx.sum(a, axis="0"), "axis must be"),
        (lambda: mx.sum(a, axis=["0"]), "axis must be"),
        (lambda: mx.sum(a, keepdims="no"), "keepdims must be"),
        (lambda: mx.sum("x"), "a must be"),
        (lambda: mx.sum([1, 2]), "a must be"),
        (lambda: mx.add(a, None), "b must be"),
        (lambda: mx.exp(a, stream="cpu"), "stream must be"),
        (lambda: mx.zeros((2.5,)), "shape must be"),
        (lambda: mx.zeros("ab"), "shape must be"),
        (lambda: mx.zeros(2, dtype="float32"), "dtype must be"),
        (lambda: a.sum(1, 2, 3), "at most"),
        (lambda: a.astype(), "needs the argument dtype"),
        (lambda: mx.broadcast_arrays(a, "x"), "must be"),
    ]:
        with pytest.raises(TypeError, match=text):
            wrong()
    with pytest.raises(OverflowError):
        mx.zeros((2**70,))


def test_arguments_take_what_is_like_them():
    np = pytest.importorskip("numpy")
    a = mx.ones((2, 3))
    for axis in (0, (0,), [0], np.int64(0), mx.array(0), range(1), np.array([0])):
        assert mx.sum(a, axis).shape == (3,)
    for shape in (3, (3,), [3], np.int64(3), mx.array(3), range(3, 4)):
        assert mx.zeros(shape).shape == (3,)
    assert mx.sum(a, axis=None, keepdims=True).shape == (1, 1)
    assert mx.sum(a, keepdims=np.bool_(True)).shape == (1, 1)
    assert mx.zeros(3, None).dtype == mx.float32
    assert mx.sum(np.ones(3)).item() == 3 and mx.sum(2.0).item() == 2
    assert mx.isclose(a, 1, 1e-5, np.float32(1e-8)).shape == (2, 3)
    assert mx.add(a=1, b=2.0).item() == 3
    assert [x.shape for x in mx.broadcast_arrays(a, mx.array(1))] == [(2, 3), (2, 3)]
    assert mx.broadcast_shapes((1, 2), (3, 1)) == (3, 2)


def test_numbers_meet_arrays_in_functions_as_in_operators():
    f16, i8 = mx.array([1.0], mx.float16), mx.array([1], mx.int8)
    assert mx.add(f16, 1.5).dtype == mx.float16 and mx.maximum(1.5, i8).dtype == mx.float32
    assert mx.where(True, f16, 0.5).dtype == mx.float16 and mx.where(f16 > 0, 1, 2.0).dtype == mx.float32
    assert mx.clip(f16, 0, 0.5).dtype == mx.float16 and mx.clip(i8, None, 2).dtype == mx.int8
    assert mx.add(1, 2).dtype == mx.int32 and mx.add(1, 2.0).dtype == mx.float32
    with pytest.raises(ValueError):
        mx.clip(i8, 0, 200)
    with pytest.raises(ValueError):
        mx.maximum(i8, 300)


def test_methods_do_what_functions_do():
    a = mx.array([[1.0, 4.0], [9.0, 16.0]])
    for name in [
        "abs",
        "square",
        "sqrt",
        "rsqrt",
        "reciprocal",
        "exp",
        "log",
        "log2",
        "log10",
        "sin",
        "cos",
        "log1p",
        "sum",
        "prod",
        "min",
        "max",
        "mean",
        "std",
        "var",
    ]:
        assert getattr(a, name)().tolist() == getattr(mx, name)(a).tolist()
    assert a.sum(axis=0, keepdims=True).shape == (1, 2) and a.all(1).tolist() == [True, True]
    assert a.flatten().shape == (4,) and a.astype(mx.int32).tolist() == [[1, 4], [9, 16]]
    assert a.squeeze().shape == (2, 2) and a.swapaxes(0, 1).tolist() == a.T.tolist()
    assert a.view(mx.int32).dtype == mx.int32 and a.round(decimals=1).tolist() == a.tolist()


# ---- beside mlx ----


def peer_parameters(signature: str):
    """(name, kind, default) of each parameter of a signature that mlx writes."""
    inside = signature[signature.index("(") + 1 : signature.rindex(")")]
    parts, depth, current = [], 0, ""
    for c in inside:
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += c
    parts = [p for p in [*parts, current.strip()] if p]
    kind = "positional"
    out = []
    for part in parts:
        if part == "/":
            out = [(n, "only", d) for n, _, d in out]
        elif part == "*":
            kind = "keyword"
        elif part.startswith("*"):
            out.append((part.lstrip("*").split(":")[0], "variadic", None))
            kind = "keyword"
        else:
            name, _, default = part.partition("=")
            out.append((name.split(":")[0].strip(), kind, default.strip() or None))
    return out


def mistakes(name, ours, theirs, defaults):
    """What a call in mlx's way would meet here."""
    parameters = list(ours.parameters.values())
    by_name = {p.name: p for p in parameters}
    variadic = any(p.kind == p.VAR_POSITIONAL for p in parameters)
    for i, (parameter, kind, default) in enumerate(theirs):
        if kind == "variadic":
            if not variadic:
                yield f"{name}: takes any number of {parameter}"
        elif kind == "only":
            if i >= len(parameters) or parameters[i].kind not in (0, 1):
                yield f"{name}: {parameter} is not positional"
        elif parameter not in by_name:
            yield f"{name}: no parameter {parameter}"
        else:
            own = by_name[parameter]
            if (
                kind == "positional"
                and (own.kind not in (0, 1) or parameters.index(own) != i)
                and not variadic
            ):
                yield f"{name}: {parameter} is not positional number {i}"
            if default is not None:
                if default.startswith("\\"):
                    default = repr(defaults[int(default[1:])])
                given = own.default
                if default.startswith("["):  # a list of mlx is a tuple here
                    default = repr(tuple(ast.literal_eval(default)))
                if given is own.empty:
                    yield f"{name}: {parameter} has no default {default}"
                elif default in ("float32", "int32", "bfloat16") and given is None:
                    continue
                elif default not in (repr(given), repr(given).replace("'", '"')) and float_of(
                    default
                ) != float_of(given):
                    yield f"{name}: {parameter} is {given!r}, not {default}"


def float_of(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


@pytest.mark.skipif(peer is None, reason="mlx is not installed")
def test_calls_written_for_mlx_fit():
    found = []
    for m, name in functions(peer):
        theirs, own_module = getattr(module(peer, m), name), module(mx, m)
        signatures = getattr(theirs, "__nb_signature__", None)
        if type(theirs).__name__ != "nb_func" or own_module is None or name in IRREGULAR:
            continue
        ours = getattr(own_module, name, None)
        if not inspect.isbuiltin(ours):
            continue
        try:
            signature = inspect.signature(ours)
        except ValueError:
            continue  # overloads
        attempts = [list(mistakes(f"{m}.{name}", signature, peer_parameters(s[0]), s[2])) for s in signatures]
        found += min(attempts, key=len)
    assert not found, "\n".join(found)


@pytest.mark.skipif(peer is None, reason="mlx is not installed")
def test_has_mlx_s_methods():
    # A method that is a function too comes with it.
    missing = [n for n in dir(peer.array) if not hasattr(mx.array, n)]
    assert [n for n in missing if hasattr(mx, n) or not hasattr(peer, n)] == []


def test_stubs_are_complete_and_right(tmp_path):
    pytest.importorskip("mypy")
    package = pathlib.Path(mx.__file__).parent
    use = tmp_path / "use.py"
    use.write_text(
        "import melix.core as mx\n"
        "a: mx.array = mx.sum(mx.array([1.0]) + 1, axis=(0,), keepdims=True, stream=mx.cpu).sum(0)\n"
        "b: list[mx.array] = mx.split(a, 2)\n"
        "c: mx.array = mx.random.normal((2, 3), mx.float16)\n"
        "d: tuple[int, ...] = a.shape\n"
    )
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        f"--cache-dir={tmp_path}",
        "--config-file=",
    ]
    files = ["--config-file=", str(package / "core"), str(use)]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False, cwd=tmp_path,
                          env={**os.environ, "MYPYPATH": str(package.parent)})  # fmt: skip
    assert done.returncode == 0, done.stdout
    text = (package / "core" / "__init__.pyi").read_text()
    names = {n for n in dir(mx) if not n.startswith("_")} - {"TransformedFunction"}
    missing = [
        n for n in sorted(names) if not re.search(rf"\b(def|class|import) {n}\b|^{n}\b|as {n}$", text, re.M)
    ]
    assert missing == []


def test_import_is_light():
    """melix.core brings neither NumPy nor anything slow along, and leaves nothing behind when the process ends."""
    code = (
        "import sys, melix.core as mx; heavy = {'numpy', 'typing', 'inspect', 're', 'dataclasses'} & set(sys.modules);"
        "a = mx.array([1.0]) + 1.0; mx.eval(a); import numpy as np; b = np.asarray(a); c = mx.from_dlpack(b); "
        "mx.grad(lambda x: (x * x).sum())(a); print('numpy' in heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "False\n" and done.stderr == ""
