"""What the U-Net's training steps by: AdamW, or Muon for matrices and AdamW for the rest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

BETAS, DECAY, MOMENTUM = (0.9, 0.99), 1e-3, 0.95
ENDS = ("conv_in.", "conv_out.")
"""Layers that read or write latents: Muon is for what lies between."""


def adamw(parameters: list[Tensor], rate: float) -> torch.optim.Optimizer:
    """AdamW as both optimisers use it."""
    return torch.optim.AdamW(parameters, rate, betas=BETAS, weight_decay=DECAY, fused=True)


class Plain:
    """AdamW for every weight."""

    def __init__(self, network: nn.Module, rate: float) -> None:
        self.parts = {"adamw": adamw(list(network.parameters()), rate)}

    def set_rate(self, rate: float) -> None:
        """The learning rate of the steps from now on."""
        for part in self.parts.values():
            for group in part.param_groups:
                group["lr"] = rate

    def step(self) -> None:
        """Change the weights by their gradients, which are gone afterwards."""
        for part in self.parts.values():
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Moments, by part."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from ``state_dict``; one of AdamW alone, as trainings wrote it before, is read, too.

        Raises:
            ValueError: the state is another optimiser's.
        """
        state = {"adamw": state_dict} if "param_groups" in state_dict else state_dict
        if state.keys() != self.parts.keys():
            raise ValueError(
                f"the checkpoint was trained with {' and '.join(state)}, not {' and '.join(self.parts)}: "
                "give the same --optimiser, or begin a new training from it with --start."
            )
        for name, part in self.parts.items():
            part.load_state_dict(state[name])


class Muon(Plain):
    """Muon (Jordan et al. 2024; arXiv 2502.16982): a matrix's momentum, made orthogonal, is its step.

    A convolution's weight (out, in, h, w) counts as the matrix (out, in h w). Scaled so that AdamW's learning rates
    fit. Biases, scales and the two ends go by AdamW.
    """

    def __init__(self, network: nn.Module, rate: float) -> None:
        inner, rest = [], []
        for name, parameter in network.named_parameters():
            (inner if parameter.ndim > 1 and not name.startswith(ENDS) else rest).append(parameter)
        # Matrices that share the weights' memory: the public Muon takes nothing of more than two dimensions.
        self.pairs = [(parameter, parameter.detach().flatten(1).requires_grad_()) for parameter in inner]
        muon = torch.optim.Muon(
            [matrix for _, matrix in self.pairs], rate, weight_decay=DECAY, momentum=MOMENTUM,
            adjust_lr_fn="match_rms_adamw",
        )  # fmt: skip
        self.parts = {"muon": muon, "adamw": adamw(rest, rate)}

    def step(self) -> None:
        for parameter, matrix in self.pairs:
            matrix.grad, parameter.grad = parameter.grad.flatten(1), None
        super().step()


OPTIMISERS: dict[str, type[Plain]] = {"adamw": Plain, **({"muon": Muon} if hasattr(torch.optim, "Muon") else {})}
"""By the name that ``--optimiser`` takes; Muon from torch 2.9 on."""
