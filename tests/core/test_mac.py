"""Nothing that an edit does on the model's device is beyond a Mac's graphics (``pretended_mac``)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from core import edit as stations
from core.diffusion.sampling import SampleSettings
from core.edit import edit
from core.fill.background import FillSettings
from core.hosts.direct import DirectHost
from core.motion.field import MoveSettings
from core.planes.warp import look_up
from core.settings import EditSettings
from core.space.grid import Grid
from core.space.points import make_points
from tests.core.builders import uniform
from tests.core.pretended_mac import MPS, MacTensor, on_mac, pretended_mac
from tests.core.toy_unet import Patchify, ToyUNet, sigma_of

SIZE = (64, 80)
FEW = EditSettings(steps=10, strength=0.4)


class MacAutoencoder(Patchify):
    """On the device, as a VAE is; pictures come from the CPU and may come back on the device."""

    def __init__(self):
        super().__init__()
        self.matrix = MacTensor(self.matrix)

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        return super().encode(image.to(MPS))

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        return super().decode(latent.to(MPS))


def mac_host() -> DirectHost:
    return DirectHost(on_mac(ToyUNet()), MacAutoencoder(), sigma_of, "toy", device=MPS)


def picture() -> torch.Tensor:
    image = uniform(1, *SIZE, 3) * 0.2
    image[:, 24:40, 16:32] += 0.6
    return image


POINTS = make_points([((0.3, 0.5), (0.6, 0.5))])
TWO = make_points([((0.25, 0.4), (0.55, 0.4)), ((0.35, 0.6), (0.65, 0.75)), ((0.9, 0.9), (0.9, 0.9))])


def given() -> torch.Tensor:
    mask = torch.zeros(1, *SIZE)
    mask[:, 24:40, 16:32] = 1
    return mask


def test_the_device_refuses_what_mps_refuses():
    x = MacTensor(torch.ones(2, 3))
    with pretended_mac():
        assert x.device == MPS and torch.zeros(3, device=MPS).device == MPS
        assert (x + torch.tensor(1.0)).cpu().tolist() == [[2.0] * 3] * 2
        assert float(x.sum()) == 6 and x.cpu().double().dtype == torch.float64
        with pytest.raises(TypeError, match="float64"):
            x.double()
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(2, device=MPS, dtype=torch.float64)
        with pytest.raises(TypeError, match="float64"):
            x.cumsum(0, dtype=torch.float64)
        with pytest.raises(RuntimeError, match="same device"):
            x + torch.ones(2, 3)
        with pytest.raises(TypeError):
            x.numpy()
        plane, places = MacTensor(torch.rand(1, 1, 4, 4)), MacTensor(torch.zeros(1, 2, 2, 2))
        with pytest.raises(NotImplementedError, match="Border"):
            F.grid_sample(plane, places, padding_mode="border", align_corners=False)
        x[:, 1:].mul_(3)
        assert x.cpu().tolist() == [[1.0, 3.0, 3.0]] * 2


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_looking_up_repeats_the_border_as_grid_sample_would(mode):
    planes = uniform(2, 3, 7, 9)
    x, y = uniform(2, 40, 40, seed=1) * 19 - 5, uniform(2, 40, 40, seed=2) * 17 - 5
    places = (torch.stack([x, y], -1) + 0.5) * torch.tensor([2 / 9, 2 / 7]) - 1
    wanted = F.grid_sample(planes, places, mode=mode, padding_mode="border", align_corners=False)
    got = look_up(planes, x, y, mode)
    agree = (got - wanted).abs().amax(1) < 1e-5
    # A place right between two elements may round to either.
    assert agree.float().mean() > 0.999 if mode == "nearest" else agree.all()


@pytest.mark.parametrize(
    ("points", "mask", "changes"),
    [
        (POINTS, False, {}),
        (POINTS, True, {"fill": FillSettings(method="smooth"), "sample": SampleSettings(hold_element=0, hold_rest=0)}),
        (TWO, False, {"move": MoveSettings(falloff="correlation"), "fill": FillSettings(space="latent")}),
        (TWO, True, {"fill": FillSettings(method="curved"), "refinements": 1}),
        (POINTS, True, {"fill": FillSettings(method="patches"), "sample": SampleSettings(source_attention="extend"),
                        "restore_detail": False}),
    ],
    ids=["defaults", "free", "falloff", "curved", "patches"],
)  # fmt: skip
def test_an_edit_gives_what_it_gives_on_the_cpu(points, mask, changes):
    settings = replace(FEW, **changes)
    drawn = given() if mask else None
    plain = edit(DirectHost(ToyUNet(), Patchify(), sigma_of, "toy"), picture(), points, settings, drawn)
    with pretended_mac(), torch.no_grad():
        result = edit(mac_host(), picture(), points, settings, drawn)
    for name in ("image", "shown", "element"):
        got = getattr(result, name)
        assert not isinstance(got, MacTensor), name
        torch.testing.assert_close(got, getattr(plain, name), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("storage", ["cpu", "device", "recompute"])
def test_the_stations_one_by_one_wherever_keys_and_values_are_kept(storage):
    # Finding and filling by themselves are the edits' above, and dear on a pretended device.
    capture, fill = replace(FEW.capture, storage=storage), FillSettings(method="smooth")
    settings = replace(FEW, capture=capture, fill=fill)
    with pretended_mac(), torch.no_grad():
        host = mac_host()
        grid = Grid.padded(*SIZE)
        points = POINTS.on_image(*SIZE)
        inversion = stations.invert(host, host.encode(picture()), settings)
        assert not isinstance(inversion.trajectory, MacTensor)
        found = stations.find(inversion, grid, points, settings, picture(), given())
        dragged = stations.move(inversion, found, settings, picture(), host.autoencoder)
        latent = stations.sample(host, inversion, dragged, settings)
        image = stations.finish(picture(), host.decode(latent), dragged, settings)
    assert torch.isfinite(image).all() and not isinstance(image, MacTensor)
