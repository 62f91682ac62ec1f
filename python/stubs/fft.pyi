"""Types of melix.core.fft, made from the headers of the operations."""
# ruff: noqa: F401

from collections.abc import Sequence
from typing import Any, overload

from melix.core import Dtype, Operand, StreamOrDevice, array, bool_, complex64, float32, int32, uint32
