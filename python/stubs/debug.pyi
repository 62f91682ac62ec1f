"""Counters of melix.core.debug, for tests and profiling."""

def traffic() -> dict[str, int]:
    """Bytes that kernels read and wrote, and kernels run, since the start of the process."""
