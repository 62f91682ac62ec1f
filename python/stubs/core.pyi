"""Types of melix.core. What follows the part written by hand is made from the headers of the operations."""

import enum
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, BinaryIO, ClassVar, Literal, ParamSpec, Protocol, TextIO, TypeAlias, TypeVar, overload

from melix.array_api import ArrayNamespaceInfo

from melix.core import cuda as cuda
from melix.core import debug as debug
from melix.core import distributed as distributed
from melix.core import fast as fast
from melix.core import fft as fft
from melix.core import linalg as linalg
from melix.core import metal as metal
from melix.core import random as random

P = ParamSpec("P")
R = TypeVar("R")

class _Exporter(Protocol):
    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...

Scalar: TypeAlias = bool | int | float | complex
Operand: TypeAlias = array | Scalar | ArrayLike | _Exporter
StreamOrDevice: TypeAlias = Stream | ThreadLocalStream | Device | DeviceType | None

__version__: str
pi: float
e: float
euler_gamma: float
inf: float
nan: float
newaxis: None

# ---- dtypes ----

class Dtype:
    """The type of an array's elements."""

    @property
    def size(self) -> int: ...

bool_: Dtype
uint8: Dtype
uint16: Dtype
uint32: Dtype
uint64: Dtype
int8: Dtype
int16: Dtype
int32: Dtype
int64: Dtype
float16: Dtype
bfloat16: Dtype
float32: Dtype
float64: Dtype
complex64: Dtype

class DtypeCategory(enum.Enum):
    """Kinds of dtypes, as a tree."""

    complexfloating = ...
    floating = ...
    inexact = ...
    signedinteger = ...
    unsignedinteger = ...
    integer = ...
    number = ...
    generic = ...

complexfloating = DtypeCategory.complexfloating
floating = DtypeCategory.floating
inexact = DtypeCategory.inexact
signedinteger = DtypeCategory.signedinteger
unsignedinteger = DtypeCategory.unsignedinteger
integer = DtypeCategory.integer
number = DtypeCategory.number
generic = DtypeCategory.generic

class finfo:
    """Limits of a floating type (of the parts of a complex one)."""

    def __init__(self, dtype: Dtype, /) -> None: ...
    @property
    def dtype(self) -> Dtype: ...
    @property
    def bits(self) -> int: ...
    @property
    def min(self) -> float: ...
    @property
    def max(self) -> float: ...
    @property
    def eps(self) -> float: ...
    @property
    def smallest_normal(self) -> float: ...

class iinfo:
    """Limits of an integer type."""

    def __init__(self, dtype: Dtype, /) -> None: ...
    @property
    def dtype(self) -> Dtype: ...
    @property
    def bits(self) -> int: ...
    @property
    def min(self) -> int: ...
    @property
    def max(self) -> int: ...

def issubdtype(arg1: Dtype | DtypeCategory, arg2: Dtype | DtypeCategory) -> bool:
    """Whether a dtype or category is one, or belongs to one."""

def isdtype(dtype: Dtype, kind: Dtype | str | tuple[Dtype | str, ...]) -> bool:
    """Whether a dtype is of a kind: another dtype, the name of a kind of the array API, or a tuple of these."""

def can_cast(from_: array | Dtype, to: Dtype) -> bool:
    """Whether values of a dtype (or array) become those of another by promotion alone."""

def result_type(*arrays_and_dtypes: array | Dtype) -> Dtype:
    """The dtype that these arrays and dtypes are promoted to."""

# ---- devices and memory ----

class DeviceType(enum.Enum):
    """Kinds of devices."""

    cpu = ...
    gpu = ...

cpu = DeviceType.cpu
gpu = DeviceType.gpu

class Device:
    """One device, on which operations run. Arrays belong to no device."""

    def __init__(self, type: DeviceType, index: int = 0) -> None: ...
    @property
    def type(self) -> DeviceType: ...
    @property
    def index(self) -> int: ...

