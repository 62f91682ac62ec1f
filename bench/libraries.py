"""The libraries that are compared: how each is found, makes arrays, waits for results, and gives them back."""

import importlib
import importlib.util
import os
from typing import Any

import numpy as np

from bench.case import NAMES, Typed

MODULES = {"melix": "melix.core", "numpy": "numpy", "torch": "torch", "mlx": "mlx.core"}


def installed(name: str) -> bool:
    return importlib.util.find_spec(MODULES[name].split(".")[0]) is not None


class Library:
    """NumPy: its arrays are the operands themselves."""

    def __init__(self, name: str):
        self.name = name
        self.xp: Any = importlib.import_module(MODULES[name])
        self.version = getattr(self.xp, "__version__", "")

    def array(self, values: np.ndarray, dtype: str | None):
        if dtype:
            raise NotImplementedError(f"no {dtype}")
        return values

    def wait(self, result) -> None:
        pass

    def numpy(self, result) -> np.ndarray:
        """In float64."""
        return np.asarray(result).astype(np.float64)

    def moved(self) -> int | None:
        """Bytes that kernels read and wrote so far, where the library counts them."""
        return None

    def operands(self, arrays: dict) -> dict:
        """Arrays of the library, of what a case calls its arrays."""
        made = {}
        for name, value in arrays.items():
            if name.startswith("_"):
                continue
            if isinstance(value, Typed):
                value = self.array(value.values, value.dtype)
            elif isinstance(value, np.ndarray):
                value = self.array(value, None)
            made[name] = value
        self.wait(list(made.values()))
        return made


class Torch(Library):
    def __init__(self, name: str):
        super().__init__(name)
        self.xp.set_num_threads(len(os.sched_getaffinity(0)))

    def array(self, values, dtype):
        made = self.xp.from_numpy(values)
        return made.to(getattr(self.xp, dtype)) if dtype else made

    def numpy(self, result):
        return result.detach().to(self.xp.float64).numpy()


class Lazy(Library):
    """melix and MLX."""

    def __init__(self, name: str):
        super().__init__(name)
        self.xp.set_default_device(self.xp.cpu)

    def array(self, values, dtype):
        made = self.xp.array(values)
        return made.astype(getattr(self.xp, dtype)) if dtype else made

    def wait(self, result):
        self.xp.eval(result)

    def numpy(self, result):
        if result.dtype == self.xp.bfloat16:
            result = result.astype(self.xp.float32)
        return np.asarray(result).astype(np.float64)

    def moved(self):
        if self.name != "melix":
            return None
        traffic = self.xp.debug.traffic()
        return traffic["read"] + traffic["written"]


def load(name: str) -> Library:
    assert name in NAMES
    return {"numpy": Library, "torch": Torch}.get(name, Lazy)(name)
