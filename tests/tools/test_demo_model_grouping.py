"""What attention is told of things: read as the pack reads it, nothing where nothing is known, and it is learned."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from core.attention.maps import MapRecorder
from core.hosts.diffusers import DiffusersDenoiser
from tests.tools.rooms import SIDE, room
from tools.demo_model import gather, grouping, load_narrow, packs, train_unet
from tools.demo_model.layout import LAYOUTS, SMALL, Layout
from tools.demo_model.network import Network
from tools.demo_model.packs import Row
from tools.demo_model.render import whose_file
from tools.demo_model.weights import FOLDER, read_unet
from tools.demo_model.write import SCHEDULER


class Said(grouping.Looking):
    """A network that looks where it is said to, 16 x 16 tokens alone."""

    def __init__(self, rows: Tensor) -> None:
        self.said, self.kept = rows, {(0, "to_q"): torch.zeros(1, SIDE * SIDE, 1)}

    def rows(self, chosen: dict[int, Tensor]) -> dict[int, Tensor]:
        (count,) = chosen
        return {count: self.said.gather(1, chosen[count][..., None].expand(-1, -1, count))}


def told(rows: Tensor, whose: Tensor, timestep: int = 100) -> float:
    result = grouping.told(Said(rows[None]), whose[None], torch.tensor([timestep]), torch.Generator().manual_seed(0))
    assert result.shape == (1,)
    return float(result)


def own(whose: Tensor) -> Tensor:
    """(256, 256): every token looks evenly at its own thing."""
    kinds = whose[::2, ::2].flatten()
    same = (kinds[:, None] == kinds).float()
    return same / same.sum(-1, keepdim=True)


def test_the_best_is_an_even_look_at_the_own_thing() -> None:
    whose = room((2, 2, 6, 6), (8, 9, 14, 13))
    assert told(own(whose), whose) == pytest.approx(0, abs=1e-5)
    even = torch.full((256, 256), 1 / 256)
    # Tokens of the ground lose the share of the things, those of a thing the logarithm of how much larger all is.
    losses = [math.log(256 / 16), math.log(256 / 24), -math.log((256 - 40) / 256)]
    assert min(losses) < told(even, whose) < max(losses)
    itself = torch.eye(256)
    assert told(itself, whose) > told(even, whose)


def test_nothing_is_told_where_nothing_is_known_or_all_is_noise() -> None:
    even, whose = torch.full((256, 256), 1 / 256), room((2, 2, 6, 6))
    assert told(even, room()) == 0
    assert told(even, whose, grouping.LATEST - 1) > 0
    assert told(even, whose, grouping.LATEST) == 0


@given(seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_whole_tokens_are_asked_things_alike_and_the_ground_in_one_of_four(seed: int) -> None:
    # The second thing is larger, and the third is half of a token wide: nothing of it is asked.
    whose = room((2, 2, 4, 4), (6, 6, 14, 14))
    whose[0:4, 20] = 3
    shares = grouping.shares(whose[None], (SIDE, SIDE))
    assert shares.shape == (1, 256, 4)
    torch.testing.assert_close(shares.sum(-1), torch.ones(1, 256))
    asked = grouping.asked(shares, 4000, torch.Generator().manual_seed(seed))
    kinds = whose[::2, ::2].flatten()[asked[0]]
    assert bool((shares[0, asked[0]].amax(-1) > 0.6).all())
    counts = torch.bincount(kinds, minlength=4) / 4000
    assert counts[1:3].tolist() == pytest.approx([0.375, 0.375], abs=0.04)
    assert float(counts[0]) == pytest.approx(0.25, abs=0.04) and counts[3] == 0


def test_what_is_told_is_what_the_pack_reads() -> None:
    """Against the maps that the pack itself sums up, of the same weights in diffusers' own class."""
    network = Network(SMALL)
    network.load_state_dict(read_unet(FOLDER))
    latent = torch.randn(1, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    looking = grouping.Looking(network)
    with torch.no_grad(), looking.listening():
        network(latent, torch.tensor([200]))
    chosen = {count: torch.arange(count)[None] for count in (256, 64)}
    rows = looking.rows(chosen)
    assert set(rows) == {256, 64} and not looking.kept
    theirs = DiffusersDenoiser(load_narrow().unet, DDIMScheduler.from_config(SCHEDULER))
    recorder, sigma = MapRecorder(theirs.layers, (SIDE, SIDE)), theirs.sigma(200)
    theirs.denoise(latent * math.sqrt(1 + sigma**2), sigma, recorder)
    maps = recorder.maps()
    for count, side in ((256, 16), (64, 8)):
        torch.testing.assert_close(rows[count], maps[side, side].float(), atol=2e-4, rtol=2e-3)
    with torch.no_grad(), looking.listening(False):
        network(latent, torch.tensor([200]))
    assert not looking.kept


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packs of pictures with two flat things each, and a layout that learns from them in no time."""
    monkeypatch.setitem(LAYOUTS, "tiny", Layout((32, 32)))
    whose = room((2, 2, 7, 7), (8, 8, 14, 14)).expand(12, -1, -1).contiguous()
    colours = torch.randn(12, 3, 4, generator=torch.Generator().manual_seed(0))
    planes = torch.nn.functional.one_hot(whose[:, ::2, ::2].long(), 3).float()
    latents = torch.einsum("nhwk,nkc->nchw", planes, colours).half()
    for split in ("train", "validation"):
        (tmp_path / split).mkdir()
        packs.write_pack(tmp_path / split, "latents_0000.pack", [Row("worlds", "")] * 12, split, latents=latents,
                         whose=whose)  # fmt: skip
    return tmp_path


def test_it_is_learned_beside_the_noise(folder: Path) -> None:
    for out, weight in (("told", "0.3"), ("not", "0")):
        train_unet.main([
            "--packs", str(folder / "train"), "--validation", str(folder / "validation"), "--out", str(folder / out),
            "--layout", "tiny", "--batch", "4", "--warm-up", "8", "--log-every", "10", "--device", "cpu",
            "--until", "160", "--rate", "2e-3", "--average", "0.9", "--grouping", weight, "--precision", "float32",
        ])  # fmt: skip
    rows = [json.loads(line) for line in (folder / "told" / "unet.jsonl").read_text().splitlines()]
    assert rows[-1]["grouping"] < 0.7 * rows[0]["grouping"]
    assert "grouping" not in (folder / "not" / "unet.jsonl").read_text()


@given(share=st.floats(0.05, 0.95))
@settings(max_examples=30, deadline=None)
def test_a_share_of_the_samples_lies_where_it_is_told_and_each_part_evenly(share: float) -> None:
    steps = train_unet.favoured(torch.arange(1000), share)
    assert float((steps < grouping.LATEST).float().mean()) == pytest.approx(share, abs=0.01)
    assert bool((steps.diff() >= 0).all()) and 0 <= int(steps[0]) and int(steps[-1]) <= 999
    for low, high, part in ((0, grouping.LATEST, share), (grouping.LATEST, 1000, 1 - share)):
        middle = ((steps >= low) & (steps < (low + high) / 2)).float().mean()
        assert float(middle) == pytest.approx(part / 2, abs=0.02)
    assert torch.equal(train_unet.favoured(steps, None), steps)


def test_a_door_is_a_thing_of_its_own_and_what_slides_is_a_body(tmp_path: Path) -> None:
    bodies, moved = np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint8)
    bodies[2:12, 2:8], bodies[4:9, 10:14], moved[5:14, 4:8] = 1, 2, 255
    for family in ("open", "slide"):
        folder = tmp_path / f"{family}_0000"
        folder.mkdir()
        (folder / "meta.json").write_text(json.dumps({"family": family}))
        for name, plane in (("source", bodies), ("bodies", bodies), ("moved", moved)):
            Image.fromarray(plane).save(folder / f"{name}.png")
    opens, slides = gather.scenes(tmp_path)
    assert (opens.row.domain, slides.row.domain) == ("worlds", "worlds")
    assert np.array_equal(slides.whose().numpy(), bodies)
    # Of what moves, the ground under it is no part.
    assert np.array_equal(opens.whose().numpy(), np.where((moved > 0) & (bodies > 0), 3, bodies))
    (tmp_path / "open_0000" / "bodies.png").unlink()
    assert gather.scenes(tmp_path)[0].whose is None


def test_drawn_scenes_say_whose_each_pixel_is_where_that_was_written(tmp_path: Path) -> None:
    pictures = np.zeros((2, 16, 16, 3), np.uint8)
    np.save(tmp_path / "drawn.npy", pictures)
    assert all(source.whose is None for source in gather.drawn(tmp_path / "drawn.npy"))
    whose = np.arange(2 * 256, dtype=np.uint8).reshape(2, 16, 16)
    np.save(whose_file(tmp_path / "drawn.npy"), whose)
    assert [bool((source.whose().numpy() == one).all()) for source, one in
            zip(gather.drawn(tmp_path / "drawn.npy"), whose, strict=True)] == [True, True]  # fmt: skip