class Stream:
    """A queue of work on a device: in order within, beside each other between streams."""

    @property
    def device(self) -> Device: ...
    @property
    def index(self) -> int: ...

class ThreadLocalStream:
    """Stands for another stream on every thread."""

    @property
    def device(self) -> Device: ...

class StreamContext:
    """A context whose operations use one stream, unless they name another."""

    def __init__(self, s: Stream | ThreadLocalStream | Device | DeviceType) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

def default_device() -> Device:
    """The device of operations that name none."""

def set_default_device(device: Device | DeviceType) -> None:
    """Sets the device of operations that name none. ValueError if there is none such."""

def default_stream(device: Device | DeviceType) -> Stream:
    """The stream of operations on a device that name none."""

def set_default_stream(stream: Stream) -> None:
    """Sets the default stream of its device."""

def new_stream(device: Device | DeviceType) -> Stream:
    """A new stream on a device."""

def new_thread_unsafe_stream(device: Device | DeviceType) -> Stream:
    """A new stream on a device. (Every stream may be used by any thread.)"""

def new_thread_local_stream(device: Device | DeviceType) -> ThreadLocalStream:
    """An object that stands for a stream of each thread's own."""

def clear_streams() -> None:
    """Waits for the work of the default stream."""

def stream(s: Stream | ThreadLocalStream | Device | DeviceType) -> StreamContext:
    """A context: `with mx.stream(mx.cpu):` operations that name no stream use this one."""

def synchronize(stream: StreamOrDevice = None) -> None:
    """Waits until all work given to a stream (the default one) is done."""

def device_count(device_type: DeviceType) -> int:
    """Number of devices of a kind."""

def is_available(device: Device | DeviceType) -> bool:
    """Whether this process can use a device."""

def device_info(d: Device | DeviceType | None = None) -> dict[str, str | int]:
    """What is known of a device: a dict with at least its architecture and name."""

def get_active_memory() -> int:
    """Bytes in use by arrays."""

def get_peak_memory() -> int:
    """Most bytes in use at once since the start or reset_peak_memory()."""

def reset_peak_memory() -> None:
    """Starts measuring the peak anew."""

def get_cache_memory() -> int:
    """Bytes freed by arrays and kept for later ones."""

def set_memory_limit(limit: int) -> int:
    """Sets the most bytes that may be in use; an allocation beyond is a MemoryError. Returns the limit before."""

def get_memory_limit() -> int:
    """The most bytes that may be in use."""

def set_cache_limit(limit: int) -> int:
    """Sets the most bytes to keep for later arrays. Returns the limit before."""

def set_wired_limit(limit: int) -> int:
    """Remembers a limit and returns the one before. It has no effect: memory of the host is not wired."""

def clear_cache() -> None:
    """Gives freed memory back to the system."""

def get_array_buffer_size(*arrays: Any) -> int:
    """Bytes of the memory that evaluated arrays hold; shared memory counts once."""

# ---- arrays ----

class ArrayLike:
    """Stands for an object whose method __mlx_array__ returns an array."""

    def __init__(self, object: Any) -> None: ...

class ArrayIterator:
    """Iterates over the first axis of an array."""

    def __iter__(self) -> ArrayIterator: ...
    def __next__(self) -> array: ...

class ArrayAt:
    """Updates of parts of an array: a.at[index].add(values) is a new array, in which repeated indices add up."""

    def __getitem__(self, indices: Any) -> ArrayAt: ...
    def add(self, value: Operand) -> array: ...
    def subtract(self, value: Operand) -> array: ...
    def multiply(self, value: Operand) -> array: ...
    def divide(self, value: Operand) -> array: ...
    def maximum(self, value: Operand) -> array: ...
    def minimum(self, value: Operand) -> array: ...

