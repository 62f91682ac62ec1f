"""Counters and switches of melix.core.debug, for tests and profiling."""

def traffic() -> dict[str, int]:
    """Bytes that kernels read and wrote, and kernels run, since the start of the process."""

def num_threads() -> int:
    """Threads that parallel work uses, the caller among them."""

def set_num_threads(n: int) -> None:
    """Changes that number from now on; 0 gives the default back. No result depends on it."""

def instruction_set() -> str:
    """The instruction set of the CPU's kernels, as MELIX_CPU names it."""

def set_file_fault(kind: str, at: int = 0, persistent: bool = False, error: int = 5) -> None:
    """For tests: makes calls of the system for files fail ("error", "kill", "brief", "interrupt"; "none": none)."""

def file_calls() -> int:
    """Calls of the system for files since set_file_fault."""
