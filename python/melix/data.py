"""A small loader: examples of arrays or JSON lines, shuffled, in batches, made ready on a thread, from a position that
can be saved.

    loader = Loader((images, labels), batch_size=64, shuffle=True, seed=1)
    for x, y in loader:             # one epoch
        ...
    checkpoint["data"] = loader.state    # {"epoch": 1, "position": 0}

Loaders of NumPy or PyTorch work as well: what they give goes through `mx.array`.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import melix.core as mx

__all__ = ["JsonLines", "Loader"]


class JsonLines(Sequence[Any]):
    """The lines of a file, each a JSON value, read when they are asked for. Empty lines do not count."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._starts: list[int] = []
        with open(self.path, "rb") as file:
            position = 0
            for line in file:
                if line.strip():
                    self._starts.append(position)
                position += len(line)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        start = self._starts[index]
        with open(self.path, "rb") as file:
            file.seek(start)
            line = file.readline()
        try:
            return json.loads(line)
        except ValueError as error:
            number = range(len(self))[index]
            raise ValueError(f"[JsonLines] {self.path}, example {number}, byte {start}: {error}") from None


class Loader:
    """Batches of examples. Iterating is one epoch, or what is left of it.

    `source` is an array, or several of one length (a tuple, list or dict of them): then a batch has the rows of each.
    Or it is a sequence of examples, and `collate` makes a batch of a list of them (without one, the list is the batch).

    With `shuffle`, the order is another one in each epoch, and the same for the same seed. `prefetch` batches are made
    ahead, on a thread. The last batch is smaller where the examples do not come out even, or left out with `drop_last`.
    """

    def __init__(
        self,
        source: Any,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        collate: Callable[[list[Any]], Any] | None = None,
        prefetch: int = 2,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"[Loader] batch_size is at least 1, not {batch_size}")
        self._take, self._size = _access(source, collate)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.prefetch = prefetch
        self._epoch = self._position = 0

    def __len__(self) -> int:
        """Batches of an epoch."""
        whole, rest = divmod(self._size, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    @property
    def state(self) -> dict[str, int]:
        """Where the next batch comes from: its epoch, and its number there."""
        return {"epoch": self._epoch, "position": self._position}

    @state.setter
    def state(self, state: dict[str, int]) -> None:
        epoch, position = int(state["epoch"]), int(state["position"])
        if epoch < 0 or not 0 <= position <= len(self):
            raise ValueError(
                f"[Loader] position {position} of epoch {epoch} is not one of {len(self)} batches"
            )
        self._epoch, self._position = epoch, position

    def _order(self) -> list[int]:
        if not self.shuffle:
            return list(range(self._size))
        _, key = mx.random.split(mx.random.key(self.seed * 1_000_003 + self._epoch))
        return mx.random.permutation(self._size, key=key).tolist()

    def __iter__(self) -> Iterator[Any]:
        order = self._order()
        starts = range(self._position * self.batch_size, len(self) * self.batch_size, self.batch_size)
        batches = (self._take(order[start : start + self.batch_size]) for start in starts)
        for batch in _ahead(batches, self.prefetch) if self.prefetch else batches:
            self._position += 1
            if self._position == len(self):
                self._epoch, self._position = self._epoch + 1, 0
            yield batch


def _access(
    source: Any, collate: Callable[[list[Any]], Any] | None
) -> tuple[Callable[[list[int]], Any], int]:
    """A function from numbers of examples to their batch, and how many examples there are."""
    arrays = (
        source.values()
        if isinstance(source, dict)
        else source
        if isinstance(source, (tuple, list))
        else [source]
    )
    if not arrays or not all(hasattr(a, "shape") for a in arrays):
        return lambda numbers: (collate or list)([source[i] for i in numbers]), len(source)
    sizes = {len(a) for a in arrays}
    if len(sizes) > 1:
        raise ValueError(f"[Loader] arrays of {sorted(sizes)} examples cannot be one set of examples")

    def rows(a: Any, numbers: list[int]) -> mx.array:
        return mx.array(a[numbers] if not isinstance(a, mx.array) else mx.take(a, mx.array(numbers), axis=0))

    def take(numbers: list[int]) -> Any:
        if isinstance(source, dict):
            return {key: rows(a, numbers) for key, a in source.items()}
        if isinstance(source, (tuple, list)):
            return type(source)(rows(a, numbers) for a in source)
        return rows(source, numbers)

    return take, sizes.pop()


def _ahead(items: Iterator[Any], count: int) -> Iterator[Any]:
    """The items, made on a thread, at most `count` of them ahead. A thread that nobody reads from any more ends."""
    ready: queue.Queue[tuple[bool, Any]] = queue.Queue(count)
    stopped = threading.Event()

    def put(entry: tuple[bool, Any]) -> bool:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((True, item)):
                    return
            put((False, None))
        except BaseException as error:  # it belongs to who reads
            put((False, error))

    thread = threading.Thread(target=work, name="melix.data", daemon=True)
    thread.start()
    try:
        while True:
            more, item = ready.get()
            if not more:
                if item is not None:
                    raise item
                return
            yield item
    finally:
        stopped.set()
        thread.join()
