#!/usr/bin/env python3
"""Derives the polynomials of melix/scalar: weighted minimax fits by Remez' exchange, in 60 digits.

    python tools/minimax.py              fits every polynomial and prints coefficients and error
    python tools/minimax.py exp_f32 ...  only the named ones

A fit is a row of FITS: the function, the interval, the degree, the weight (the error that is minimised is
weight * (f - p); a weight of x**3 / sin(x), say, makes it the relative error of the final sine), and the type that
stores the coefficients. Coefficients are rounded one after another, lowest first, and what is left is fitted again,
so that the rounding of one is made good by the others. The printed error is that of the rounded polynomial, evaluated
exactly, in units of log2; evaluation in floating point comes on top and is measured by math_test.cpp.
Needs mpmath (pip install mpmath). Not part of the build: the headers carry the numbers.
"""

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpf

mp.dps = 60
Function = Callable[[Any], Any]


@dataclass
class Fit:
    f: Function
    low: Any
    high: Any
    degree: int
    weight: Function
    kind: str  # "f32" or "f64": the type of the coefficients


def rounded(value: Any, kind: str) -> Any:
    """The nearest float or double, as an exact mpf."""
    if kind == "f64":
        return mpf(float(value))
    # Double rounding through binary64 moves a float coefficient by half a unit at most once in 2**29: harmless here.
    return mpf(struct.unpack("f", struct.pack("f", float(value)))[0])


def evaluate(coefficients: list[Any], x: Any) -> Any:
    total = mpf(0)
    for c in reversed(coefficients):
        total = total * x + c
    return total


def chebyshev_grid(low: Any, high: Any, count: int) -> list[Any]:
    mid, half = (low + high) / 2, (high - low) / 2
    return [mid - half * mp.cos(mp.pi * i / (count - 1)) for i in range(count)]


def remez(grid: list[Any], values: list[Any], weights: list[Any], first: int, degree: int) -> list[Any]:
    """Minimax coefficients of x**first ... x**degree over the grid (dense enough to stand for the interval)."""
    unknowns = degree - first + 1
    points = unknowns + 1
    chosen = [round(i * (len(grid) - 1) / (points - 1)) for i in range(points)]
    # Chebyshev-spaced indices: the grid itself is Chebyshev, so evenly spaced indices are right.
    best: list[Any] = []
    best_worst = mp.inf
    for _ in range(40):
        matrix = mp.matrix(points, points)
        right = mp.matrix(points, 1)
        for row, at in enumerate(chosen):
            x = grid[at]
            for column in range(unknowns):
                matrix[row, column] = weights[at] * x ** (first + column)
            matrix[row, unknowns] = (-1) ** row
            right[row] = weights[at] * values[at]
        solution = mp.lu_solve(matrix, right)
        coefficients = [solution[i] for i in range(unknowns)]
        level = abs(solution[unknowns])
        full = [mpf(0)] * first + coefficients
        errors = [w * (v - evaluate(full, x)) for x, v, w in zip(grid, values, weights)]
        worst = max(abs(e) for e in errors)
        if worst < best_worst:
            best, best_worst = coefficients, worst
        if worst <= level * mpf("1.01"):
            break
        chosen = exchange(errors, points)
        if len(chosen) < points:
            break
    return best


