"""Packs: carried whole or refused, rows balanced, letters read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from tools.demo_model import balance, gather, lettering, pack, packs, tensors
from tools.demo_model.packs import PackError, Row


def picture(number: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """Three pictures of worlds; the first was rendered twice, a fourth is only in the index."""
    folder = tmp_path / "worlds"
    (folder / "00").mkdir(parents=True)
    rows = []
    for number in (1, 0, 0, 2, 3):
        name = f"00/{number:06d}.png"
        states = [["air"], [], ["opened", "half hidden"], []][number]
        rows.append({"file": name, "states": states, "light": "hard", "removed": number == 1, "neighbours": number})
        if number < 3:
            Image.fromarray(picture(number)).save(folder / name)
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_files_are_safetensors(tmp_path: Path) -> None:
    given = {
        "a": torch.randn(3, 5), "b": torch.arange(7), "c": torch.randn(2, 3).half(), "d": torch.zeros(0, 4),
        "e": torch.randint(0, 255, (3,), dtype=torch.uint8), "f": torch.randn(4, 6).t(), "g": torch.randn(9)[2:5],
    }  # fmt: skip
    tensors.write(tmp_path / "ours", given, {"split": "train"})
    with safe_open(tmp_path / "ours", "pt") as file:
        assert file.metadata() == {"split": "train"}
        assert all(torch.equal(file.get_tensor(key), value) for key, value in given.items())
    save_file({key: value.contiguous() for key, value in given.items()}, tmp_path / "theirs", {"x": "y"})
    back, about = tensors.read(tmp_path / "theirs")
    assert about == {"x": "y"} and all(torch.equal(back[key], value) for key, value in given.items())
    (tmp_path / "short").write_bytes((tmp_path / "ours").read_bytes()[:-3])
    with pytest.raises(ValueError, match="short"):
        tensors.read(tmp_path / "short")


def test_pictures_come_back_bit_for_bit_and_mirrored(rendered: Path, tmp_path: Path) -> None:
    out = tmp_path / "packs"
    names = list(pack.write(pack.twice(gather.worlds(rendered)), out, "train", None, 4))
    assert names == ["pictures_0000.pack", "pictures_0001.pack"]
    held = packs.read_packs(out, "pictures")
    assert held.split == "train" and held.data.shape == (6, 16, 16, 3)
    for number in range(3):
        assert np.array_equal(held.data[2 * number].numpy(), picture(number))
        assert np.array_equal(held.data[2 * number + 1].numpy(), picture(number)[:, ::-1])
    assert [row.mirrored for row in held.rows] == [False, True] * 3
    assert held.rows[4].tags == ("opened", "half hidden", "light:hard")
    assert held.rows[0].tags == ("air", "alone", "light:hard") and "removed" in held.rows[2].tags


def test_a_call_that_was_broken_off_goes_on(rendered: Path, tmp_path: Path) -> None:
    out, sources = tmp_path / "packs", gather.worlds(rendered)
    first = pack.write(sources, out, "train", None, 2)
    assert next(first) == "pictures_0000.pack"
    first.close()
    stamp = (out / "pictures_0000.pack").stat().st_mtime_ns
    assert list(pack.write(sources, out, "train", None, 2)) == ["pictures_0001.pack"]
    assert (out / "pictures_0000.pack").stat().st_mtime_ns == stamp
    assert not list(pack.write(sources, out, "train", None, 2))
    with pytest.raises(PackError, match="split train"):
        list(pack.write(sources[:1], out, "validation", None, 2))


def test_a_broken_pack_is_named(rendered: Path, tmp_path: Path) -> None:
    list(pack.write(gather.worlds(rendered), tmp_path / "packs", "train", None, 9))
    path = tmp_path / "packs" / "pictures_0000.pack"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(PackError, match="pictures_0000"):
        packs.read_packs(tmp_path / "packs", "pictures")
    with pytest.raises(PackError, match="packs.json"):
        packs.read_packs(tmp_path, "pictures")
    with pytest.raises(PackError, match="no latents"):
        packs.read_packs(tmp_path / "packs", "latents")


def test_latents_are_the_encoders(rendered: Path, tmp_path: Path) -> None:
    from tools.demo_model.weights import read_autoencoder

    pack.main(["--split", "train", "--worlds", str(rendered), "--out", str(tmp_path / "packs"), "--plain"])
    held, model = packs.read_packs(tmp_path / "packs", "latents"), read_autoencoder()
    image = torch.from_numpy(picture(2)).permute(2, 0, 1)[None].float() / 255
    torch.testing.assert_close(held.data[2:3].float(), model.encode(image), atol=4e-3, rtol=1e-3)


def test_packs_know_whose_each_quarter_of_a_cell_is(rendered: Path, tmp_path: Path) -> None:
    things = np.zeros((16, 16), np.uint8)
    things[4:8, 8:12] = 2
    Image.fromarray(things).save(rendered / "00" / "000001.things.png")
    pack.main(["--split", "train", "--worlds", str(rendered), "--out", str(tmp_path / "packs")])
    held = packs.read_packs(tmp_path / "packs", "latents")
    assert held.whose is not None and held.whose.shape == (6, 4, 4) and held.data.shape == (6, 4, 2, 2)
    known = [number for number in range(6) if held.whose[number].any()]
    # The second picture and its mirror image; the others weren't told.
    assert known == [2, 3]
    assert held.whose[2].nonzero().tolist() == [[1, 2]] and held.whose[3].nonzero().tolist() == [[1, 1]]
    assert held.whose[2, 1, 2] == 2


def test_shrunk_pictures_are_means_and_not_taken_for_whole_ones(rendered: Path, tmp_path: Path) -> None:
    out = tmp_path / "packs"
    list(pack.write(gather.worlds(rendered), out, "train", None, 9))
    assert list(pack.write(pack.shrunk(gather.worlds(rendered), 2), out, "train", None, 9)) == ["pictures_0000.pack"]
    held = packs.read_packs(out, "pictures")
    assert held.data.shape == (3, 8, 8, 3) and all("shrunk:2" in row.tags for row in held.rows)
    means = picture(1).reshape(8, 2, 8, 2, 3).mean((1, 3))
    assert np.abs(held.data[1].numpy() - means).max() <= 0.5
    assert (balance.weights(held.rows) == balance.weights([source.row for source in gather.worlds(rendered)])).all()


def test_states_and_domains_get_their_shares() -> None:
    rng = np.random.default_rng(0)
    chances = {"air": 0.04, "opened": 0.08, "alone": 0.3}
    tags = [tuple(state for state, chance in chances.items() if rng.random() < chance) for _ in range(3000)]
    weights = balance.state_weights(tags, {"air": 0.12, "opened": 0.2, "alone": 0.2})
    for state, share in {"air": 0.12, "opened": 0.2, "alone": 0.2}.items():
        got = weights[torch.tensor([state in own for own in tags])].sum() / weights.sum()
        assert abs(got - share) < 0.01, state
    # Hardly any in the air: no picture is drawn out of proportion.
    rare = [("air",)] * 5 + [()] * 995
    assert balance.state_weights(rare, {"air": 0.5}).max() <= 4.3
    rows = [Row("worlds", str(n), own) for n, own in enumerate(tags)] + [Row("drawn", str(n)) for n in range(50)]
    found = balance.weights(rows, {"worlds": 0.6, "drawn": 0.2, "photographic": 0.2})
    assert abs(found[:3000].sum() - 0.75) < 1e-9 and abs(found.sum() - 1) < 1e-9
    assert balance.parse_shares(["drawn=0"])["drawn"] == 0
    with pytest.raises(ValueError, match="no picture"):
        balance.weights(rows, {"bare": 1.0})


def test_letters_are_read_until_they_are_blurred() -> None:
    given = lettering.lettered(np.random.default_rng(3), capital=lettering.HEIGHT)
    assert len(given.letters) > 30
    assert lettering.read_right(given, given.picture) > 0.97
    small = Image.fromarray(given.picture).resize((32, 32), Image.Resampling.BOX).resize((256, 256))
    assert lettering.read_right(given, np.asarray(small)) < 0.5
    assert len(lettering.sources("train", 2)) == 2
    assert not torch.equal(lettering.sources("train", 2)[1].read(), lettering.sources("validation", 2)[1].read())
