"""Trees: lists, tuples and dicts of arrays (or anything), nested.

A path names a leaf: the keys from the root joined by dots, `layers.0.weight`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = [
    "tree_flatten",
    "tree_map",
    "tree_map_with_path",
    "tree_merge",
    "tree_reduce",
    "tree_unflatten",
]

IsLeaf = Callable[[Any], bool]


def _children(tree: Any, is_leaf: IsLeaf | None) -> Iterable[tuple[Any, Any]] | None:
    """Keys and values of an inner node; None of a leaf."""
    if is_leaf is not None and is_leaf(tree):
        return None
    if isinstance(tree, (list, tuple)):
        return enumerate(tree)
    return tree.items() if isinstance(tree, dict) else None


def _rebuilt(like: list | tuple, values: Iterator[Any]) -> Any:
    """A list or tuple of the kind of `like`; named tuples keep their names."""
    return type(like)(*values) if hasattr(like, "_fields") else type(like)(values)


def tree_map(fn: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf | None = None) -> Any:
    """The tree of fn(leaf, *leaves of the rest); the rest have the structure of the tree, or more below its leaves.

    >>> tree_map(lambda x: 2 * x, {"a": 1, "b": [2, 3]})
    {'a': 2, 'b': [4, 6]}
    """
    return tree_map_with_path(lambda _, *leaves: fn(*leaves), tree, *rest, is_leaf=is_leaf)


def tree_map_with_path(
    fn: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf | None = None, path: Any = None
) -> Any:
    """tree_map with the path of each leaf as first argument of the function."""
    children = _children(tree, is_leaf)
    if children is None:
        return fn(path, *([tree, *rest]))
    prefix = f"{path}." if path else ""
    mapped = {
        key: tree_map_with_path(fn, child, *(r[key] for r in rest), is_leaf=is_leaf, path=f"{prefix}{key}")
        for key, child in children
    }
    return mapped if isinstance(tree, dict) else _rebuilt(tree, iter(mapped.values()))


def _leaves(tree: Any, path: str, is_leaf: IsLeaf | None) -> Iterator[tuple[str, Any]]:
    children = _children(tree, is_leaf)
    if children is None:
        yield path, tree
        return
    for key, child in children:
        yield from _leaves(child, f"{path}.{key}" if path else f"{key}", is_leaf)


def tree_flatten(
    tree: Any,
    prefix: str = "",
    is_leaf: IsLeaf | None = None,
    destination: list[tuple[str, Any]] | dict[str, Any] | None = None,
) -> Any:
    """Paths and leaves, as a list of pairs, or added to the list or dict given as `destination`. The prefix stands in
    front of every path.

    >>> tree_flatten({"a": 1, "b": [2, 3]})
    [('a', 1), ('b.0', 2), ('b.1', 3)]
    """
    # A prefix that ends with a dot, or begins with one, is as good as one without.
    pairs = _leaves(tree, prefix.strip("."), is_leaf)
    if destination is None:
        return list(pairs)
    if isinstance(destination, dict):
        destination.update(pairs)
    else:
        destination.extend(pairs)
    return destination


def tree_unflatten(tree: list[tuple[str, Any]] | dict[str, Any]) -> Any:
    """The tree of paths and leaves: numbers as keys make lists, in which what is missing is an empty dict.

    >>> tree_unflatten([("a.0", 1), ("a.1", 2), ("b", 3)])
    {'a': [1, 2], 'b': 3}
    """
    pairs = list(tree.items() if isinstance(tree, dict) else tree)
    if len(pairs) == 1 and pairs[0][0] == "":
        return pairs[0][1]
    root: dict[str, Any] = {}
    for path, leaf in pairs:
        *parents, last = path.split(".")
        node = root
        for key in parents:
            node = node.setdefault(key, _Inner())
            if not isinstance(node, _Inner):
                raise ValueError(f"[tree_unflatten] {path!r} goes through a leaf")
        node[last] = leaf
    return _with_lists(root)


class _Inner(dict):
    """An inner node while a tree is made; dicts that are leaves are of other types."""


def _with_lists(node: dict[str, Any]) -> Any:
    made = {key: _with_lists(child) if isinstance(child, _Inner) else child for key, child in node.items()}
    if not made or not all(key.isdigit() for key in made):
        return made
    numbered = {int(key): child for key, child in made.items()}
    # A huge number must not ask for a huge list.
    if max(numbered) >= 1000 + 100 * len(numbered):
        return made
    return [numbered.get(i, {}) for i in range(max(numbered) + 1)]


def tree_reduce(
    fn: Callable[[Any, Any], Any], tree: Any, initializer: Any = None, is_leaf: IsLeaf | None = None
) -> Any:
    """fn(fn(initializer, first leaf), second leaf) and so on; without an initializer it begins with the first leaf.

    >>> tree_reduce(lambda total, x: total + x, {"a": 1, "b": [2, 3]})
    6
    """
    total = initializer
    for _, leaf in _leaves(tree, "", is_leaf):
        total = leaf if total is None else fn(total, leaf)
    return total


def tree_merge(tree_a: Any, tree_b: Any, merge_fn: Callable[[Any, Any], Any] | None = None) -> Any:
    """The leaves of both trees in one. Where both have a leaf, merge_fn(a, b) is the result; without one, an error.

    >>> tree_merge({"a": 1}, {"b": 2})
    {'a': 1, 'b': 2}
    """
    if tree_a is None or (isinstance(tree_a, (list, tuple, dict)) and not tree_a):
        return tree_b
    if tree_b is None or (isinstance(tree_b, (list, tuple, dict)) and not tree_b):
        return tree_a
    if isinstance(tree_a, dict) and isinstance(tree_b, dict):
        keys = dict.fromkeys([*tree_a, *tree_b])
        return {key: tree_merge(tree_a.get(key), tree_b.get(key), merge_fn) for key in keys}
    if isinstance(tree_a, (list, tuple)) and isinstance(tree_b, (list, tuple)):
        short, long = sorted((len(tree_a), len(tree_b)))
        merged = [tree_merge(a, b, merge_fn) for a, b in zip(tree_a, tree_b)]
        rest = (tree_a if len(tree_a) == long else tree_b)[short:]
        return _rebuilt(tree_a, iter([*merged, *rest]))
    if merge_fn is None:
        raise ValueError(
            "[tree_merge] both trees have a value in one place, and no merge_fn says which to take"
        )
    return merge_fn(tree_a, tree_b)
