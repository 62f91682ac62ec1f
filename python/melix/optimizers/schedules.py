"""Learning rates as functions of the step: what an optimizer takes in place of a number.

A schedule works on arrays, so that a compiled step goes through it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import melix.core as mx

Schedule = Callable[[mx.array], mx.array]


def exponential_decay(init: float, decay_rate: float) -> Schedule:
    """init * decay_rate^step."""
    return lambda step: init * mx.power(decay_rate, step)


def step_decay(init: float, decay_rate: float, step_size: int) -> Schedule:
    """init, times decay_rate after every `step_size` steps."""
    return lambda step: init * mx.power(decay_rate, step // step_size)


def cosine_decay(init: float, decay_steps: int, end: float = 0.0) -> Schedule:
    """From init to end in `decay_steps` steps, along half a cosine."""

    def schedule(step: mx.array) -> mx.array:
        done = mx.minimum(step, decay_steps) * (math.pi / decay_steps)
        return end + 0.5 * (init - end) * (1.0 + mx.cos(done))

    return schedule


def linear_schedule(init: float, end: float, steps: int) -> Schedule:
    """From init to end in `steps` steps, in a straight line."""
    if steps < 1:
        raise ValueError(f"[linear_schedule] steps is at least 1, not {steps}")
    return lambda step: init + mx.minimum(step, steps) * ((end - init) / steps)


def join_schedules(schedules: list[Schedule], boundaries: list[int]) -> Schedule:
    """One schedule after the other: schedule i + 1 begins, at its step 0, at boundaries[i]."""
    if not schedules:
        raise ValueError("[join_schedules] there must be a schedule")
    if len(boundaries) != len(schedules) - 1:
        raise ValueError(
            f"[join_schedules] {len(schedules)} schedules have {len(schedules) - 1} boundaries, not {len(boundaries)}"
        )

    def joined(step: mx.array) -> mx.array:
        rate = schedules[0](step)
        for boundary, schedule in zip(boundaries, schedules[1:]):
            rate = mx.where(step < boundary, rate, schedule(step - boundary))
        return rate

    return joined