class array:
    """A lazy array of numbers."""

    __hash__: ClassVar[Callable[[array], int]]
    def __init__(self, val: Any, dtype: Dtype | None = None) -> None: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Dtype: ...
    @property
    def size(self) -> int: ...
    @property
    def ndim(self) -> int: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def real(self) -> array: ...
    @property
    def imag(self) -> array: ...
    @property
    def T(self) -> array: ...
    @property
    def mT(self) -> array: ...
    @property
    def at(self) -> ArrayAt: ...
    def item(self) -> Any: ...
    def tolist(self) -> Any: ...
    def numpy(self) -> Any: ...
    def __round__(self, ndigits: int | None = None) -> array: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[array]: ...
    def __getitem__(self, index: Any) -> array: ...
    def __setitem__(self, index: Any, value: Any) -> None: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def __complex__(self) -> complex: ...
    def __index__(self) -> int: ...
    def __bytes__(self) -> bytes: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __copy__(self) -> array: ...
    def __deepcopy__(self, memo: Any, /) -> array: ...
    def __getstate__(self) -> tuple[Dtype, tuple[int, ...], Any]: ...
    def __setstate__(self, state: tuple[Dtype, tuple[int, ...], Any], /) -> None: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...
    def __array_namespace__(self, api_version: str | None = None) -> Any: ...
    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __neg__(self) -> array: ...
    def __pos__(self) -> array: ...
    def __abs__(self) -> array: ...
    def __invert__(self) -> array: ...
    def __add__(self, other: Operand) -> array: ...
    def __radd__(self, other: Operand) -> array: ...
    def __iadd__(self, other: Operand) -> array: ...
    def __sub__(self, other: Operand) -> array: ...
    def __rsub__(self, other: Operand) -> array: ...
    def __isub__(self, other: Operand) -> array: ...
    def __mul__(self, other: Operand) -> array: ...
    def __rmul__(self, other: Operand) -> array: ...
    def __imul__(self, other: Operand) -> array: ...
    def __truediv__(self, other: Operand) -> array: ...
    def __rtruediv__(self, other: Operand) -> array: ...
    def __itruediv__(self, other: Operand) -> array: ...
    def __div__(self, other: Operand) -> array: ...
    def __rdiv__(self, other: Operand) -> array: ...
    def __floordiv__(self, other: Operand) -> array: ...
    def __rfloordiv__(self, other: Operand) -> array: ...
    def __ifloordiv__(self, other: Operand) -> array: ...
    def __mod__(self, other: Operand) -> array: ...
    def __rmod__(self, other: Operand) -> array: ...
    def __imod__(self, other: Operand) -> array: ...
    def __divmod__(self, other: Operand) -> tuple[array, array]: ...
    def __rdivmod__(self, other: Operand) -> tuple[array, array]: ...
    def __pow__(self, other: Operand) -> array: ...
    def __rpow__(self, other: Operand) -> array: ...
    def __ipow__(self, other: Operand) -> array: ...
    def __matmul__(self, other: Operand) -> array: ...
    def __rmatmul__(self, other: Operand) -> array: ...
    def __imatmul__(self, other: Operand) -> array: ...
    def __and__(self, other: Operand) -> array: ...
    def __rand__(self, other: Operand) -> array: ...
    def __iand__(self, other: Operand) -> array: ...
    def __or__(self, other: Operand) -> array: ...
    def __ror__(self, other: Operand) -> array: ...
    def __ior__(self, other: Operand) -> array: ...
    def __xor__(self, other: Operand) -> array: ...
    def __rxor__(self, other: Operand) -> array: ...
    def __ixor__(self, other: Operand) -> array: ...
    def __lshift__(self, other: Operand) -> array: ...
    def __rlshift__(self, other: Operand) -> array: ...
    def __ilshift__(self, other: Operand) -> array: ...
    def __rshift__(self, other: Operand) -> array: ...
    def __rrshift__(self, other: Operand) -> array: ...
    def __irshift__(self, other: Operand) -> array: ...
    def __eq__(self, other: Any) -> array: ...  # type: ignore[override]
    def __ne__(self, other: Any) -> array: ...  # type: ignore[override]
    def __lt__(self, other: Operand) -> array: ...
    def __le__(self, other: Operand) -> array: ...
    def __gt__(self, other: Operand) -> array: ...
    def __ge__(self, other: Operand) -> array: ...
    def reshape(self, *shape: int | Sequence[int], stream: StreamOrDevice = None) -> array:
        """The same elements in another shape, given as ints or as one sequence."""

    def transpose(self, *axes: int | Sequence[int] | None, stream: StreamOrDevice = None) -> array:
        """Axes permuted; without axes, their order is reversed."""

    # (methods made from the operations)

