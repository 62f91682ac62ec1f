"""Module: the base of all layers and models. A tree of parameters (arrays) and modules, found by their names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import melix.core as mx
from melix.utils import tree_flatten, tree_unflatten

__all__ = ["Module"]


class Module(dict):
    """A layer or a model.

    Attributes that are arrays are its parameters; modules, and lists and dicts of modules, are its parts (a tuple is
    not). They are items of the module, which is a dict. All else is an ordinary attribute. A name that begins with an
    underscore is no parameter.

        class MLP(nn.Module):
            def __init__(self, sizes):
                super().__init__()
                self.layers = [nn.Linear(m, n) for m, n in zip(sizes, sizes[1:])]

            def __call__(self, x):
                for layer in self.layers[:-1]:
                    x = nn.relu(layer(x))
                return self.layers[-1](x)

    Nothing is computed before it is asked for: `mx.eval(model.parameters())` makes the first weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self._no_grad: set[str] = set()
        self._training = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__call__" in cls.__dict__:
            cls.__call__ = _naming_its_path(cls.__dict__["__call__"])  # type: ignore[method-assign]

    @property
    def training(self) -> bool:
        """Whether the module behaves as in training (dropout drops)."""
        return self._training

    @property
    def state(self) -> Module:
        """The module as a tree of everything that calls may change: what `compile` takes as inputs and outputs."""
        return self

    # ---- attributes ----

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (mx.array, dict, list, tuple)):
            if isinstance(getattr(type(self), name, None), property) or hasattr(dict, name):
                raise AttributeError(
                    f"{name!r} is an attribute of every {type(self).__name__}: no parameter can have that name"
                )
            self.__dict__.pop(name, None)
            self[name] = value
        else:
            super().__setattr__(name, value)
            self.pop(name, None)

    def __delattr__(self, name: str) -> None:
        if name in self:
            del self[name]
        else:
            super().__delattr__(name)

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    # ---- weights ----

    def load_weights(self, file_or_weights: Any, strict: bool = True) -> Module:
        """Sets parameters from a file (safetensors, npz) or a list of (path, array).

        With `strict`, the names must be those of the parameters, all and no more. Shapes must always fit.
        """
        weights = file_or_weights
        if not isinstance(weights, list):
            weights = list(mx.load(weights).items())
        weights = [(name, mx.asarray(value)) for name, value in weights]
        own = dict(tree_flatten(self.parameters()))
        given = dict(weights)
        problems = [
            f"{name} has shape {given[name].shape}, the parameter {own[name].shape}"
            for name in given
            if name in own and given[name].shape != own[name].shape
        ]
        if strict:
            problems += [f"{name} is missing" for name in sorted(own.keys() - given.keys())]
            problems += [
                f"{name} is not a parameter of the model" for name in sorted(given.keys() - own.keys())
            ]
        if problems:
            shown = problems[:20] + ([f"and {len(problems) - 20} more"] if len(problems) > 20 else [])
            raise ValueError(
                f"[load_weights] {len(problems)} parameters do not fit:\n  " + "\n  ".join(shown)
            )
        if weights:
            self.update(tree_unflatten(weights), strict=strict)
        return self

    def save_weights(self, file: Any) -> None:
        """Writes the parameters to a file: .safetensors or .npz."""
        weights = dict(tree_flatten(self.parameters()))
        name = str(file)
        if name.endswith(".npz"):
            mx.savez(file, **weights)
        elif name.endswith(".safetensors"):
            mx.save_safetensors(file, weights)
        else:
            raise ValueError(f"[save_weights] {name!r} ends with neither .safetensors nor .npz")

    # ---- the tree ----

    @staticmethod
    def is_module(value: Any) -> bool:
        return isinstance(value, Module)

    @staticmethod
    def valid_child_filter(module: Module, key: str, value: Any) -> bool:
        return isinstance(value, (dict, list))

    @staticmethod
    def valid_parameter_filter(module: Module, key: str, value: Any) -> bool:
        return isinstance(value, (dict, list, mx.array)) and not key.startswith("_")

    @staticmethod
    def trainable_parameter_filter(module: Module, key: str, value: Any) -> bool:
        return Module.valid_parameter_filter(module, key, value) and key not in module._no_grad

    def filter_and_map(
        self,
        filter_fn: Callable[[Module, str, Any], bool],
        map_fn: Callable[[Any], Any] | None = None,
        is_leaf_fn: Callable[[Module, str, Any], bool] | None = None,
    ) -> dict[str, Any]:
        """The tree of the items that the filter (module, key, value) lets through, its leaves mapped. Leaves are
        what is neither a module nor a list, tuple or dict, and what `is_leaf_fn` (module, key, value) says."""
        map_fn = map_fn or (lambda value: value)

        def walk(module: Module, key: str, value: Any) -> Any:
            if is_leaf_fn is not None and is_leaf_fn(module, key, value):
                return map_fn(value)
            if isinstance(value, Module):
                return {k: walk(value, k, v) for k, v in value.items() if filter_fn(value, k, v)}
            if isinstance(value, dict):
                parts = {k: (f"{key}.{k}", v) for k, v in value.items()}
                return {
                    k: walk(module, path, v) for k, (path, v) in parts.items() if filter_fn(module, path, v)
                }
            if isinstance(value, (list, tuple)):
                parts = [(f"{key}.{i}", v) for i, v in enumerate(value)]
                # What the filter refuses leaves its place behind, so that numbers stay those of the list.
                return [walk(module, path, v) if filter_fn(module, path, v) else {} for path, v in parts]
            return map_fn(value)

        return {key: walk(self, key, value) for key, value in self.items() if filter_fn(self, key, value)}

    def parameters(self) -> dict[str, Any]:
        """The tree of all parameters."""
        return self.filter_and_map(self.valid_parameter_filter)

    def trainable_parameters(self) -> dict[str, Any]:
        """The tree of the parameters that are not frozen."""
        return self.filter_and_map(self.trainable_parameter_filter)

    def children(self) -> dict[str, Any]:
        """The tree of the modules right below this one."""
        return self.filter_and_map(
            self.valid_child_filter, is_leaf_fn=lambda module, key, value: isinstance(value, Module)
        )

    def leaf_modules(self) -> dict[str, Any]:
        """The tree of the modules that have no modules below them."""

        def is_leaf(module: Module, key: str, value: Any) -> bool:
            return isinstance(value, Module) and not tree_flatten(value.children(), is_leaf=self.is_module)

        return self.filter_and_map(self.valid_child_filter, is_leaf_fn=is_leaf)

    def named_modules(self) -> list[tuple[str, Module]]:
        """This module (its path is empty) and all below it, with their paths."""
        return list(self._walk(""))

    def modules(self) -> list[Module]:
        """This module and all below it."""
        return [module for _, module in self.named_modules()]

    def _walk(self, path: str) -> Iterator[tuple[str, Module]]:
        yield path, self
        for below, module in tree_flatten(self.children(), is_leaf=self.is_module):
            if isinstance(module, Module):
                yield from module._walk(f"{path}.{below}" if path else below)

    # ---- changes ----

    def update(self, parameters: Any, strict: bool = True) -> Module:  # type: ignore[override]
        """Replaces parameters by those of a tree, which may be a part of the whole. With `strict`, a name that is no
        parameter of the module is an error."""

        def put(to: Any, tree: Any, path: str) -> None:
            for key, value in _items(tree):
                name = f"{path}.{key}" if path else f"{key}"
                if not _has(to, key):
                    if strict and tree_flatten(value):
                        raise ValueError(f"[update] {type(self).__name__} has no parameter {name!r}")
                    continue
                current = to[key]
                if isinstance(current, (dict, list, tuple)) and isinstance(value, (dict, list, tuple)):
                    put(current, value, name)
                elif isinstance(current, mx.array) and isinstance(value, mx.array):
                    _put(to, key, value, name)
                elif strict and tree_flatten(value):
                    raise ValueError(
                        f"[update] {name!r} of {type(self).__name__} is a {_kind(current)}, given a {_kind(value)}"
                    )

        put(self, parameters, "")
        return self

    def update_modules(self, modules: Any, strict: bool = True) -> Module:
        """Replaces modules by those of a tree of modules (as `children` gives it, or a part)."""

        def put(to: Any, tree: Any, path: str) -> None:
            for key, value in _items(tree):
                name = f"{path}.{key}" if path else f"{key}"
                if not _has(to, key):
                    if strict and tree_flatten(value, is_leaf=self.is_module):
                        raise ValueError(f"[update_modules] {type(self).__name__} has no module {name!r}")
                    continue
                current = to[key]
                if isinstance(value, Module) and isinstance(current, Module):
                    _put(to, key, value, name)
                elif isinstance(value, (dict, list, tuple)) and isinstance(current, (dict, list, tuple)):
                    put(current, value, name)
                elif strict and tree_flatten(value, is_leaf=self.is_module):
                    raise ValueError(
                        f"[update_modules] {name!r} of {type(self).__name__} is a {_kind(current)}, "
                        f"given a {_kind(value)}"
                    )

        put(self, modules, "")
        return self

    def apply(
        self,
        map_fn: Callable[[mx.array], mx.array],
        filter_fn: Callable[[Module, str, Any], bool] | None = None,
    ) -> Module:
        """Replaces every parameter that the filter lets through by map_fn(parameter)."""
        self.update(self.filter_and_map(filter_fn or self.valid_parameter_filter, map_fn))
        return self

    def apply_to_modules(self, apply_fn: Callable[[str, Module], Any]) -> Module:
        """Calls the function with path and module, for all modules."""
        for path, module in self.named_modules():
            apply_fn(path, module)
        return self

    def set_dtype(
        self,
        dtype: mx.Dtype,
        predicate: Callable[[mx.Dtype], bool] | None = lambda d: mx.issubdtype(d, mx.floating),
    ) -> Module:
        """Converts the parameters whose dtype the predicate accepts (all, if it is None)."""
        return self.apply(lambda p: p.astype(dtype) if predicate is None or predicate(p.dtype) else p)

    def train(self, mode: bool = True) -> Module:
        """Sets whether the modules behave as in training."""
        for module in self.modules():
            module._training = mode
        return self

    def eval(self) -> Module:
        """The opposite of train."""
        return self.train(False)

    def freeze(self, *, recurse: bool = True, keys: Any = None, strict: bool = False) -> Module:
        """Takes parameters out of trainable_parameters: all, or those with the given names in their own module. With
        `strict`, every module must have a parameter of each name."""
        for module in self.modules() if recurse else [self]:
            module._no_grad.update(module._own_parameters(keys, strict))
        return self

    def unfreeze(self, *, recurse: bool = True, keys: Any = None, strict: bool = False) -> Module:
        """Undoes freeze."""
        for module in self.modules() if recurse else [self]:
            module._no_grad.difference_update(
                module._no_grad.copy() if keys is None else module._own_parameters(keys, strict)
            )
        return self

    def _own_parameters(self, keys: Any, strict: bool) -> list[str]:
        """Names of parameters of this very module: those given, or all."""
        if keys is None:
            return [
                key
                for key, value in self.items()
                if self.valid_parameter_filter(self, key, value)
                and all(isinstance(leaf, mx.array) for _, leaf in tree_flatten(value, is_leaf=self.is_module))
            ]
        keys = [keys] if isinstance(keys, str) else list(keys)
        if strict and (missing := [key for key in keys if key not in self]):
            raise KeyError(f"{type(self).__name__} has no parameter {missing[0]!r}")
        return keys

    # ---- text ----

    def _extra_repr(self) -> str:
        """What the module says of itself between the brackets."""
        return ""

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}({self._extra_repr()})"]
        for path, child in tree_flatten(self.children(), is_leaf=self.is_module):
            if isinstance(child, Module):
                first, *rest = repr(child).split("\n")
                lines += [f"  ({path}): {first}", *(f"  {line}" for line in rest if line != ")")]
        if len(lines) > 1:
            lines[0] = lines[0][:-1]
            lines.append(")")
        return "\n".join(lines)

    def summary(self) -> str:
        """A table of the parameters: path, shape, dtype, number and bytes, and their sums."""
        rows = [("parameter", "shape", "dtype", "numbers", "bytes")]
        counts = [0, 0, 0]
        trainable = {name for name, _ in tree_flatten(self.trainable_parameters())}
        for name, value in tree_flatten(self.parameters()):
            dtype = str(value.dtype).rsplit(".", 1)[-1]
            frozen = "" if name in trainable else " (frozen)"
            rows.append((name + frozen, str(value.shape), dtype, f"{value.size:,}", f"{value.nbytes:,}"))
            counts = [counts[0] + value.size, counts[1] + value.nbytes, counts[2] + value.size * (not frozen)]
        rows.append((f"total ({counts[2]:,} trainable)", "", "", f"{counts[0]:,}", f"{counts[1]:,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths))
            ).rstrip()
            for row in rows
        )


