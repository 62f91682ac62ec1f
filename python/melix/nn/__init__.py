"""Neural networks: modules, layers, losses, initialisers.

import melix.nn as nn
"""

from melix.nn import init, layers, losses, utils
from melix.nn.layers import *  # noqa: F403
from melix.nn.layers import __all__ as _layers
from melix.nn.utils import average_gradients, value_and_grad

__all__ = [*_layers, "average_gradients", "init", "layers", "losses", "utils", "value_and_grad"]
