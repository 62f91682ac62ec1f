"""Types of melix.core.fast, made from the headers of the operations."""
# ruff: noqa: F401

from collections.abc import Sequence
from typing import Any, NoReturn, overload

from melix.core import Dtype, Operand, StreamOrDevice, array, bool_, complex64, float32, int32, uint32

class CudaKernel:
    """A CUDA kernel made from source text; `cuda_kernel` makes one."""

    name: str
    input_names: list[str]
    output_names: list[str]
    source: str
    header: str
    ensure_row_contiguous: bool
    shared_memory: int
    def __call__(
        self,
        *,
        inputs: Sequence[Operand],
        output_shapes: Sequence[Sequence[int]],
        output_dtypes: Sequence[Dtype],
        grid: tuple[int, int, int],
        threadgroup: tuple[int, int, int],
        template: Sequence[tuple[str, Dtype | int | bool]] | None = None,
        init_value: float | None = None,
        verbose: bool = False,
        stream: StreamOrDevice = None,
    ) -> list[array]: ...

def cuda_kernel(
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    source: str,
    header: str = "",
    ensure_row_contiguous: bool = True,
    shared_memory: int = 0,
) -> CudaKernel:
    """A callable CUDA kernel with this body. The signature is made from the names."""

def precompiled_cuda_kernel(
    *,
    name: str,
    compiled_source: bytes,
    inputs: Sequence[Operand],
    output_shapes: Sequence[Sequence[int]],
    output_dtypes: Sequence[Dtype],
    scalars: Sequence[bool | int | float],
    grid: tuple[int, int, int],
    threadgroup: tuple[int, int, int],
    shared_memory: int = 0,
    init_value: float | None = None,
    ensure_row_contiguous: bool = False,
    stream: StreamOrDevice = None,
) -> list[array]:
    """The outputs of a CUDA kernel given as PTX or as a cubin."""

def metal_kernel(name: str, *args: Any, **kwargs: Any) -> NoReturn:
    """RuntimeError, always: there is no Metal on this machine. See cuda_kernel."""
