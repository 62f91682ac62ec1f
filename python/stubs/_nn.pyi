"""Types of melix.core._nn, the functions of melix.nn, made from the headers in melix/nn."""
# ruff: noqa: F401

from collections.abc import Sequence
from typing import Any, overload

from melix.core import Dtype, Operand, StreamOrDevice, array, bool_, complex64, float32, int32, uint32
