"""The two ways out of the tree: `cmake --install` with find_package(melix), and `pip install`."""

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import melix.core as mx

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("MELIX_BUILD_DIR", ROOT / "build/release"))
VERSION = re.search(r'MELIX_VERSION "(.*)"', (ROOT / "melix/core/version.h").read_text()).group(1)


def run(*command, **options) -> str:
    done = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("example", ["cpp", "c", "custom_op"])
def test_a_program_outside_the_tree_uses_the_installed_library(tmp_path, example):
    prefix, build = tmp_path / "prefix", tmp_path / "build"
    run("cmake", "--install", BUILD, "--prefix", prefix)
    run(
        "cmake",
        "-G",
        "Ninja",
        "-S",
        ROOT / "examples" / example,
        "-B",
        build,
        f"-DCMAKE_PREFIX_PATH={prefix}",
    )
    run("cmake", "--build", build)
    programs = [f for f in build.iterdir() if f.is_file() and os.access(f, os.X_OK) and f.suffix != ".so"]
    assert programs
    for program in programs:
        assert run(program, cwd=tmp_path).strip()
    if example == "cpp":  # a function exported here runs there, without Python
        assert run(build / "run_exported", export(tmp_path / "function.mxfn")) == (
            "6 numbers, their sum is 18.000000\n1 numbers, their sum is 55.000000\nwritten by Python\n"
        )

    if example == "custom_op":  # what it exported runs in Python, which has loaded its library
        library = build / "libmoving_average.so"
        assert run(sys.executable, "-c", CUSTOM, library, tmp_path / "moving_average.mxfn") == "True\n"


CUSTOM = """
import ctypes, sys, melix.core as mx
try:
    mx.import_function(sys.argv[2])
except ValueError as error:
    assert "moving_average" in str(error)
else:
    raise AssertionError("the operation is not there yet")
ctypes.CDLL(sys.argv[1]).register_moving_average()
x = mx.random.normal((4, 1000))
y, = mx.import_function(sys.argv[2])(x)
print(mx.allclose(y[:, 9], mx.mean(x[:, 7:10], axis=1), 1e-5, 1e-6).item())
"""


def export(path: Path) -> Path:
    """Writes a file from Python: a gradient, a compiled function, captured arrays."""
    half = mx.array([0.5])

    @mx.compile
    def loss(x):
        return (mx.square(x) * half).sum()

    def function(x):
        return [mx.grad(loss)(x) + half, mx.square(x).sum()]

    mx.export_function(path, function, mx.arange(6, dtype=mx.float32), metadata="written by Python")
    return path


def test_every_public_header_compiles_alone_from_the_prefix(tmp_path):
    run("cmake", "--install", BUILD, "--prefix", tmp_path)
    public = [tmp_path / "include/melix/melix.h", *sorted((tmp_path / "include/melix/core").glob("*.h"))]
    for header in filter(Path.exists, public):
        run("g++", "-std=c++20", "-fsyntax-only", "-Wall", "-I", tmp_path / "include", "-x", "c++", header)


def test_pip_installs_a_package_that_needs_no_build_tree(tmp_path):
    target = tmp_path / "site"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    with open(ROOT / "build/.wheel.lock", "w") as lock:  # every run uses the one folder build/wheel
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(*pip, "install", "--no-build-isolation", "--no-deps", "--target", target, ROOT)
    assert (target / "melix/lib/libmelix.so").is_file()
    environment = {**os.environ, "PYTHONPATH": str(target), "PYTHONSAFEPATH": "1"}
    code = (
        "import melix, melix.core, sys; print(melix.core.__version__, melix.__file__, 'numpy' in sys.modules)"
    )
    version, where, numpy_came_too = run(sys.executable, "-c", code, cwd=tmp_path, env=environment).split()
    assert version == VERSION
    assert Path(where).is_relative_to(target)
    assert numpy_came_too == "False"
