"""melix: machine learning on your own machine.

Arrays and operations are in `melix.core`, usually imported as `mx`:

    import melix.core as mx
"""

from melix.core import __version__

__all__ = ["__version__"]
