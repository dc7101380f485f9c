"""What is put where something was taken away.

Three continuations of the surroundings, each right for another kind of background, and a trial on the picture itself
that tells which kind it has (``trial``).
"""

from .biharmonic import biharmonic
from .harmonic import harmonic
from .patches import patches
from .trial import Method, best_method, continued

__all__ = ["Method", "best_method", "biharmonic", "continued", "harmonic", "patches"]
