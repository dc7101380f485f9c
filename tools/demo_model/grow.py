"""A larger U-Net that begins as a smaller one (Net2Net, arXiv 1511.05641).

Deeper: new blocks begin as identities, so that the function stays the same to rounding. Wider: every channel is
repeated and its copies share the weights that read it, unevenly, so that they part in training. Where all levels grow
by one factor this is exact, too; else a GroupNorm over two joined streams divides them anew and the start is only near
(the shipped weights as "wide": validation loss 0.09542 instead of 0.09541).

    python -m tools.demo_model.grow --layout wide --out start.pt
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from .layout import HEAD, LAYOUTS, Layout, layout_of
from .network import Network
from .weights import FOLDER, read_unet

JITTER = 0.2
State = dict[str, Tensor]
Segments = list[tuple[int, int]]
"""Of one dimension of a weight: (channels before, factor) of every stream that is joined in it."""


def _fresh(layout: Layout, seed: int) -> State:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(layout).state_dict()


def deepened(state: State, blocks: int, seed: int = 0) -> State:
    """The same function with ``blocks`` residual blocks a level.

    On the way up the new ones stand after the first, which alone changes the width.
    """
    old = layout_of(state)
    added, new = blocks - old.blocks, Layout(old.widths, blocks)
    if added < 0:
        raise ValueError(f"blocks is {blocks}; the model already has {old.blocks} a level.")
    grown = _fresh(new, seed)
    names = {}
    for key in state:
        parts = key.split(".")
        if parts[0] == "up_blocks" and parts[2] in ("resnets", "attentions") and int(parts[3]) >= 1:
            parts[3] = str(int(parts[3]) + added)
        names[".".join(parts)] = key
    for key in grown:
        if key in names:
            grown[key] = state[names[key]].clone()
            continue
        if key.endswith(("conv2.weight", "conv2.bias", "proj_out.weight", "proj_out.bias", "conv_shortcut.bias")):
            grown[key] = torch.zeros_like(grown[key])
        elif key.endswith("conv_shortcut.weight"):
            # What comes from below goes on; of the skip nothing is read yet.
            out, joined = grown[key].shape[:2]
            grown[key] = torch.eye(out, joined)[:, :, None, None]
    return grown


def streams(old: Layout, new: Layout) -> dict[str, tuple[Segments, Segments]]:
    """(out, in) of every residual block, attention and change of scale, by the name of the module."""

    def stream(level: int) -> tuple[int, int]:
        return old.widths[level], new.widths[level] // old.widths[level]

    last, found = len(old.widths) - 1, {"conv_in": ([stream(0)], [(4, 1)]), "conv_out": ([(4, 1)], [stream(0)])}
    made = [stream(0)]
    for level in range(last + 1):
        own = stream(level)
        for number in range(old.blocks):
            found[f"down_blocks.{level}.resnets.{number}"] = [own], [made[-1]]
            found[f"down_blocks.{level}.attentions.{number}"] = [own], [own]
            made.append(own)
        if level < last:
            found[f"down_blocks.{level}.downsamplers.0"] = [own], [own]
            made.append(own)
    hidden = stream(last)
    for name in ("mid_block.resnets.0", "mid_block.resnets.1", "mid_block.attentions.0"):
        found[name] = [hidden], [hidden]
    for number in range(last + 1):
        own = stream(last - number)
        for block in range(old.blocks + 1):
            found[f"up_blocks.{number}.resnets.{block}"] = [own], [hidden, made.pop()]
            found[f"up_blocks.{number}.attentions.{block}"] = [own], [own]
            hidden = own
        found[f"up_blocks.{number}.upsamplers.0"] = [own], [own]
    return found


def _copies(segments: Segments) -> Tensor:
    """For every new channel the old one it copies."""
    parts, start = [], 0
    for width, factor in segments:
        parts.append((torch.arange(width) + start).repeat_interleave(factor))
        start += width
    return torch.cat(parts)


def _head_copies(width: int, factor: int) -> Tensor:
    """As ``_copies``, heads as wholes."""
    heads = torch.arange(width).view(-1, HEAD)
    return heads.repeat_interleave(factor, 0).flatten()


def _shared(value: Tensor, copies: Tensor, generator: torch.Generator) -> Tensor:
    """Columns (dimension 1) repeated as ``copies`` says; the copies of one share its weight, unevenly."""
    shape = (value.shape[0], len(copies), *[1] * (value.ndim - 2))
    share = 1 + JITTER * (2 * torch.rand(shape, generator=generator) - 1)
    total = torch.zeros(value.shape[0], value.shape[1], *shape[2:]).index_add_(1, copies, share)
    return value[:, copies] * share / total[:, copies]


def widened(state: State, widths: tuple[int, ...], seed: int = 0) -> State:
    """Every level's channels repeated until there are ``widths``.

    Raises:
        ValueError: a width is no multiple of the one before.
    """
    old = layout_of(state)
    if len(widths) != len(old.widths) or any(new % was for new, was in zip(widths, old.widths, strict=True)):
        raise ValueError(f"widths are {widths}; each must be a multiple of {old.widths}.")
    new, generator = Layout(tuple(widths), old.blocks), torch.Generator().manual_seed(seed)
    table, time = streams(old, new), (4 * old.widths[0], widths[0] // old.widths[0])
    grown = {}
    for key, tensor in state.items():
        value, kind = tensor.detach().float(), key.rpartition(".")[2]
        module = next((name for name in table if key.startswith(f"{name}.")), "")
        out, into = table.get(module, ([time], [time]))
        rows, columns = _copies(out), _copies(into)
        if "time_emb_proj" in key:
            columns = _copies([time])
        elif key.startswith("time_embedding.linear_1"):
            columns = torch.arange(value.shape[-1])
        elif key.startswith("conv_norm_out"):
            rows = _copies([(old.widths[0], widths[0] // old.widths[0])])
        elif ".norm1." in key and ".resnets." in key:
            rows = columns
        elif key.endswith(("to_q.weight", "to_k.weight", "to_v.weight")):
            rows = _head_copies(*out[0])
        elif ".to_out." in key:
            columns = _head_copies(*into[0])
        elif ".net.0." in key:
            # Values and gates are two halves.
            rows = _copies([(4 * out[0][0], out[0][1])] * 2)
        elif ".net.2." in key:
            columns = _copies([(4 * into[0][0], into[0][1])])
        elif ".conv2." in key:
            columns = rows
        grown[key] = value[rows] if kind == "bias" or value.ndim == 1 else _shared(value[rows], columns, generator)
    for name, (out, into) in table.items():
        one_width = ".resnets." in name and f"{name}.conv_shortcut.weight" not in state
        rows, columns = _copies(out), _copies(into)
        if one_width and len(rows) != len(columns):
            # Where both sides had one width the input was added as it is.
            same = (rows[:, None] == columns).float()
            grown[f"{name}.conv_shortcut.weight"] = (same / same.sum(1, keepdim=True))[:, :, None, None]
            grown[f"{name}.conv_shortcut.bias"] = torch.zeros(len(rows))
    return grown


def grown(state: State, layout: Layout, seed: int = 0) -> State:
    """A start for ``layout`` from weights of a smaller one, float32."""
    return widened(deepened(state, layout.blocks, seed), layout.widths, seed)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model.grow", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--weights", type=Path, default=FOLDER, help="folder of narrow weights")
    parser.add_argument("--layout", choices=tuple(LAYOUTS), required=True)
    parser.add_argument("--out", type=Path, required=True, help="a start for tools.demo_model.train_unet --start")
    args = parser.parse_args()
    state = grown(read_unet(args.weights), LAYOUTS[args.layout])
    torch.save({"ema": {key: value.half() for key, value in state.items()}}, args.out)


if __name__ == "__main__":
    main()
