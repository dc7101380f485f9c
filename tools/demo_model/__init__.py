"""The demo model: training, weights, and writers for ComfyUI and diffusers. Start at MODEL_CARD.md."""

from .load import NarrowModel, load_narrow
from .weights import MissingWeightsError

__all__ = ["MissingWeightsError", "NarrowModel", "load_narrow"]
