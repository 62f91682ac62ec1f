"""The layers, beside PyTorch's with the same weights, and where PyTorch has none, beside NumPy."""

import math

import numpy as np
import pytest
import torch
from melix.utils import tree_flatten, tree_map

import melix.core as mx
import melix.nn as nn
from python.tests.nn_torch import LAYERS, copy_weights, tnn, to_torch

DTYPES = {"float64": (1e-10, 1e-11), "float32": (2e-5, 2e-5)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pair", LAYERS, ids=str)
def test_values_and_gradients_are_those_of_pytorch(pair, dtype, rng):
    mx.random.seed(3)
    ours, theirs = pair.ours(), pair.theirs()
    ours.set_dtype(getattr(mx, dtype))
    theirs.to(getattr(torch, dtype))
    copy_weights(pair, ours, theirs)
    x = mx.array(rng.uniform(pair.low, 2, pair.shape), dtype=getattr(mx, dtype))
    y = ours(x)
    weight = mx.array(rng.normal(size=y.shape), dtype=x.dtype)

    def loss(parameters, x):
        ours.update(parameters)
        return (ours(x) * weight).sum()

    gradients, of_x = mx.grad(loss, argnums=(0, 1))(ours.trainable_parameters(), x)
    tx = to_torch(x, grad=True)
    ty = pair.after(theirs(pair.before(tx)))
    (ty * to_torch(weight)).sum().backward()

    rtol, atol = DTYPES[dtype]
    assert y.dtype == x.dtype
    close = {"rtol": rtol, "atol": atol * 10}
    np.testing.assert_allclose(np.array(y), ty.detach().numpy(), **close)
    np.testing.assert_allclose(np.array(of_x), tx.grad.numpy(), **close)
    own = dict(theirs.named_parameters())
    for path, gradient in tree_flatten(gradients):
        name, move = pair.weights.get(path, (path, lambda t: t))
        np.testing.assert_allclose(move(to_torch(gradient)).numpy(), own[name].grad.numpy(), **close)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_layers_are_those_of_pytorch(kind, rng):
    ours, theirs = getattr(nn, kind)(5, 7), getattr(tnn, kind)(5, 7, batch_first=True).double()
    ours.set_dtype(mx.float64)
    own = dict(theirs.named_parameters())
    first = {"RNN": ("Wxh", "Whh"), "LSTM": ("Wx", "Wh"), "GRU": ("Wx", "Wh")}[kind]
    with torch.no_grad():
        own["weight_ih_l0"].copy_(to_torch(ours[first[0]]))
        own["weight_hh_l0"].copy_(to_torch(ours[first[1]]))
        own["bias_hh_l0"].zero_()
        own["bias_ih_l0"].copy_(to_torch(ours["b" if kind == "GRU" else "bias"]))
        if kind == "GRU":
            own["bias_hh_l0"][14:].copy_(to_torch(ours.bhn))
    x = mx.array(rng.normal(size=(3, 6, 5)), dtype=mx.float64)
    y = ours(x)
    hidden = y[0] if kind == "LSTM" else y
    expected, _ = theirs(to_torch(x))
    np.testing.assert_allclose(np.array(hidden), expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    # In two parts, the second beginning with the state of the first.
    begin = ours(x[:, :4])
    if kind == "LSTM":
        rest = ours(x[:, 4:], begin[0][:, -1], begin[1][:, -1])[0]
    else:
        rest = ours(x[:, 4:], begin[:, -1])
    np.testing.assert_allclose(np.array(rest), np.array(hidden[:, 4:]), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_that_of_pytorch(masked, rng):
    ours, theirs = (
        nn.MultiHeadAttention(8, 2, bias=True),
        tnn.MultiheadAttention(8, 2, batch_first=True).double(),
    )
    ours.set_dtype(mx.float64)
    projections = [ours.query_proj, ours.key_proj, ours.value_proj]
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([to_torch(p.weight) for p in projections]))
        theirs.in_proj_bias.copy_(torch.cat([to_torch(p.bias) for p in projections]))
        theirs.out_proj.weight.copy_(to_torch(ours.out_proj.weight))
        theirs.out_proj.bias.copy_(to_torch(ours.out_proj.bias))
    q, k, v = (mx.array(rng.normal(size=(2, 5, 8)), dtype=mx.float64) for _ in range(3))
    mask = nn.MultiHeadAttention.create_additive_causal_mask(5, mx.float64) if masked else None
    torch_mask = None if mask is None else to_torch(mask)
    expected, _ = theirs(*map(to_torch, (q, k, v)), attn_mask=torch_mask, need_weights=False)
    np.testing.assert_allclose(
        np.array(ours(q, k, v, mask)), expected.detach().numpy(), rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("checkpoint", [False, True])
def test_transformers_train_and_checkpoints_change_nothing(norm_first, checkpoint):
    mx.random.seed(1)
    model = nn.Transformer(8, 2, 2, 2, norm_first=norm_first, checkpoint=checkpoint)
    src, tgt = mx.random.normal((2, 5, 8)), mx.random.normal((2, 4, 8))
    mask = nn.MultiHeadAttention.create_additive_causal_mask(4)
    loss, gradients = nn.value_and_grad(model, lambda: model(src, tgt, None, mask, None).square().mean())()
    mx.random.seed(1)
    plain = nn.Transformer(8, 2, 2, 2, norm_first=norm_first)
    again, expected = nn.value_and_grad(plain, lambda: plain(src, tgt, None, mask, None).square().mean())()
    assert loss.item() == again.item()
    assert [p for p, _ in tree_flatten(gradients)] == [p for p, _ in tree_flatten(expected)]
    for (_, a), (_, b) in zip(tree_flatten(gradients), tree_flatten(expected)):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-5, atol=1e-6)


def test_batch_norm_moves_its_statistics_and_uses_them(rng):
    ours, theirs = nn.BatchNorm(3, momentum=0.2), tnn.BatchNorm1d(3, momentum=0.2)
    for _ in range(4):
        x = rng.normal(2, 3, (6, 3)).astype(np.float32)
        ours(mx.array(x))
        theirs(torch.tensor(x))
    np.testing.assert_allclose(np.array(ours.running_mean), theirs.running_mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(np.array(ours.running_var), theirs.running_var.numpy(), rtol=1e-5)
    ours.eval(), theirs.eval()
    expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(np.array(ours(mx.array(x))), expected, rtol=1e-4, atol=1e-5)
    assert set(ours.trainable_parameters()) == {"weight", "bias"}
    assert set(ours.unfreeze().trainable_parameters()) == {"weight", "bias"}


def test_bilinear(rng):
    layer, theirs = nn.Bilinear(3, 4, 5).set_dtype(mx.float64), tnn.Bilinear(3, 4, 5).double()
    with torch.no_grad():
        theirs.weight.copy_(to_torch(layer.weight).transpose(1, 2))
        theirs.bias.copy_(to_torch(layer.bias))
    a, b = (mx.array(rng.normal(size=(2, 6, n)), dtype=mx.float64) for n in (3, 4))
    expected = theirs(to_torch(a), to_torch(b)).detach().numpy()
    np.testing.assert_allclose(np.array(layer(a, b)), expected, rtol=1e-10, atol=1e-12)


def test_embedding():
    layer = nn.Embedding(10, 4)
    tokens = mx.array([[1, 2], [9, 0]])
    np.testing.assert_array_equal(np.array(layer(tokens)), np.array(layer.weight)[np.array(tokens)])
    np.testing.assert_allclose(
        np.array(layer.as_linear(layer(tokens))),
        np.array(layer(tokens)) @ np.array(layer.weight).T,
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    "layer, shape, together",
    [
        (nn.Dropout(0.3), (100, 100), ()),
        (nn.Dropout2d(0.3), (50, 4, 5, 60), (1, 2)),
        (nn.Dropout3d(0.3), (20, 3, 4, 5, 60), (1, 2, 3)),
    ],
)
def test_dropout_keeps_means_and_drops_together(layer, shape, together):
    mx.random.seed(0)
    y = np.array(layer(mx.ones(shape)))
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    assert abs(y.mean() - 1) < 0.1
    if together:
        assert np.all(y.max(axis=together) == y.min(axis=together))
    np.testing.assert_array_equal(np.array(layer.eval()(mx.ones(shape))), np.ones(shape))
    for p in (1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="probability"):
            nn.Dropout(p)


def test_positions(rng):
    encoding = nn.SinusoidalPositionalEncoding(6, min_freq=0.01)
    places = rng.uniform(0, 9, 5).astype(np.float32)
    angles = places[:, None] * np.array([1, 0.1, 0.01])
    expected = np.concatenate([np.sin(angles), np.cos(angles)], 1) * math.sqrt(1 / 3)
    np.testing.assert_allclose(np.array(encoding(mx.array(places))), expected, rtol=1e-5, atol=1e-6)
    assert not tree_flatten(encoding.parameters())

    scores = mx.zeros((1, 4, 3, 5))
    slopes = np.array([2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8])
    distances = np.abs(np.arange(3)[:, None] - np.arange(5))
    np.testing.assert_allclose(np.array(nn.ALiBi()(scores))[0], -slopes[:, None, None] * distances, rtol=1e-6)

    rope = nn.RoPE(4, traditional=True)
    x = rng.normal(size=(1, 2, 3, 4)).astype(np.float32)
    turn = (7 + np.arange(3))[:, None] * 10000.0 ** -np.array([0, 0.5])
    pairs = x.reshape(1, 2, 3, 2, 2)
    rotated = np.stack(
        [
            pairs[..., 0] * np.cos(turn) - pairs[..., 1] * np.sin(turn),
            pairs[..., 0] * np.sin(turn) + pairs[..., 1] * np.cos(turn),
        ],
        -1,
    ).reshape(x.shape)
    np.testing.assert_allclose(np.array(rope(mx.array(x), offset=7)), rotated, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make, x, parts",
    [
        (lambda: nn.Linear(3, 4), (2, 5), ["(2, 5)", "Linear(input_dims=3"]),
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 4)), (2, 3), ["layers.1 of Sequential"]),
        (lambda: nn.Conv2d(3, 4, 3), (2, 3, 3), ["Conv2d"]),
        (lambda: nn.MaxPool2d(2), (3, 3), ["4 dimensions", "(3, 3)"]),
        (lambda: nn.MaxPool2d(4), (1, 3, 3, 1), ["(4, 4)", "(1, 3, 3, 1)"]),
        (lambda: nn.BatchNorm(3), (2, 4), ["(2, 4)"]),
        (lambda: nn.GroupNorm(2, 4), (2, 3, 6), ["4 channels"]),
        (lambda: nn.Upsample(2), (2, 3), ["(2, 3)"]),
        (lambda: nn.Upsample((2, 2, 2)), (2, 3, 3, 1), ["2 numbers"]),
    ],
)
def test_wrong_shapes_say_both_shapes_and_where(make, x, parts):
    with pytest.raises(ValueError) as error:
        make()(mx.zeros(x))
    for part in parts:
        assert part in str(error.value)


