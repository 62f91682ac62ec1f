"""Sizes of layers with windows: a number for all axes, or one for each."""

from __future__ import annotations

from typing import Any


def per_axis(value: Any, axes: int, what: str) -> tuple[int, ...]:
    """`value` as one number for each of so many axes; `what` names it in errors."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    if len(values) != axes:
        raise ValueError(f"[{what}] takes a number or {axes} numbers, not {value!r}")
    return values
