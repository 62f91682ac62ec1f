"""melix.compat: programs written for MLX run unchanged, in processes of their own."""

import importlib.util
import subprocess
import sys

import pytest

import melix.core as mx

# A small program as people write them: nothing in it knows of melix.
PROGRAM = '''
"""Fits a line."""
import sys
from functools import partial

import mlx.core as mx
import mlx.core.random as random
from mlx.core import fft

random.seed(0)
x = mx.random.normal((64, 2))
y = x @ mx.array([3.0, -1.0]) + 0.5
params = {"w": mx.zeros(2), "b": mx.array(0.0)}


def loss(params, x, y):
    return mx.mean(mx.square(x @ params["w"] + params["b"] - y))


@partial(mx.compile, inputs=params, outputs=params)
def step(x, y):
    value, grads = mx.value_and_grad(loss)(params, x, y)
    for key in params:
        params[key] = params[key] - 0.1 * grads[key]
    return value


for _ in range(300):
    mx.eval(step(x, y), params)
if __name__ == "__main__":
    print([round(v, 3) for v in params["w"].tolist()], round(params["b"].item(), 3), sys.argv[1:], mx.__name__)
'''
PRINTED = "[3.0, -1.0] 0.5 ['--a', '1'] melix.core\n"
INSTALLED = importlib.util.find_spec("mlx") is not None


def python(*arguments, code: int = 0, cwd=None) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "line.py"
    path.write_text(PROGRAM)
    return path


def test_a_program_runs_unchanged(program):
    assert python("-m", "melix.compat", program, "--a", 1) == PRINTED


def test_a_module_runs_unchanged(program):
    assert python("-m", "melix.compat", "-m", "line", "--a", 1, cwd=program.parent) == PRINTED


def test_a_folder_with_a_main_and_files_of_its_own_runs(tmp_path):
    (tmp_path / "helper.py").write_text("import mlx.core as mx\none = mx.array(1)\n")
    (tmp_path / "__main__.py").write_text("import sys, helper\nprint(helper.one.item(), sys.argv[1:])\n")
    assert python("-m", "melix.compat", tmp_path, "x") == "1 ['x']\n"


def test_an_import_is_enough(program):
    assert python("-c", f"import melix.compat\n{PROGRAM}", "--a", 1) == PRINTED
    assert python("-m", "melix.compat", "-c", PROGRAM, "--a", 1) == PRINTED


def test_the_names_are_the_same_modules():
    code = """
import melix.compat, melix, melix.core, sys
import mlx, mlx.core, mlx.core.random
from mlx import core
assert mlx is melix and mlx.core is core is melix.core and mlx.core.random is melix.core.random
assert melix.core.__spec__.name == "melix.core" and melix.__spec__.name == "melix"
assert not hasattr(melix.core, "__path__")
import mlx.compat
assert mlx.compat is melix.compat
print(sorted(name for name in sys.modules if name.startswith("mlx") and "compat" not in name)[:2])
"""
    assert python("-c", code) == "['mlx', 'mlx.core']\n"


@pytest.mark.parametrize("name", ["mlx.no_such", "mlx.no_such.part", "mlx_lm.no_such"])
def test_what_melix_lacks_is_a_clear_error(name):
    code = (
        f"import melix.compat\ntry:\n    import {name}\n"
        "except ModuleNotFoundError as error:\n    print(error.name, error)"
    )
    missing, text = python("-c", code).split(" ", 1)
    assert name.startswith(missing) and missing.startswith("mlx")
    assert "melix has no module melix." in text and "yet" in text


def test_an_error_inside_of_a_module_is_not_taken_for_a_missing_one(tmp_path):
    (tmp_path / "broken.py").write_text("import nowhere_to_be_found\n")
    code = (
        "import melix, melix.compat\n"
        f"melix.__path__.append({str(tmp_path)!r})\n"
        "try:\n    import mlx.broken\nexcept ModuleNotFoundError as error:\n    print(error.name)"
    )
    assert python("-c", code) == "nowhere_to_be_found\n"


def test_wrong_calls_say_how():
    assert "usage:" in python("-m", "melix.compat", code=2)
    assert "usage:" in python("-m", "melix.compat", "--help")
    assert "there is no file nowhere.py" in python("-m", "melix.compat", "nowhere.py", code=1)
    assert "usage:" in python("-m", "melix.compat", "-m", code=1)


def test_other_modules_are_left_alone():
    code = "import melix.compat, mlxtras"
    assert "No module named 'mlxtras'" in python("-c", code, code=1)
    assert all(sys.modules.get(name) is not mx for name in ("mlx", "mlx.core"))  # nobody asked for it here


@pytest.mark.skipif(not INSTALLED, reason="the package mlx is not installed")
def test_an_installed_mlx_wins_unless_melix_is_asked_for():
    assert python("-c", "import melix.core, mlx.core; print(mlx.core.__name__)") == "mlx.core\n"
    assert python("-c", "import melix.compat, mlx.core; print(mlx.core.__name__)") == "melix.core\n"
    given_back = (
        "import melix.compat as c, mlx.core; c.uninstall(); import mlx.core; print(mlx.core.__name__)"
    )
    assert python("-c", given_back) == "mlx.core\n"
    assert "imported already" in python("-c", "import mlx.core, melix.compat", code=1)
