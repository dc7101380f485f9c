"""The demo model's autoencoder: TAESD's layout, narrower at each level than TAESD's 64 channels.

TAESD has no normalisation layers, so a narrow network padded with zero weights to 64 channels computes the
same function, and a residual block of zero weights is a plain ReLU. A level with no block of its own therefore
keeps a ReLU in its place. ``state_dict`` keys count layers as TAESD does, so that padding is the whole export.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

LATENT_CHANNELS = 4
FULL_WIDTH = 64
FULL_BLOCKS = {"encoder": (1, 3, 3, 3), "decoder": (1, 3, 3, 3)}


@dataclass(frozen=True)
class AutoencoderConfig:
    """Widths and numbers of blocks from full resolution down to 1/8."""

    encoder_widths: tuple[int, ...] = (16, 32, 48, 64)
    encoder_blocks: tuple[int, ...] = (0, 0, 2, 3)
    decoder_widths: tuple[int, ...] = (16, 32, 48, 64)
    decoder_blocks: tuple[int, ...] = (0, 1, 3, 3)

    def to_dict(self) -> dict[str, list[int]]:
        return {key: list(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, list[int]]) -> AutoencoderConfig:
        return cls(**{key: tuple(value) for key, value in values.items()})


class Clamp(nn.Module):
    """Soft clamp to (-3, 3): 3 tanh(x / 3)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class Block(nn.Module):
    """Residual block of three 3x3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            _conv(width, width), nn.ReLU(), _conv(width, width), nn.ReLU(), _conv(width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


def _conv(n_in: int, n_out: int, **options: object) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, 3, padding=1, **options)


def _level(width: int, blocks: int, full: int) -> list[nn.Module]:
    return [Block(width) if index < blocks else nn.ReLU() for index in range(full)]


def _encoder(config: AutoencoderConfig) -> nn.Sequential:
    widths, blocks, full = config.encoder_widths, config.encoder_blocks, FULL_BLOCKS["encoder"]
    layers: list[nn.Module] = [_conv(3, widths[0]), *_level(widths[0], blocks[0], full[0])]
    for level in range(1, 4):
        layers.append(_conv(widths[level - 1], widths[level], stride=2, bias=False))
        layers += _level(widths[level], blocks[level], full[level])
    return nn.Sequential(*layers, _conv(widths[3], LATENT_CHANNELS))


def _decoder(config: AutoencoderConfig) -> nn.Sequential:
    widths, blocks, full = config.decoder_widths, config.decoder_blocks, FULL_BLOCKS["decoder"]
    layers: list[nn.Module] = [Clamp(), _conv(LATENT_CHANNELS, widths[3]), nn.ReLU()]
    for level in (3, 2, 1, 0):
        layers += _level(widths[level], blocks[level], full[level])
        if level:
            layers += [nn.Upsample(scale_factor=2), _conv(widths[level], widths[level - 1], bias=False)]
    return nn.Sequential(*layers, _conv(widths[0], 3))


def _initialise(model: Autoencoder) -> None:
    """He's initialisation, with the mean colour of each 8x8 cell passed straight through.

    PyTorch's own default shrinks the signal layer by layer, and even without that the first minutes of training go
    into finding out what a mean colour is. Blocks begin nearly as identities, and channels 0 to 2 carry R, G and B.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, Block):
            module.conv[-1].weight.data.mul_(0.1)
            module.conv[-1].weight.data[:3] = 0.0
    contrast = 4.0
    for part in (model.encoder, model.decoder):
        convolutions = [module for module in part if isinstance(module, nn.Conv2d)]
        for module in convolutions:
            weight = module.weight.data
            weight[:3] = 0.0
            for colour in range(3):
                if module.stride == (2, 2):
                    weight[colour, colour, 1:, 1:] = 0.25
                else:
                    weight[colour, colour, 1, 1] = 1.0
        last = convolutions[-1].weight.data
        last[:3, 3:] *= 0.01
    to_latent, from_latent = model.encoder[-1], model.decoder[1]
    to_latent.weight.data[:3] *= contrast
    to_latent.bias.data[:3] = -0.5 * contrast
    from_latent.weight.data[:3] /= contrast
    from_latent.bias.data[:3] = 0.5


class Autoencoder(nn.Module):
    """Images (B, 3, H, W) in [0, 1] <-> latents (B, 4, H/8, W/8) of about zero mean and unit variance.

    H and W are multiples of 8. Device and dtype are those of the weights.
    """

    def __init__(self, config: AutoencoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or AutoencoderConfig()
        self.encoder = _encoder(self.config)
        self.decoder = _decoder(self.config)
        _initialise(self)

    def encode(self, image: Tensor) -> Tensor:
        return self.encoder(image)

    def decode(self, latent: Tensor) -> Tensor:
        """Not clipped: values may leave [0, 1] a little."""
        return self.decoder(latent)


def start_from(model: Autoencoder, weights: dict[str, Tensor]) -> None:
    """Load ``weights`` of a model with the same widths and perhaps fewer blocks; missing blocks start as identities.

    Raises RuntimeError for weights that this model has no place for, or that it lacks outside of new blocks.
    """
    lacking, unknown = model.load_state_dict(weights, strict=False)
    blocks = {name: part for name, part in model.named_modules() if isinstance(part, Block)}
    homeless = [key for key in lacking if key.partition(".conv.")[0] not in blocks]
    if unknown or homeless:
        raise RuntimeError(f"weights of another layout: unknown {unknown}, missing {homeless}")
    for name in {key.partition(".conv.")[0] for key in lacking}:
        nn.init.zeros_(blocks[name].conv[-1].weight)
        nn.init.zeros_(blocks[name].conv[-1].bias)


def padded_state_dict(model: Autoencoder) -> dict[str, Tensor]:
    """TAESD weights at 64 channels, keys ``encoder.<i>...`` and ``decoder.<i>...``, same function."""
    full = Autoencoder(
        AutoencoderConfig((FULL_WIDTH,) * 4, FULL_BLOCKS["encoder"], (FULL_WIDTH,) * 4, FULL_BLOCKS["decoder"])
    )
    narrow = model.state_dict()
    padded = {}
    for key, value in full.state_dict().items():
        wide = torch.zeros_like(value)
        if key in narrow:
            source = narrow[key].float()
            wide[tuple(slice(0, n) for n in source.shape)] = source
        padded[key] = wide
    return padded
