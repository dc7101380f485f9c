"""A Mac's graphics device, pretended: tensors that say "mps" and refuse what MPS refuses. Their values lie on the CPU.

What is refused: float64 (MPS has none), ``grid_sample(padding_mode="border")`` (none before PyTorch 2.13,
pytorch/pytorch#125098), and one operation over tensors of both devices. Results leave the device by an explicit copy
alone, as they do on the real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

MPS = torch.device("mps")
BORDER = 1
DOUBLE = (torch.float64, torch.complex128)
# Indices may lie on the CPU, and copies are what leads from one device to the other.
MIXING = ("aten.index.", "aten.index_put", "aten._index_put", "aten.copy_", "aten._to_copy")


class MacTensor(torch.Tensor):
    """A tensor on the pretended device."""

    @staticmethod
    def __new__(cls, values: torch.Tensor):
        if values.dtype in DOUBLE:
            raise TypeError("Cannot convert a MPS Tensor to float64: the MPS framework doesn't support it.")
        # PyTorch itself takes it for a tensor on "meta", the one device that needs no driver.
        return torch.Tensor._make_wrapper_subclass(
            cls, values.shape, strides=values.stride(), storage_offset=values.storage_offset(), dtype=values.dtype,
            device="meta",
        )  # fmt: skip

    def __init__(self, values: torch.Tensor):
        self.values_on_cpu = values

    device = property(lambda self: MPS)
    is_meta = property(lambda self: False)
    is_mps = property(lambda self: True)

    def new_tensor(self, data: Any, *, dtype: torch.dtype | None = None) -> MacTensor:
        return MacTensor(torch.tensor(data, dtype=dtype or self.dtype))

    def tolist(self) -> Any:
        return self.values_on_cpu.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert mps:0 device type tensor to numpy. Use Tensor.cpu() first.")

    def __repr__(self) -> str:
        return f"MacTensor({self.values_on_cpu})"

    @classmethod
    def __torch_dispatch__(cls, function, types, arguments=(), keywords=None):
        return _run(function, arguments, keywords or {})


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        return _run(function, arguments, keywords or {})


class _Moves(TorchFunctionMode):
    """``Tensor.to`` and ``torch.tensor``, which would look for the real device before any operation begins."""

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        keywords = dict(keywords or {})
        if function is torch.tensor and torch.device(keywords.get("device") or "cpu").type == "mps":
            return MacTensor(torch.tensor(*arguments, dtype=keywords.get("dtype")))
        if function is not torch.Tensor.to:
            return function(*arguments, **keywords)
        tensor, *rest = arguments
        device, kept = None, []
        for part in rest:
            if isinstance(part, torch.Tensor):
                device, keywords["dtype"] = part.device, part.dtype
            elif isinstance(part, str | torch.device):
                device = torch.device(part)
            elif part is not None:
                kept.append(part)
        if keywords.get("device") is not None:
            device = torch.device(keywords.pop("device"))
        if device is None:
            return tensor.to(*kept, **keywords)
        moved = (_values(tensor) if device.type == "cpu" else tensor).to(*kept, **keywords)
        if device.type == "mps" and not isinstance(moved, MacTensor):
            return MacTensor(moved)
        return moved


@contextmanager
def pretended_mac() -> Iterator[None]:
    """Within it tensors can be made on, and moved to, the pretended device."""
    with _Moves(), _Operations():
        yield


def on_mac(module: torch.nn.Module) -> torch.nn.Module:
    """The module with its parameters and buffers on the pretended device."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = torch.nn.Parameter(MacTensor(parameter.detach()), requires_grad=False)
        for name, buffer in part._buffers.items():
            part._buffers[name] = MacTensor(buffer)
    return module


def _run(function: Any, arguments: tuple, keywords: dict) -> Any:
    name = str(function)
    tensors = [part for part in tree_flatten((arguments, keywords))[0] if isinstance(part, torch.Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, MacTensor)]
    device = keywords.get("device")
    wanted = None if device is None else torch.device(device)
    if there and not name.startswith(MIXING):
        # A number may come along as a tensor without dimensions.
        strangers = [tensor for tensor in tensors if not isinstance(tensor, MacTensor) and tensor.ndim]
        if strangers:
            raise RuntimeError(f"{name}: Expected all tensors to be on the same device, found mps and cpu.")
    if there and "grid_sampler" in name and arguments[3] == BORDER:
        raise NotImplementedError("MPS: Unsupported Border padding mode")
    inner_arguments, inner_keywords = tree_map(_values, (arguments, keywords))
    if wanted is not None:
        inner_keywords["device"] = torch.device("cpu")
    result = function(*inner_arguments, **inner_keywords)
    if function._schema.is_mutable:
        first = arguments[0] if arguments else keywords.get("out")
        return first if isinstance(first, MacTensor) else result
    stays = bool(there) if wanted is None else wanted.type != "cpu"
    return tree_map(MacTensor, result) if stays and _holds_tensors(result) else result


def _values(part: Any) -> Any:
    return part.values_on_cpu if isinstance(part, MacTensor) else part


def _holds_tensors(result: Any) -> bool:
    return any(isinstance(part, torch.Tensor) for part in tree_flatten(result)[0])
