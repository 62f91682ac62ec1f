"""The one place that knows which module is tested: melix.core, or another one of the same interface.

MELIX_RUNNER_MODULE=mlx.core tests that package instead: a way to try the runner itself, and to ask what it does.
"""

import importlib
import os

NAME = os.environ.get("MELIX_RUNNER_MODULE", "melix.core")
IS_MELIX = NAME == "melix.core"
mx = importlib.import_module(NAME)
if not hasattr(mx, "array"):  # the folder melix/core of the C++ sources, taken for a package
    raise ImportError(
        f"{NAME} is not built, or not on the path: `./dev build`, and `./dev python` or `./dev test`"
    )


def find(path: str):
    """The function of that dotted name in the module ("softmax", "linalg.norm"), or None."""
    found = mx
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def missing(*paths: str) -> str | None:
    """Why a check that needs these functions cannot run, or None."""
    absent = [path for path in paths if find(path) is None]
    return f"{NAME} has no {' and no '.join(absent)}" if absent else None


def devices() -> list[str]:
    """Names of the devices that can be used here: "cpu", and "gpu" where there is one."""
    is_available = find("is_available")
    usable = [name for name in ("cpu", "gpu") if find(name) is not None]
    if is_available is None:
        return usable[:1]
    return [name for name in usable if name == "cpu" or is_available(find(name))]


def on(device: str):
    """A context in which operations run on the device."""
    return mx.stream(find(device))


def instruction_sets() -> list[str]:
    """The values of MELIX_CPU that this machine can run."""
    needs = {
        "sse4": ("sse4_2", "popcnt"),
        "avx2": ("avx2", "fma", "bmi2"),
        "avx512": ("avx512dq", "avx512vl"),
    }
    try:
        with open("/proc/cpuinfo") as info:
            flags = next((set(line.split()) for line in info if line.startswith("flags")), set())
    except OSError:
        return []
    return [name for name, wanted in needs.items() if flags.issuperset(wanted)]
