"""Module: its trees, its changes, its files; and the trees of melix.utils."""

import doctest

import melix.utils as utils
import numpy as np
import pytest
from melix.utils import tree_flatten, tree_map, tree_map_with_path, tree_merge, tree_reduce, tree_unflatten

import melix.core as mx
import melix.nn as nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.rest = [nn.Linear(4, 4), nn.ReLU(), {"last": nn.Linear(4, 2, bias=False)}]
        self.scale = mx.ones((2,))
        self._hidden = mx.zeros((3,))
        self.count = 3

    def __call__(self, x):
        x = self.first(x)
        return self.rest[2]["last"](self.rest[1](self.rest[0](x))) * self.scale


NAMES = ["first.weight", "first.bias", "rest.0.weight", "rest.0.bias", "rest.2.last.weight", "scale"]


def names(tree):
    return [name for name, _ in tree_flatten(tree)]


def test_parameters_children_and_modules():
    model = Model()
    assert names(model.parameters()) == NAMES
    assert names(model.trainable_parameters()) == NAMES
    assert [n for n, _ in tree_flatten(model.children(), is_leaf=nn.Module.is_module)] == [
        "first", "rest.0", "rest.1", "rest.2.last",
    ]  # fmt: skip
    assert sorted(n for n, _ in model.named_modules()) == ["", "first", "rest.0", "rest.1", "rest.2.last"]
    assert model.count == 3 and "count" not in model and "_hidden" in model
    assert model(mx.zeros((5, 3))).shape == (5, 2)
    leaves = tree_flatten(model.leaf_modules(), is_leaf=nn.Module.is_module)
    assert [n for n, _ in leaves] == ["first", "rest.0", "rest.1", "rest.2.last"]


def test_attributes():
    model = Model()
    with pytest.raises(AttributeError, match="'Model' object has no attribute 'second'"):
        _ = model.second
    model.second = mx.ones(2)
    assert "second" in model
    model.second = 5
    assert "second" not in model and model.second == 5
    del model.second
    assert not hasattr(model, "second")
    for name in ("state", "training", "items", "update"):
        with pytest.raises(AttributeError):
            setattr(model, name, mx.ones(2))
    assert len({model, model, Model()}) == 2 and model == model and model != Model()


def test_update_replaces_some_or_all():
    model = Model()
    model.update({"scale": mx.zeros((2,)), "rest": [{"bias": mx.ones((4,))}]})
    assert model.scale.tolist() == [0, 0] and model.rest[0].bias.tolist() == [1] * 4
    with pytest.raises(ValueError, match="no parameter 'other'"):
        model.update({"other": mx.ones(1)})
    with pytest.raises(ValueError, match="'first' of Model is a Linear"):
        model.update({"first": mx.ones(1)})
    model.update({"other": mx.ones(1)}, strict=False)
    assert "other" not in model
    model.update_modules({"rest": [nn.Linear(4, 6)]})
    assert model.rest[0].weight.shape == (6, 4)
    with pytest.raises(ValueError, match="no module 'other'"):
        model.update_modules({"other": nn.Linear(1, 1)})
    model.apply(lambda p: p * 0 + 2)
    assert model.scale.tolist() == [2, 2]
    seen = []
    model.apply_to_modules(lambda path, module: seen.append(path))
    assert set(seen) == {"", "first", "rest.0", "rest.1", "rest.2.last"}


def test_freeze():
    model = Model().freeze()
    assert names(model.trainable_parameters()) == []
    model.unfreeze(keys="bias")
    assert names(model.trainable_parameters()) == ["first.bias", "rest.0.bias"]
    model.freeze(keys=["bias"], recurse=False)
    assert names(model.trainable_parameters()) == ["first.bias", "rest.0.bias"]
    model.unfreeze()
    model.first.freeze()
    assert names(model.trainable_parameters()) == NAMES[2:]
    with pytest.raises(KeyError, match="bias"):
        model.freeze(keys="bias", strict=True)
    _, gradients = nn.value_and_grad(model, lambda: model(mx.ones((1, 3))).sum())()
    assert names(gradients) == NAMES[2:]


