"""diffusers as a host: ``DiffusersDenoiser`` over a U-Net, ``DiffusersVae`` over an autoencoder, and loading.

diffusers itself is imported only when something is loaded from disk.
"""

from .components import Components, from_pipeline
from .conditioning import Conditioning, context_width, null_conditioning
from .denoiser import DiffusersDenoiser
from .loading import load
from .painter import DiffusersPainter, check_painter, extra_channels
from .vae import DiffusersVae

__all__ = [
    "Components",
    "Conditioning",
    "DiffusersDenoiser",
    "DiffusersPainter",
    "DiffusersVae",
    "check_painter",
    "context_width",
    "extra_channels",
    "from_pipeline",
    "load",
    "null_conditioning",
]
