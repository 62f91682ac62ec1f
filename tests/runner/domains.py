"""Where random values come from: a domain draws the values of one array.

A domain is a function (rng, shape) -> doubles; the caller rounds them to the element type. Records state domains for
floating types only: integers and booleans have their own below.
"""

from collections.abc import Callable

import numpy as np

from tests.runner.dtypes import INFO

Domain = Callable[[np.random.Generator, tuple], np.ndarray]


def uniform(low: float, high: float) -> Domain:
    """Evenly between two numbers."""
    return lambda rng, shape: rng.uniform(low, high, shape)


def magnitudes(low: float, high: float, signed: bool = True) -> Domain:
    """Of every magnitude between two: the logarithm is uniform. With either sign, unless told otherwise."""

    def draw(rng, shape):
        values = np.exp2(rng.uniform(np.log2(low), np.log2(high), shape))
        return values * rng.choice([-1.0, 1.0], shape) if signed else values

    return draw


def positive(low: float, high: float) -> Domain:
    """Of every magnitude between two, all positive."""
    return magnitudes(low, high, signed=False)


def mixed(*domains: Domain) -> Domain:
    """Each element from one of the domains."""

    def draw(rng, shape):
        which = rng.integers(len(domains), size=shape)
        return np.choose(which, [domain(rng, shape) for domain in domains])

    return draw


def away_from(values, gap: float, domain: Domain) -> Domain:
    """The domain without the neighbourhoods of some values, where a function has a kink or a pole."""

    def draw(rng, shape):
        drawn = domain(rng, shape)
        for value in np.atleast_1d(values):
            near = np.abs(drawn - value) < gap
            drawn = np.where(near, value + np.where(drawn < value, -gap, gap), drawn)
        return drawn

    return draw


def grid(step: float, offset: float = 0.0, jitter: float = 0.0, span: float = 4.0) -> Domain:
    """Near the points offset + k * step: two grids keep two arguments apart, or one from where a function jumps."""

    def draw(rng, shape):
        count = int(span / step)
        return (
            offset
            + step * rng.integers(-count, count, shape, endpoint=True)
            + rng.uniform(-jitter, jitter, shape)
        )

    return draw


def distinct(low: float, high: float) -> Domain:
    """Evenly spaced numbers in random order: no two are near each other."""

    def draw(rng, shape):
        n = int(np.prod(shape))
        return rng.permutation(np.linspace(low, high, n)).reshape(shape)

    return draw


# What an operation takes that takes every number: small ones, whole ones, and the rest of the scale.
REAL = mixed(uniform(-4, 4), magnitudes(1e-3, 1e3), lambda rng, shape: np.round(rng.uniform(-8, 8, shape)))
# Values around 1: for sums, products and everything that multiplies errors.
UNIT = uniform(-2, 2)


def integers(rng, shape, dtype: str, low=None, high=None) -> np.ndarray:
    """Integers of the type in [low, high]: half of them small, without bounds the rest of any size."""
    limits = np.iinfo(INFO[dtype].carrier)
    bounded = low is not None or high is not None
    low = limits.min if low is None else max(low, limits.min)
    high = limits.max if high is None else min(high, limits.max)
    values = rng.integers(low, high, shape, dtype=INFO[dtype].carrier, endpoint=True)
    if bounded:
        return values
    small = rng.integers(max(low, -4), 8, shape).astype(INFO[dtype].carrier)
    return np.where(rng.random(shape) < 0.5, small, values).astype(INFO[dtype].carrier)


# What is sprinkled into the arguments of sums and products: the largest numbers overflow on the way in float32, and not
# in a reference in double.
INFINITE = (np.nan, np.inf, -np.inf, 0.0, -0.0)


def sprinkle(rng, values: np.ndarray, dtype: str, special: tuple | None = None) -> np.ndarray:
    """Some elements replaced by `special`: NaN, infinities, zeros of both signs, subnormal and the largest numbers."""
    if special is None:
        largest, tiny = INFO[dtype].largest, np.ldexp(1.0, INFO[dtype].tiny_exponent - 2)
        special = (*INFINITE, largest, -largest, tiny, -tiny)
    replaced = np.where(rng.random(values.shape) < 0.3, rng.choice(special, values.shape), values)
    return replaced.astype(values.dtype)
