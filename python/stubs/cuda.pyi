"""The CUDA backend."""

def is_available() -> bool:
    """Whether there is a GPU that this build can use."""
