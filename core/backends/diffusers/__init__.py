"""diffusers as a host: ``DiffusersDenoiser`` over a U-Net, ``DiffusersVae`` over an autoencoder, and loading.

diffusers itself is imported only when something is loaded from disk.
"""

from .conditioning import Conditioning, null_conditioning
from .denoiser import DiffusersDenoiser
from .vae import DiffusersVae

__all__ = ["Conditioning", "DiffusersDenoiser", "DiffusersVae", "null_conditioning"]
