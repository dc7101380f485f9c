"""Reading images of scene folders as tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def read_image(path: Path) -> Tensor:
    """An image file as (1, 3, H, W) float32 in [0, 1], alpha dropped."""
    array = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255.0
    return torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()
