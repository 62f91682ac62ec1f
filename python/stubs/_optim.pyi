"""Types of melix.core._optim, the rules of melix.optimizers, made from the headers in melix/optim."""
# ruff: noqa: F401

from collections.abc import Sequence
from typing import Any, overload

from melix.core import Dtype, Operand, StreamOrDevice, array, bool_, complex64, float32, int32, uint32
