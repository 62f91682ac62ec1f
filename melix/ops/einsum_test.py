"""The record of einsum (melix/ops/einsum.h), its text and order of contraction, and a comparison with NumPy over random
equations."""

import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runner import Record, Tolerance, bad, call, domains, mx, operation_tests

EQUATIONS = [
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("ij,jk", (3, 4), (4, 5)),
    ("ij,kj->ki", (3, 4), (5, 4)),
    ("ji", (3, 4)),
    ("ii->i", (4, 4)),
    ("iji->j", (3, 2, 3)),
    ("ij->", (3, 4)),
    ("i,i->", (5,), (5,)),
    ("i,j->ij", (3,), (4,)),
    ("ij,ij->ij", (3, 4), (3, 4)),
    ("ij,ij->j", (3, 4), (3, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("ijb,jkb->bki", (3, 4, 2), (4, 5, 2)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
    ("...,...->...", (3, 4), (4,)),
    ("i...->...", (3, 4, 5)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("ij,jk,kl,lm->im", (2, 5), (5, 3), (3, 6), (6, 2)),
    ("abc,cde,ea->bd", (2, 3, 4), (4, 5, 2), (2, 2)),
    ("ij,jk->ik", (3, 0), (0, 4)),
    ("ij,jk->ik", (3, 1), (4, 5)),
    ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
    (",->", (), ()),
    ("iij,jk->ik", (3, 3, 2), (2, 4)),
    ("i,j,k->", (2,), (3,), (4,)),
]


def samples(of):
    for equation, *shapes in EQUATIONS:
        if len(shapes) > 1 or "->" not in equation or "ii" in equation:  # a sum alone has the type of `sum`
            yield call(equation, *[of(shape) for shape in shapes])


def reference(equation, *operands):
    return np.einsum(equation, *operands)


def magnitude(equation, *operands):
    return 4 * np.einsum(equation, *[np.abs(x) for x in operands])


RECORDS = [
    Record(
        "einsum",
        samples,
        reference,
        nonfinite=False,
        domain=domains.uniform(0.25, 1),  # roundings to 16 bits between operands do not cancel
        tolerance=Tolerance(
            ulp=8, scale=magnitude, roundings=6, why="sums of products, rounded to the type between operands"
        ),
        skip={
            "instruction_sets": "products use the fused multiply-add of an instruction set (docs/numerics.md)"
        },
        bad=(
            bad(lambda of: call("ij,jk->il", of(2, 3), of(3, 4)), "'l'"),
            bad(lambda of: call("ij,jk->ii", of(2, 3), of(3, 4)), "'i'"),
            bad(lambda of: call("ij", of(2, 3), of(3, 4)), "got 2"),
            bad(lambda of: call("ij,jk->ik", of(2, 3), of(2, 3)), "axis 0"),
            bad(lambda of: call("ij-ij", of(2, 3)), "'-'"),
            bad(lambda of: call("i1", of(2, 3)), "'1'"),
            bad(lambda of: call("ij"), "operand"),
            bad(lambda of: call("i...j...", of(2, 3)), "ellipsis"),
            bad(lambda of: call("....", of(2, 3)), "'.'"),
            bad(lambda of: call("ijk", of(2, 3)), "(2, 3)"),
            bad(lambda of: call("i", of(2, 3)), "(2, 3)"),
            bad(lambda of: call("ii", of(2, 3)), "2 and 3"),
            bad(lambda of: call("ij->->ij", of(2, 3)), "'-'"),
        ),
    ),
]
test_operations = operation_tests(RECORDS, __file__)


@st.composite
def equations(draw):
    """A random equation with operands: repeated letters, ellipses, axes of 1, up to 5 operands."""
    sizes = {letter: draw(st.integers(0, 4)) for letter in "abcdeXY"}
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    terms, shapes = [], []
    for _ in range(draw(st.integers(1, 5))):
        letters = draw(st.lists(st.sampled_from("abcdeXY"), max_size=4))
        shape = [sizes[letter] if draw(st.integers(0, 9)) else 1 for letter in letters]
        for i, letter in enumerate(letters):  # a letter twice in one operand has one length
            shape[i] = shape[letters.index(letter)]
        dots = draw(st.booleans())
        if dots:
            at, own = (
                draw(st.integers(0, len(letters))),
                batch[len(batch) - draw(st.integers(0, len(batch))) :],
            )
            own = [n if draw(st.booleans()) else 1 for n in own]
            letters[at:at], shape[at:at] = ["..."], own
        terms.append("".join(letters))
        shapes.append(tuple(shape))
    text = ",".join(terms)
    known = sorted({c for c in text if c in string.ascii_letters})
    if draw(st.booleans()):
        kept = draw(st.permutations(known))[: draw(st.integers(0, len(known)))]
        text += "->" + ("..." if "..." in text else "") + "".join(kept)
    return text, shapes


@given(equations(), st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_einsum_is_numpys(equation, seed):
    text, shapes = equation
    rng = np.random.default_rng(seed)
    operands = [rng.integers(-3, 4, shape).astype(np.float64) for shape in shapes]
    expected = np.einsum(text, *operands)  # small whole numbers: exact in every order
    got = mx.einsum(text, *[mx.array(x, dtype=mx.float64) for x in operands])
    assert np.array_equal(np.array(got), expected), text


def test_the_path_of_a_chain():
    path, report = mx.einsum_path("ij,jk,kl->il", mx.ones((2, 2)), mx.ones((2, 5)), mx.ones((5, 2)))
    assert path == [(1, 2), (0, 1)]
    lines = report.splitlines()
    assert [line.split()[-1] for line in lines] == ["ij,jk,kl->il", "4", "3", "120", "56"]
    assert lines[0].split(":")[0].strip() == "Complete contraction"


@pytest.mark.parametrize("count", [8, 14])
def test_long_chains_cost_little(count):
    """Matrices whose best order is from the right: products with a vector, not with a matrix."""
    letters = string.ascii_letters[: count + 1]
    text = ",".join(letters[i : i + 2] for i in range(count)) + "->" + letters[0] + letters[count]
    operands = [mx.full((50, 50), 0.02) for _ in range(count - 1)] + [mx.ones((50, 1))]
    path, report = mx.einsum_path(text, *operands)
    assert len(path) == count - 1
    assert int(report.splitlines()[4].split()[-1]) == 2 * 50 * 50 * (count - 1)
    assert abs(mx.einsum(text, *operands)[0, 0].item() - 1) < 1e-5


def test_one_operand_sums_as_sum_does_and_several_keep_the_type():
    x = mx.array([100, 100], dtype=mx.int8)
    assert mx.einsum("i->", x).dtype == mx.int32 and mx.einsum("i->", x).item() == 200
    assert mx.einsum("i,i->", x, x).dtype == mx.int8
    assert mx.einsum("i,j->", x, x.astype(mx.int16)).dtype == mx.int16


def test_gradients_of_a_contraction_are_contractions():
    a, b, c = (
        mx.array(np.random.default_rng(i).standard_normal((3, 4, 5)).astype(np.float32)) for i in range(3)
    )
    f = lambda a, b, c: mx.einsum("ijk,ilk,ilm->jm", a, b, c).sum()
    got = mx.grad(f, argnums=(0, 1, 2))(a, b, c)
    ones = mx.ones((4, 5))
    for i, text in enumerate(["ilk,ilm,jm->ijk", "ijk,ilm,jm->ilk", "ijk,ilk,jm->ilm"]):
        others = [x for k, x in enumerate((a, b, c)) if k != i]
        assert np.allclose(np.array(got[i]), np.array(mx.einsum(text, *others, ones)), rtol=1e-4, atol=1e-4)