def __array_namespace_info__() -> ArrayNamespaceInfo:
    """What the Python array API asks about this module."""

def asarray(a: Any, dtype: Dtype | None = None, *, copy: bool | None = None) -> array:
    """An array of an object's elements, copied unless it is an array; with copy=False on the object's own memory."""

def from_dlpack(x: Any, *, copy: bool | None = None) -> array:
    """An array on the memory of an object that has __dlpack__, where that is possible."""

def einsum(subscripts: str, *operands: Operand, stream: StreamOrDevice = None) -> array:
    """Sums of products over labelled axes: "ij,jk->ik" is a matrix product. See the reference of operations."""

def einsum_path(subscripts: str, *operands: Operand) -> tuple[list[tuple[int, ...]], str]:
    """The order in which einsum contracts its operands, as places in the list of those left, and a report."""

@overload
def atleast_1d(ary: Operand, /, *, stream: StreamOrDevice = None) -> array: ...
@overload
def atleast_1d(*arys: Operand, stream: StreamOrDevice = None) -> array | list[array]:
    """Arrays of at least one dimension; a list of several."""

@overload
def atleast_2d(ary: Operand, /, *, stream: StreamOrDevice = None) -> array: ...
@overload
def atleast_2d(*arys: Operand, stream: StreamOrDevice = None) -> array | list[array]:
    """Arrays of at least two dimensions; a list of several."""

@overload
def atleast_3d(ary: Operand, /, *, stream: StreamOrDevice = None) -> array: ...
@overload
def atleast_3d(*arys: Operand, stream: StreamOrDevice = None) -> array | list[array]:
    """Arrays of at least three dimensions; a list of several."""

# ---- files ----

_ArrayFile: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes] | BinaryIO
_Metadata: TypeAlias = array | str | list[str]

def load(
    file: _ArrayFile,
    format: str | None = None,
    return_metadata: bool = False,
    *,
    gguf_blocks: bool = False,
    stream: StreamOrDevice = None,
) -> Any:
    """The array of an .npy file, or a dict of the arrays of an .npz, .safetensors or .gguf file (with
    `return_metadata` and `gguf_blocks` a tuple that ends with the metadata and the modes of quantized blocks)."""

def save(file: _ArrayFile, arr: array) -> None:
    """Saves an array as .npy."""

def savez(file: _ArrayFile, *args: array, **kwargs: array) -> None:
    """Saves arrays as .npz: those without a name as arr_0, arr_1, ..."""

def savez_compressed(file: _ArrayFile, *args: array, **kwargs: array) -> None:
    """Saves arrays as .npz, compressed."""

def save_safetensors(
    file: _ArrayFile, arrays: dict[str, array], metadata: dict[str, str] | None = None
) -> None:
    """Saves a dict of arrays, and one of strings, as .safetensors."""

def save_gguf(
    file: _ArrayFile, arrays: dict[str, array], metadata: dict[str, _Metadata] | None = None
) -> None:
    """Saves a dict of arrays as .gguf. Metadata are arrays of at most one axis, strings, and lists of strings."""

# ---- evaluation ----