def exchange(errors: list[Any], points: int) -> list[int]:
    """The largest error of each run of one sign, thinned to `points` alternating places."""
    runs: list[int] = []
    for i, error in enumerate(errors):
        if runs and (errors[runs[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[runs[-1]]):
                runs[-1] = i
        else:
            runs.append(i)
    while len(runs) > points:
        if len(runs) == points + 1:
            runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
        else:  # take out the weakest pair of neighbours, which keeps the signs alternating
            pairs = [max(abs(errors[runs[i]]), abs(errors[runs[i + 1]])) for i in range(len(runs) - 1)]
            weakest = pairs.index(min(pairs))
            del runs[weakest : weakest + 2]
    return runs


def largest_error(coefficients: list[Any], grid: list[Any], values: list[Any], weights: list[Any]) -> Any:
    return max(abs(w * (v - evaluate(coefficients, x))) for x, v, w in zip(grid, values, weights))


def fit(job: Fit) -> tuple[list[Any], Any]:
    """Rounded coefficients, lowest first, and the largest weighted error of the rounded polynomial."""
    low, high = mpf(job.low), mpf(job.high)
    grid = chebyshev_grid(low, high, 24 * (job.degree + 2))
    tiny = (high - low) * mpf(10) ** -8  # removable singularities: stay away from 0 by a hair
    grid = [x if abs(x) > tiny else tiny for x in grid]
    values = [job.f(x) for x in grid]
    weights = [job.weight(x) for x in grid]
    done: list[Any] = []
    left = list(values)
    ahead: list[Any] = []  # what the fit before says of the coefficients to come
    for first in range(job.degree + 1):
        coefficients = remez(grid, left, weights, first, job.degree)
        if ahead:  # kept where the exchange went astray
            errors = [largest_error([mpf(0)] * first + c, grid, left, weights) for c in (ahead, coefficients)]
            coefficients = ahead if errors[0] < errors[1] else coefficients
        ahead = coefficients[1:]
        done.append(rounded(coefficients[0], job.kind))
        left = [v - done[first] * x**first for x, v in zip(grid, left)]
    return done, largest_error(done, grid, values, weights)


LN2 = mp.log(2)
HALF_LN2 = LN2 / 2 * mpf("1.01")
SQRT_HALF, SQRT_TWO = mp.sqrt(mpf("0.5")) - 1, mp.sqrt(2) - 1
S_MAX = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2  # s*s of s = (m-1)/(m+1), m in [sqrt(1/2), sqrt(2)]
TAN_PI_8 = (mp.tan(mp.pi / 8) + mpf("0.001")) ** 2


def odd(function: Function) -> Function:
    """(function(x) - x) / x**3 as a function of z = x*x."""
    return lambda z: (function(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3


def odd_weight(function: Function) -> Function:
    return lambda z: mp.sqrt(z) ** 3 / function(mp.sqrt(z))


def odd_fit(function: Function, high: Any, degree: int, kind: str) -> Fit:
    return Fit(odd(function), 0, high, degree, odd_weight(function), kind)


def exp_tail(r: Any) -> Any:
    return (mp.expm1(r) - r) / r**2


def cos_tail(z: Any) -> Any:
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def erfinv_w(w: Any) -> Any:
    """erfinv(x) / x for the x > 0 with w = -log(1 - x*x)."""
    if w < mpf("1e-30"):
        return mp.sqrt(mp.pi) / 2
    # 1 - x from w without cancellation; the root of erfc in y by Newton's steps.
    x = mp.sqrt(-mp.expm1(-w))
    q = mp.exp(-w) / (1 + x)
    if x < mpf("0.5"):
        y = mp.erfinv(x)
    else:
        y = mp.sqrt(max(mpf("0.05"), w - mp.log(mp.sqrt(mp.pi) * mp.sqrt(max(w, mpf(1))))))
        for _ in range(60):
            step = (mp.erfc(y) - q) * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
            step = step / (1 - y * step)  # Halley
            y += step
            if abs(step) < mpf(10) ** -50:
                break
    return y / x


def erfinv_fit(low: Any, high: Any, shift: Any, degree: int, root: bool, kind: str) -> Fit:
    """In t = w - shift (or sqrt(w) - shift)."""

    def f(t: Any) -> Any:
        base = t + shift
        return erfinv_w(base * base if root else base)

    ends = [mp.sqrt(mpf(w)) if root else mpf(w) for w in (low, high)]
    return Fit(f, ends[0] - shift, ends[1] - shift, degree, lambda t: 1 / f(t), kind)


def log_tail(f: Any) -> Any:
    return (mp.log1p(f) - f + f**2 / 2) / f**3


def log_series(z: Any) -> Any:
    """log((1+s)/(1-s)) = 2s + s * z * p(z), z = s*s."""
    s = mp.sqrt(z)
    return (mp.log((1 + s) / (1 - s)) - 2 * s) / (s * z)


def log2_tail(z: Any) -> Any:
    """log((1+s)/(1-s)) = 2s + 2/3 s*z + s*z*z*p(z), for the double-double logarithm of power."""
    s = mp.sqrt(z)
    return (mp.log((1 + s) / (1 - s)) - 2 * s - 2 * s * z / 3) / (s * z * z)


def erf_ratio(z: Any) -> Any:
    """erf(x) = x + x * p(z): the constant left to p is small, and its rounding too."""
    return mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1


def scaled_erfc(u: Any, middle: Any, half: Any) -> Any:
    x = middle + half * u
    return mp.exp(x * x) * mp.erfc(x)


FITS: dict[str, Fit] = {
    # exponential.h: exp(r) = 1 + r + r*r*p(r), |r| <= ln2/2
    "exp_f32": Fit(exp_tail, -HALF_LN2, HALF_LN2, 4, lambda r: r**2 / mp.exp(r), "f32"),
    "expm1_f32": Fit(exp_tail, -HALF_LN2, HALF_LN2, 5, lambda r: r**2 / mp.expm1(r), "f32"),
    "exp_f64": Fit(exp_tail, -HALF_LN2, HALF_LN2, 10, lambda r: r**2 / mp.exp(r), "f64"),
    "expm1_f64": Fit(exp_tail, -HALF_LN2, HALF_LN2, 11, lambda r: r**2 / mp.expm1(r), "f64"),
    # logarithm.h: log(1+f) = f - f*f/2 + f*f*f*p(f) (f32); with s = f/(2+f), z = s*s: 2s + s*z*p(z) (f64)
    "log_f32": Fit(log_tail, SQRT_HALF, SQRT_TWO, 8, lambda f: f**3 / mp.log1p(f), "f32"),
    "log_f64": Fit(log_series, 0, S_MAX, 6, lambda z: mp.sqrt(z) * z / mp.atanh(mp.sqrt(z)) / 2, "f64"),
    # power.h
    "log2_power_f32": Fit(
        lambda z: 2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) / LN2,
        0,
        S_MAX,
        4,
        lambda z: 1 / (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) / LN2),
        "f64",
    ),
    "exp2_power_f32": Fit(lambda r: mpf(2) ** r, -0.501, 0.501, 7, lambda r: mpf(2) ** -r, "f64"),
    "exp2_f64": Fit(lambda f: (mpf(2) ** f - 1) / f, -0.501, 0.501, 11, lambda f: f * mpf(2) ** -f, "f64"),
    "log_power_f64": Fit(log2_tail, 0, S_MAX, 6, lambda z: z * z / 2, "f64"),
    # trigonometric.h, |r| <= pi/4 and a margin for the float quotient: x + x*z*p(z), 1 - z/2 + z*z*p(z)
    "sin_f32": odd_fit(mp.sin, 0.87**2, 3, "f32"),
    "cos_f32": Fit(cos_tail, 0, 0.87**2, 2, lambda z: z * z / mp.cos(mp.sqrt(z)), "f32"),
    "tan_f32": odd_fit(mp.tan, 0.87**2, 7, "f32"),
    "sin_f64": odd_fit(mp.sin, 0.786**2, 6, "f64"),
    "cos_f64": Fit(cos_tail, 0, 0.786**2, 6, lambda z: z * z / mp.cos(mp.sqrt(z)), "f64"),
    "tan_f64": odd_fit(mp.tan, 0.786**2, 14, "f64"),
    # inverse_trigonometric.h
    "arcsin_f32": odd_fit(mp.asin, 0.25, 4, "f32"),
    "arcsin_f64": odd_fit(mp.asin, 0.25, 12, "f64"),
    "arctan_f32": odd_fit(mp.atan, TAN_PI_8, 4, "f32"),
    "arctan_f64": odd_fit(mp.atan, TAN_PI_8, 10, "f64"),
    # hyperbolic.h
    "sinh_f32": odd_fit(mp.sinh, 1, 3, "f32"),
    "sinh_f64": odd_fit(mp.sinh, 1, 7, "f64"),
    "tanh_f32": odd_fit(mp.tanh, 0.6**2, 4, "f32"),
    "tanh_f64": odd_fit(mp.tanh, 0.6**2, 13, "f64"),
    # error_function.h
    "erf_f32": Fit(erf_ratio, 0, 0.95**2, 6, lambda z: 1 / (1 + erf_ratio(z)), "f32"),
    "erf_f64": Fit(erf_ratio, 0, 1, 15, lambda z: 1 / (1 + erf_ratio(z)), "f64"),
    "erfc_f32": Fit(
        lambda u: scaled_erfc(u, 2.45, 1.55), -1, 1, 8, lambda u: mp.exp(-((2.45 + 1.55 * u) ** 2)), "f32"
    ),
    "erfc_f64": Fit(
        lambda u: scaled_erfc(u, 3.5, 2.5), -1, 1, 22, lambda u: mp.exp(-((3.5 + 2.5 * u) ** 2)), "f64"
    ),
    "erfinv_f32_centre": erfinv_fit(0, 5, 2.5, 9, False, "f32"),
    "erfinv_f32_tail": erfinv_fit(5, 17, 3, 9, True, "f32"),
    "erfinv_f64_centre": erfinv_fit(0, 6.25, 3.125, 23, False, "f64"),
    "erfinv_f64_middle": erfinv_fit(6.25, 16, 3.25, 20, True, "f64"),
    "erfinv_f64_tail": erfinv_fit(16, 37.5, 5, 18, True, "f64"),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or FITS:
        job = FITS[name]
        coefficients, worst = fit(job)
        print(f"{name}: degree {job.degree}, error 2^{float(mp.log(worst, 2)):.1f}")
        for c in coefficients:
            print("   ", float(c).hex() + ("f," if job.kind == "f32" else ","), f" // {mp.nstr(c, 9)}")