def _items(tree: Any) -> Any:
    return tree.items() if isinstance(tree, dict) else enumerate(tree)


def _has(node: Any, key: Any) -> bool:
    return key in node if isinstance(node, dict) else isinstance(key, int) and key < len(node)


def _put(node: Any, key: Any, value: Any, name: str) -> None:
    if isinstance(node, tuple):
        raise ValueError(f"[update] {name!r} is in a tuple, whose items cannot be replaced: use a list")
    node[key] = value


def _kind(value: Any) -> str:
    return (
        "tree"
        if isinstance(value, (dict, list, tuple)) and not isinstance(value, Module)
        else type(value).__name__
    )


def _naming_its_path(call: Callable[..., Any]) -> Callable[..., Any]:
    """The __call__ of a module, which adds to the text of an error where in the model it happened."""

    @functools.wraps(call)
    def called(self: Module, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(self, *args, **kwargs)
        except (ValueError, TypeError, IndexError) as error:
            _add_place(error, self)
            raise

    return called


def _add_place(error: Exception, module: Module) -> None:
    """Appends "in layers.0 of MLP: Linear(...)", as seen from the outermost module so far."""
    place = getattr(error, "_melix_place", None)
    if place is None:
        if not error.args or not isinstance(error.args[0], str):
            return
        place = error._melix_place = (error.args[0], module)  # type: ignore[attr-defined]
    text, inner = place
    path = next((path for path, found in module._walk("") if found is inner), "")
    where = f"{path} of {type(module).__name__}: " if path else ""
    error.args = (f"{text} (in {where}{type(inner).__name__}({inner._extra_repr()}))", *error.args[1:])