def test_training_and_dtype():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2))
    assert model.training and model.layers[0].training
    model.eval()
    assert not model.training and not model.layers[0].training
    assert model.train().layers[0].training
    model.counts = mx.array([1])
    model.set_dtype(mx.bfloat16)
    assert model.layers[1].weight.dtype == mx.bfloat16 and model.counts.dtype == mx.int32


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_weights_in_files(suffix, tmp_path):
    model, other = Model(), Model()
    model.save_weights(str(tmp_path / f"w.{suffix}"))
    other.load_weights(str(tmp_path / f"w.{suffix}"))
    for (name, a), (_, b) in zip(tree_flatten(model.parameters()), tree_flatten(other.parameters())):
        np.testing.assert_array_equal(np.array(a), np.array(b), err_msg=name)
    with pytest.raises(ValueError, match="neither"):
        model.save_weights(str(tmp_path / "w.bin"))


def test_weights_that_do_not_fit_are_listed():
    model = Model()
    weights = [(n, v) for n, v in tree_flatten(model.parameters()) if n != "first.bias"]
    weights[0] = ("first.weight", mx.zeros((5, 5)))
    weights.append(("extra", mx.zeros(1)))
    with pytest.raises(ValueError) as error:
        model.load_weights(weights)
    for part in (
        "first.weight has shape (5, 5), the parameter (4, 3)",
        "first.bias is missing",
        "extra is not a parameter",
    ):
        assert part in str(error.value)
    with pytest.raises(ValueError, match=r"first\.weight"):
        model.load_weights(weights, strict=False)
    model.load_weights(weights[1:], strict=False)


def test_texts():
    model = Model()
    assert repr(model).split("\n")[1] == "  (first): Linear(input_dims=3, output_dims=4, bias=True)"
    model.first.freeze()
    summary = model.summary()
    assert "first.weight (frozen)" in summary and "total (30 trainable)" in summary and "184" in summary


def test_values_and_gradients_leave_no_tracers_behind():
    model = Model()
    with pytest.raises(ZeroDivisionError):
        nn.value_and_grad(model, lambda: 1 / 0)()
    assert np.array(model.scale).tolist() == [1, 1]
    value, gradients = nn.value_and_grad(model, lambda x: model(x).sum())(mx.ones((2, 3)))
    assert gradients["scale"].shape == (2,) and names(gradients) == NAMES
    checkpointed = nn.utils.checkpoint(model)
    again, same = nn.value_and_grad(model, lambda x: checkpointed(x).sum())(mx.ones((2, 3)))
    assert again.item() == value.item()
    for (name, a), (_, b) in zip(tree_flatten(gradients), tree_flatten(same)):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-6, err_msg=name)


def test_gradients_of_one_process_are_their_average():
    gradients = {"a": mx.ones((3,))}
    assert nn.average_gradients(gradients)["a"].tolist() == [1, 1, 1]


def test_trees():
    assert doctest.testmod(utils).failed == 0
    tree = {"a": 1, "b": [2, (3, 4)], "e": [], "d": {}}
    assert tree_flatten(tree) == [("a", 1), ("b.0", 2), ("b.1.0", 3), ("b.1.1", 4)]
    assert tree_flatten(tree, prefix="m")[0] == ("m.a", 1)
    assert tree_flatten(5) == [("", 5)] and tree_unflatten([("", 5)]) == 5
    assert tree_unflatten(tree_flatten({"a": 1, "b": [2, {"c": 3}]})) == {"a": 1, "b": [2, {"c": 3}]}
    assert tree_unflatten({"0.a": 1, "2.a": 2}) == [{"a": 1}, {}, {"a": 2}]
    assert tree_map(lambda x, y: x + y, [1, (2,)], [3, (4,)]) == [4, (6,)]
    assert tree_map_with_path(lambda path, x: f"{path}={x}", {"a": [1, 2]}) == {"a": ["a.0=1", "a.1=2"]}
    assert tree_reduce(lambda a, b: a + b, tree, 10) == 20
    assert tree_merge({"a": 1, "c": [1]}, {"b": 2, "c": [None, 5]}) == {"a": 1, "c": [1, 5], "b": 2}
    assert tree_merge({"a": 1}, {"a": 2}, lambda a, b: a + b) == {"a": 3}
    with pytest.raises(ValueError):
        tree_merge({"a": 1}, {"a": 2})
    with pytest.raises(ValueError, match="leaf"):
        tree_unflatten([("a", 1), ("a.b", 2)])
    # No list of a billion places for one entry.
    assert tree_unflatten([("1000000000", 1), ("b", 2)]) == {"1000000000": 1, "b": 2}
    assert tree_unflatten([("1000000000", 1)]) == {"1000000000": 1}
