"""Deprecated names of memory functions, for programs that use them; melix.core has the same. There is no Metal here."""

from typing import Any, NoReturn

from melix.core import clear_cache as clear_cache
from melix.core import get_active_memory as get_active_memory
from melix.core import get_cache_memory as get_cache_memory
from melix.core import get_peak_memory as get_peak_memory
from melix.core import reset_peak_memory as reset_peak_memory
from melix.core import set_cache_limit as set_cache_limit
from melix.core import set_memory_limit as set_memory_limit
from melix.core import set_wired_limit as set_wired_limit

def is_available() -> bool:
    """False."""

def device_info() -> dict[str, str | int]:
    """What is known of the default device: melix.core.device_info()."""

def start_capture(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises RuntimeError: captures need Metal."""

def stop_capture(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises RuntimeError: captures need Metal."""
