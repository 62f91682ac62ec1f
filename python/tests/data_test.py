"""The loader of melix.data."""

import json
import threading
from itertools import chain

import numpy as np
import pytest
from melix.data import JsonLines, Loader

import melix.core as mx


def numbers(loader):
    return [batch.tolist() for batch in loader]


def test_batches_come_in_order_and_the_last_is_smaller():
    x = mx.arange(10)
    assert numbers(Loader(x, 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert numbers(Loader(x, 4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(Loader(x, 4)) == 3 and len(Loader(x, 4, drop_last=True)) == 2 and len(Loader(x, 5)) == 2


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_every_epoch_has_all_examples_in_an_order_of_its_own(prefetch):
    loader = Loader(np.arange(20), 3, shuffle=True, seed=4, prefetch=prefetch)
    epochs = [list(chain(*numbers(loader))) for _ in range(3)]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    again = Loader(np.arange(20), 3, shuffle=True, seed=4)
    assert list(chain(*numbers(again))) == epochs[0]
    assert list(chain(*numbers(Loader(np.arange(20), 3, shuffle=True, seed=5)))) != epochs[0]


def test_it_goes_on_where_it_was():
    make = lambda: Loader(mx.arange(17), 4, shuffle=True, seed=1)
    whole = make()
    expected = numbers(whole) + numbers(whole)
    first, seen = make(), []
    for batch in first:
        seen.append(batch.tolist())
        if len(seen) == 3:
            break
    assert first.state == {"epoch": 0, "position": 3}
    second = make()
    second.state = json.loads(json.dumps(first.state))
    seen += numbers(second)
    assert second.state == {"epoch": 1, "position": 0}
    assert seen + numbers(second) == expected
    with pytest.raises(ValueError, match="position 9"):
        second.state = {"epoch": 0, "position": 9}


def test_several_arrays_stay_together():
    x, y = np.arange(6), mx.arange(6) * 10
    for a, b in Loader((x, y), 4, shuffle=True):
        assert isinstance(a, mx.array) and (a * 10).tolist() == b.tolist()
    for batch in Loader({"x": x, "y": y}, 4):
        assert set(batch) == {"x", "y"}
    with pytest.raises(ValueError, match=r"\[5, 6\]"):
        Loader((x, y[:5]), 2)
    with pytest.raises(ValueError, match="batch_size"):
        Loader(x, 0)


def test_json_lines(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "a"}\n\n{"text": "é"}\n[1]\n{bad}\n', encoding="utf-8")
    lines = JsonLines(path)
    assert len(lines) == 4 and lines[1] == {"text": "é"} and lines[0:3:2] == [{"text": "a"}, [1]]
    assert lines[-2] == [1]
    with pytest.raises(ValueError, match="example 3, byte 3"):
        lines[3]
    texts = Loader(lines[:2], 2, collate=lambda examples: [e["text"] for e in examples])
    assert list(texts) == [["a", "é"]]
    assert list(Loader([1, 2, 3], 2)) == [[1, 2], [3]]


def test_failures_arrive_and_threads_end():
    def bad(examples):
        if 2 in examples:
            raise RuntimeError("no example 2")
        return examples

    seen = []
    with pytest.raises(RuntimeError, match="no example 2"):
        for batch in Loader([0, 1, 2, 3], 1, collate=bad):
            seen.append(batch)
    assert seen == [[0], [1]]
    iterator = iter(Loader(list(range(100)), 1))
    next(iterator)
    iterator.close()
    assert not [t for t in threading.enumerate() if t.name == "melix.data"]