def test_wrong_options():
    for make, part in [
        (lambda: nn.GELU("quick"), "approx"),
        (lambda: nn.Conv1d(3, 4, 3, groups=2), "groups"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), "2 numbers"),
        (lambda: nn.GroupNorm(3, 4), "groups"),
        (lambda: nn.MultiHeadAttention(10, 3), "heads"),
        (lambda: nn.Upsample(2, "bilinear"), "mode"),
        (lambda: nn.MaxPool1d(0), "at least 1"),
    ]:
        with pytest.raises(ValueError, match=part):
            make()


def test_the_same_seed_gives_the_same_weights_compiled_or_not():
    def weights():
        mx.random.seed(5)
        return nn.TransformerEncoder(1, 8, 2).parameters()

    for (path, a), (_, b) in zip(tree_flatten(weights()), tree_flatten(mx.compile(weights)())):
        np.testing.assert_array_equal(np.array(a), np.array(b), err_msg=path)


def test_upsampling_smaller_with_antialias_is_pytorchs(rng):
    x = mx.array(rng.normal(size=(2, 9, 12, 3)), dtype=mx.float64)
    y = nn.Upsample(0.4, "linear", antialias=True)(x)
    expected = torch.nn.functional.interpolate(
        to_torch(x).movedim(-1, 1), scale_factor=0.4, mode="bilinear", antialias=True
    )
    np.testing.assert_allclose(np.array(y), expected.movedim(1, -1).numpy(), rtol=1e-6, atol=1e-8)


def test_memory_is_flat_over_many_calls():
    layer = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    x = mx.random.normal((4, 8))
    step = nn.value_and_grad(layer, lambda x: layer(x).sum())
    levels = []
    for i in range(600):
        value, gradients = step(x)
        mx.eval(value, gradients)
        layer.update(tree_map(lambda p, g: p - 1e-3 * g, layer.parameters(), gradients))
        mx.eval(layer.parameters())
        if i % 100 == 99:
            levels.append(mx.get_active_memory())
    assert max(levels[1:]) <= levels[0] + 4096
