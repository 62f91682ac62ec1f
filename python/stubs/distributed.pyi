"""Operations over the arrays of several processes."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from melix.core import Dtype, Operand, StreamOrDevice, array

Backend: TypeAlias = Literal["any", "mpi", "ring", "nccl", "jaccl"]

class Group:
    """Processes that compute together; `init` gives one."""

    def rank(self) -> int:
        """The number of this process, from 0 on."""
    def size(self) -> int:
        """The number of processes."""
    def split(self, color: int, key: int = -1) -> Group:
        """The group of those processes that give the same color. RuntimeError for a group of one."""

def is_available(backend: str = "any") -> bool:
    """Whether processes can reach each other by a backend."""

def init(
    strict: bool = False,
    backend: Backend = "any",
    *,
    all_gather_factory: Callable[[int, int], Callable[[bytes, int], bytes]] | None = None,
) -> Group:
    """The group of all processes that were launched together; where the backend is not available, a group of one."""

def all_sum(x: Operand, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """The sum of the arrays of all processes."""

def all_max(x: Operand, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """The largest of the elements of all processes."""

def all_min(x: Operand, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """The smallest of the elements of all processes."""

def all_gather(x: Operand, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """The arrays of all processes, joined along the first axis."""

def sum_scatter(x: Operand, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """This process' part, along the first axis, of the sum of the arrays of all processes."""

def send(x: Operand, dst: int, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """An array like `x`, which is sent to the process `dst` when it is evaluated. ValueError in a group of one."""

def recv(
    shape: Sequence[int], dtype: Dtype, src: int, *, group: Group | None = None, stream: StreamOrDevice = None
) -> array:
    """An array of this shape and dtype that the process `src` sends. ValueError in a group of one."""

def recv_like(x: Operand, src: int, *, group: Group | None = None, stream: StreamOrDevice = None) -> array:
    """An array like `x` that the process `src` sends. ValueError in a group of one."""
