"""Programs written for MLX, unchanged: from here on the names `mlx` and `mlx_lm` mean melix.

    import melix.compat                              then: import mlx.core as mx, from mlx.utils import tree_map, ...
    python -m melix.compat program.py [arguments]    a program that knows nothing of it
    python -m melix.compat -m module [arguments]

`mlx.X` is the module `melix.X` itself, not a copy: what one program makes of arrays, the other half can use. Nothing
happens unless this module is imported: an installed MLX is otherwise what its names mean.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

NAMES = {"mlx": "melix", "mlx_lm": "melix.lm"}

__all__ = ["NAMES", "install", "translate", "uninstall"]


def translate(name: str) -> str | None:
    """The module of melix that a name of MLX means (whether there is one or not): `mlx.core` is `melix.core`."""
    first, dot, rest = name.partition(".")
    return NAMES[first] + dot + rest if first in NAMES else None


class _Alias(Loader):
    """Gives a module that exists under another name."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        try:
            module = importlib.import_module(self.target)
        except ModuleNotFoundError as error:
            if not (self.target + ".").startswith(f"{error.name}."):
                raise  # something that the module needs
            raise _missing(spec.name, self.target) from None
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import wrote its own over it
        # Modules inside of an extension are there as soon as it is, and are never looked for.
        for name in [name for name in sys.modules if name.startswith(f"{self.target}.")]:
            sys.modules.setdefault(_original(name), sys.modules[name])


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        translated = translate(fullname)
        if translated is None:
            return None
        if translated not in sys.modules and not _exists(translated):
            raise _missing(fullname, translated)
        return ModuleSpec(fullname, _Alias(translated))


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _missing(name: str, target: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(
        f"melix has no module {target} yet, which {name} would be (melix.compat is in force: "
        "mlx and mlx_lm mean melix)",
        name=name,
    )


def _original(name: str) -> str:
    """The name of MLX that a module of melix has: the longest one that fits."""
    for mine, theirs in sorted(NAMES.items(), key=lambda item: -len(item[1])):
        if name == theirs or name.startswith(f"{theirs}."):
            return mine + name[len(theirs) :]
    return name


_finder = _Finder()


def install() -> None:
    """Makes the names mean melix, as importing this module has done. ImportError when MLX is imported already."""
    for name, module in list(sys.modules.items()):
        theirs = translate(name)
        if theirs is not None and module is not sys.modules.get(theirs) and module is not None:
            raise ImportError(
                f"{name} is imported already and is not melix: import melix.compat first, or run the program by "
                "python -m melix.compat"
            )
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Gives the names back: what is imported from here on is MLX, if it is installed."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    for name in [name for name in sys.modules if translate(name) is not None]:
        del sys.modules[name]


install()
