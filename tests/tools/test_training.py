"""Gradients averaged over workers are those of the whole batch."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from tools.demo_model.train_unet import average_over_workers, learning_rate, stratified_timesteps

DATA = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
WEIGHT = torch.tensor([[0.3, -1.2, 0.5]])


def worker(rank: int, folder: str) -> None:
    store = dist.FileStore(f"{folder}/store", 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    weight = WEIGHT.clone().requires_grad_()
    half = DATA[rank::2]
    torch.tanh(half @ weight.T).square().mean().backward()
    extra = average_over_workers([weight], [float(rank)])
    torch.save({"gradient": weight.grad, "extra": extra}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_workers_agree_on_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    multiprocessing.spawn(worker, (str(tmp_path),), nprocs=2)
    weight = WEIGHT.clone().requires_grad_()
    torch.tanh(DATA @ weight.T).square().mean().backward()
    for rank in range(2):
        result = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(result["gradient"], weight.grad)
        assert result["extra"] == [0.5]


def test_every_tenth_of_the_timesteps_is_drawn() -> None:
    steps = stratified_timesteps(20, torch.Generator().manual_seed(0))
    assert torch.bincount(steps // 100, minlength=10).tolist() == [2] * 10


def test_learning_rate_rises_holds_and_falls() -> None:
    assert learning_rate(0, 0.0, 1.0) < 0.02
    assert learning_rate(200, 0.3, 1.0) == learning_rate(900, 0.6, 1.0) == 1.0
    assert abs(learning_rate(2000, 1.0, 1.0) - 0.02) < 1e-9