def eval(*args: Any) -> None:
    """Computes arrays now. Takes arrays, and lists, tuples and dicts of them."""

def async_eval(*args: Any) -> None:
    """Starts computing arrays and returns at once. Who reads a value waits for it."""

def depends(inputs: R, dependencies: array | Sequence[array]) -> R:
    """The arrays of `inputs` (one, or a list) unchanged, but evaluated only after all of `dependencies` are."""

# ---- transforms ----

def grad(
    fun: Callable[P, Any], argnums: int | Sequence[int] | None = None, argnames: str | Sequence[str] = []
) -> Callable[P, Any]: ...
def value_and_grad(
    fun: Callable[P, R], argnums: int | Sequence[int] | None = None, argnames: str | Sequence[str] = []
) -> Callable[P, tuple[R, Any]]: ...
def jvp(
    fun: Callable[..., Any], primals: Sequence[array], tangents: Sequence[array]
) -> tuple[list[array], list[array]]: ...
def vjp(
    fun: Callable[..., Any], primals: Sequence[array], cotangents: Sequence[array]
) -> tuple[list[array], list[array]]: ...
def vmap(fun: Callable[P, R], in_axes: Any = 0, out_axes: Any = 0) -> Callable[P, R]: ...
def compile(
    fun: Callable[P, R], inputs: Any | None = None, outputs: Any | None = None, shapeless: bool = False
) -> Callable[P, R]: ...
def checkpoint(fun: Callable[P, R]) -> Callable[P, R]: ...
def enable_compile() -> None: ...
def disable_compile() -> None: ...

class FunctionExporter:
    """Collects traces of a function for one file."""

    def __call__(self, *args: Any, **kwargs: Any) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> FunctionExporter: ...
    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

class ImportedFunction:
    """A function from a file."""

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[array, ...]: ...

def export_function(
    file_or_callback: str | PathLike[str] | Callable[[dict[str, Any]], Any],
    fun: Callable[..., array | Sequence[array]],
    *args: Any,
    shapeless: bool = False,
    metadata: str | None = None,
    **kwargs: Any,
) -> None:
    """Writes a function, traced for arguments like these, into a file that import_function reads."""

def exporter(
    file: str | PathLike[str],
    fun: Callable[..., array | Sequence[array]],
    *,
    shapeless: bool = False,
    metadata: str | None = None,
) -> FunctionExporter:
    """A context that writes several traces of one function into a file."""

@overload
def import_function(
    file: str | PathLike[str], return_metadata: Literal[False] = False
) -> ImportedFunction: ...
@overload
def import_function(
    file: str | PathLike[str], return_metadata: Literal[True]
) -> tuple[ImportedFunction, str]: ...
def export_to_dot(file: str | PathLike[str] | TextIO, *args: Any, **kwargs: array) -> None:
    """Writes the graph of what is not computed yet of some arrays in the language of Graphviz."""

class custom_function:
    """A function with derivatives of its own."""

    def __init__(self, f: Callable[..., Any]) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def vjp(self, f: Callable[..., Any]) -> Callable[..., Any]: ...
    def jvp(self, f: Callable[..., Any]) -> Callable[..., Any]: ...
    def vmap(self, f: Callable[..., Any]) -> Callable[..., Any]: ...

# ---- printing ----

class PrintOptions:
    """How arrays are printed."""

    precision: int
    def __init__(self, precision: int = -1) -> None: ...

class _PrintOptionsContext:
    def __enter__(self) -> _PrintOptionsContext: ...
    def __exit__(self, *args: Any) -> None: ...

def set_printoptions(precision: int = -1) -> None:
    """Sets the digits after the point that floats are printed with; -1: six digits in all."""

def get_printoptions() -> PrintOptions:
    """The options that arrays are printed with."""

def printoptions(precision: int = -1) -> _PrintOptionsContext:
    """A context in which arrays are printed with other options."""

# ---- operations ----
