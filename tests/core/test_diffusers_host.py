"""The diffusers host against diffusers' own computations on the same weights."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from peft import LoraConfig

from core.attention.maps import MapRecorder
from core.errors import InputError, UnsupportedModelError
from core.hosts.diffusers import Conditioning, DiffusersDenoiser
from core.model.fingerprint import same_weights
from tests.core import diffusers_models as models

ODD = (9, 7)


def denoiser(kind: str, unet=None, **options) -> DiffusersDenoiser:
    unet = models.unet(kind) if unet is None else unet
    return DiffusersDenoiser(unet, models.scheduler(models.PREDICTION[kind]), **options)


def noisy(batch: int = 1, size: tuple[int, int] = ODD, sigma: float = 3.0, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 4, *size, generator=generator) * math.sqrt(1 + sigma**2)


class Watch:
    """Hooks that note what they are called with, and answer with ``change``."""

    def __init__(self, change=None, projections: bool = True, ask=None):
        self.change, self.wants, self.ask = change, projections, ask
        self.seen, self.projected = [], {}

    def wants_projections(self, layer):
        return self.wants

    def tokens(self, layer, tokens, rows):
        self.seen.append((layer, tokens.clone(), rows))
        return None if self.change is None else self.change(layer, tokens)

    def queries(self, layer, tokens, rows):
        return None if self.ask is None else self.ask(layer, tokens)

    def projections(self, layer, query, key, rows):
        self.projected[layer.name] = (query.clone(), key.clone())


def seen_by_another(model) -> dict[str, torch.Tensor]:
    """By layer, the tokens of an evaluation of another latent."""
    other = Watch(projections=False)
    model.denoise(noisy(seed=7), 3.0, other)
    return {layer.name: tokens for layer, tokens, _ in other.seen}


def by_processors(model, x, processor, given: dict[str, torch.Tensor]) -> torch.Tensor:
    """What an evaluation gives whose layers have diffusers' own kind of processor, each with its tokens."""
    before = model._unet.attn_processors
    mine = dict(before)
    for attention in model._attentions:
        name = next(n for n, m in model._unet.named_modules() if m is attention.module)
        mine[f"{name}.processor"] = processor(given[attention.layer.name])
    model._unet.set_attn_processor(mine)
    result = model.denoise(x, 3.0)
    model._unet.set_attn_processor(before)
    return result


def attention_probabilities(unet, run) -> list[torch.Tensor]:
    """Softmaxed scores (batch, heads, N, N) of every attn1 in order, by diffusers' own dense formula."""
    found = []

    class Record(AttnProcessor):
        def __call__(self, attn, hidden_states, *args, **kwargs):
            query, key = (attn.head_to_batch_dim(f(hidden_states)) for f in (attn.to_q, attn.to_k))
            found.append(attn.get_attention_scores(query, key).unflatten(0, (-1, attn.heads)))
            return super().__call__(attn, hidden_states, *args, **kwargs)

    before = unet.attn_processors
    unet.set_attn_processor({name: Record() if "attn1" in name else p for name, p in before.items()})
    run()
    unet.set_attn_processor(before)
    return found


@pytest.mark.parametrize("kind", models.KINDS)
class TestEveryFamily:
    def test_each_self_attention_is_listed_and_called_once_in_order(self, kind):
        model = denoiser(kind)
        watch = Watch()
        model.denoise(noisy(2), 3.0, watch)
        unet = model._unet
        assert len(model.layers) == sum(name.endswith("attn1") for name, _ in unet.named_modules())
        assert len({layer.name for layer in model.layers}) == len(model.layers)
        assert [layer for layer, _, _ in watch.seen] == list(model.layers)
        for layer, tokens, rows in watch.seen:
            assert tokens.shape == (2, layer.tokens(ODD), layer.channels)
            assert rows == slice(0, 2)
        assert set(watch.projected) == {layer.name for layer in model.layers}

    @pytest.mark.parametrize("timestep", [1, 421, 981])
    def test_denoised_is_what_ddim_scheduler_predicts(self, kind, timestep):
        unet, scheduler = models.unet(kind), models.scheduler(models.PREDICTION[kind])
        model = DiffusersDenoiser(unet, scheduler)
        sample = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(3))
        added = {}
        if kind == "sdxl":
            sizes = torch.tensor([[64, 96, 0, 0, 64, 96]] * 2)
            added["added_cond_kwargs"] = {"text_embeds": torch.zeros(2, 20), "time_ids": sizes}
        width = models.LAYOUTS[kind]["cross_attention_dim"]
        output = unet(sample, timestep, torch.zeros(2, 77, width), **added).sample
        scheduler.set_timesteps(50)
        expected = scheduler.step(output, timestep, sample).pred_original_sample
        sigma = model.sigma(timestep)
        denoised = model.denoise(sample * math.sqrt(1 + sigma**2), sigma)
        torch.testing.assert_close(denoised, expected, rtol=1e-4, atol=1e-4 * expected.std().item())

    def test_watching_changes_nothing(self, kind):
        model = denoiser(kind)
        x = noisy()
        assert torch.equal(model.denoise(x, 3.0), model.denoise(x, 3.0, Watch()))

    def test_captured_maps_are_the_dense_softmax(self, kind):
        model = denoiser(kind)
        x = noisy()
        dense = attention_probabilities(model._unet, lambda: model.denoise(x, 3.0))
        recorder = MapRecorder(model.layers, ODD)
        model.denoise(x, 3.0, recorder)
        expected: dict = {}
        for layer, probabilities in zip(model.layers, dense, strict=True):
            expected.setdefault(layer.token_grid(ODD), []).append(probabilities.mean(1))
        maps = recorder.maps()
        assert set(maps) == set(expected)
        for grid, parts in expected.items():
            mean = torch.stack(parts).mean(0)
            # Stored in half precision.
            torch.testing.assert_close(maps[grid].float(), mean, rtol=2e-3, atol=1e-6)
            assert (mean - 1 / mean.shape[-1]).abs().max() > 0.1 / mean.shape[-1], "attention was uniform"

    def test_own_tokens_given_twice_leave_the_result(self, kind):
        # Softmax over every key twice, with the same values, is softmax over every key once.
        model = denoiser(kind)
        x = noisy()
        twice = Watch(lambda layer, tokens: torch.cat([tokens, tokens], 1))
        torch.testing.assert_close(model.denoise(x, 3.0, twice), model.denoise(x, 3.0), rtol=1e-4, atol=1e-4)
        for layer in model.layers:
            query, key = twice.projected[layer.name]
            assert key.shape[1] == 2 * query.shape[1]

    def test_other_tokens_become_keys_and_values(self, kind):
        model = denoiser(kind)
        x = noisy()
        theirs = seen_by_another(model)

        class Inject(AttnProcessor):
            def __init__(self, tokens):
                self.tokens = tokens

            def __call__(self, attn, hidden_states, *args, **kwargs):
                query = attn.head_to_batch_dim(attn.to_q(hidden_states))
                key, value = (attn.head_to_batch_dim(f(self.tokens)) for f in (attn.to_k, attn.to_v))
                mixed = attn.batch_to_head_dim(attn.get_attention_scores(query, key) @ value)
                return attn.to_out[0](mixed)

        expected = by_processors(model, x, Inject, theirs)
        injected = model.denoise(x, 3.0, Watch(lambda layer, tokens: theirs[layer.name]))
        torch.testing.assert_close(injected, expected, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(injected, model.denoise(x, 3.0), atol=1e-2)

    def test_other_tokens_ask_of_the_own_keys_and_values(self, kind):
        model = denoiser(kind)
        x = noisy()
        theirs = seen_by_another(model)

        class Ask(AttnProcessor):
            def __init__(self, tokens):
                self.tokens = tokens

            def __call__(self, attn, hidden_states, *args, **kwargs):
                query = attn.head_to_batch_dim(attn.to_q(self.tokens))
                key, value = (attn.head_to_batch_dim(f(hidden_states)) for f in (attn.to_k, attn.to_v))
                mixed = attn.batch_to_head_dim(attn.get_attention_scores(query, key) @ value)
                return attn.to_out[0](mixed)

        expected = by_processors(model, x, Ask, theirs)
        asked = model.denoise(x, 3.0, Watch(ask=lambda layer, tokens: theirs[layer.name]))
        torch.testing.assert_close(asked, expected, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(asked, model.denoise(x, 3.0), atol=1e-2)
        model._unet.fuse_qkv_projections()
        fused = model.denoise(x, 3.0, Watch(ask=lambda layer, tokens: theirs[layer.name]))
        torch.testing.assert_close(fused, expected, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("wanted", [False, True])
    def test_fused_projections_give_the_same(self, kind, wanted):
        model = denoiser(kind)
        x = noisy(2)
        change = lambda layer, tokens: tokens.roll(1, 0)  # noqa: E731
        plain = Watch(change, wanted)
        expected = model.denoise(x, 3.0, plain)
        watched = Watch(None, wanted)
        unchanged = model.denoise(x, 3.0, watched)
        model._unet.fuse_qkv_projections()
        fused, fused_watched = Watch(change, wanted), Watch(None, wanted)
        torch.testing.assert_close(model.denoise(x, 3.0, fused), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(model.denoise(x, 3.0, fused_watched), unchanged, rtol=1e-4, atol=1e-4)
        for before, after in ((plain, fused), (watched, fused_watched)):
            assert set(after.projected) == ({layer.name for layer in model.layers} if wanted else set())
            torch.testing.assert_close(after.projected, before.projected, rtol=1e-4, atol=1e-4)

    def test_lora_is_seen_in_the_attention_and_by_the_fingerprint(self, kind):
        model = denoiser(kind)
        x = noisy()
        plain, mark = Watch(), model.fingerprint
        without = model.denoise(x, 3.0, plain)
        model._unet.add_adapter(LoraConfig(r=2, lora_alpha=8, target_modules=["to_q", "to_k", "to_v"],
                                           init_lora_weights=False))
        with_lora = DiffusersDenoiser(model._unet, models.scheduler(models.PREDICTION[kind]))
        assert with_lora.layers == model.layers
        assert with_lora.fingerprint != mark and same_weights(with_lora.fingerprint, mark)
        lora = Watch()
        assert not torch.allclose(with_lora.denoise(x, 3.0, lora), without, atol=1e-3)
        name = model.layers[0].name
        attention = model._attentions[0].module
        tokens = lora.seen[0][1]
        # The low-rank update by hand: W x + (alpha / r) B A x.
        part = attention.to_q
        a, b = part.lora_A["default"].weight, part.lora_B["default"].weight
        expected = part.base_layer(tokens) + 4 * tokens @ a.T @ b.T
        torch.testing.assert_close(lora.projected[name][0], expected, rtol=1e-4, atol=1e-5)


class TestPutBack:
    def processors(self, unet):
        return [id(module.processor) for name, module in unet.named_modules() if name.endswith("attn1")]

    def test_after_an_evaluation_and_after_an_error(self):
        model = denoiser("sd15")
        unet = model._unet
        before, keys = self.processors(unet), list(unet.state_dict())
        model.denoise(noisy(), 3.0, Watch())
        assert self.processors(unet) == before

        def fail(layer, tokens):
            if layer.name == "middle.0.0":
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            model.denoise(noisy(), 3.0, Watch(fail))
        assert self.processors(unet) == before
        assert list(unet.state_dict()) == keys
        assert not any(module._forward_hooks for module in unet.modules())

    def test_processors_with_weights_stay_registered(self):
        class Weighted(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.gain = torch.nn.Parameter(torch.full((), 1.5))
                self.inner = AttnProcessor2_0()

            def __call__(self, attn, hidden_states, *args, **kwargs):
                return self.inner(attn, hidden_states, *args, **kwargs) * self.gain

        model = denoiser("sd15")
        unet = model._unet
        unet.set_attn_processor({name: Weighted() for name in unet.attn_processors})
        before, keys = self.processors(unet), list(unet.state_dict())
        plain = model.denoise(noisy(), 3.0)
        assert torch.equal(model.denoise(noisy(), 3.0, Watch()), plain)
        assert self.processors(unet) == before and list(unet.state_dict()) == keys

    def test_compiled_blocks_are_hooked_too(self):
        model = denoiser("sd15")
        x = noisy()
        watch = Watch()
        expected = model.denoise(x, 3.0, watch)
        for name, module in model._unet.named_modules():
            if name.endswith("transformer_blocks.0"):
                module.compile(backend="eager")
        model.denoise(x, 3.0)
        compiled = Watch()
        torch.testing.assert_close(model.denoise(x, 3.0, compiled), expected, rtol=1e-4, atol=1e-4)
        assert len(compiled.seen) == len(watch.seen)


class TestConditioning:
    def test_guidance_weighs_both_conditionings(self):
        unet = models.unet("sdxl")
        sizes = (512, 512, 8, 0, 64, 64)
        texts = [Conditioning(torch.randn(1, 77, 40), torch.randn(1, 20), sizes) for _ in range(2)]
        one, other = (denoiser("sdxl", unet, positive=text).denoise(noisy(2), 3.0) for text in texts)
        both = denoiser("sdxl", unet, positive=texts[0], negative=texts[1], guidance=4.0)
        watch = Watch()
        guided = both.denoise(noisy(2), 3.0, watch)
        torch.testing.assert_close(guided, other + 4 * (one - other), rtol=1e-3, atol=1e-3)
        assert not torch.allclose(one, other, atol=1e-3)
        for _, tokens, rows in watch.seen:
            assert tokens.shape[0] == 4 and rows == slice(0, 2)

    def test_a_negative_half_as_long_is_repeated(self):
        unet = models.unet("sd15")
        positive, negative = torch.randn(1, 154, 24), torch.randn(1, 77, 24)
        long = Conditioning(torch.cat([negative, negative], 1))
        positive = Conditioning(positive)
        short, full = (
            denoiser("sd15", unet, positive=positive, negative=text, guidance=3).denoise(noisy(), 2.0)
            for text in (Conditioning(negative), long)
        )
        torch.testing.assert_close(short, full)

    @pytest.mark.parametrize(
        "context", [torch.zeros(1, 77, 25), torch.zeros(3, 77, 24)], ids=["another width", "another batch"]
    )
    def test_unfit_embeddings_are_named(self, context):
        with pytest.raises(InputError, match="conditioning"):
            denoiser("sd15", positive=Conditioning(context)).denoise(noisy(2), 2.0)

    def test_lengths_that_fit_no_batch_are_named(self):
        model = denoiser("sd15", positive=Conditioning(torch.zeros(1, 100, 24)), guidance=2)
        with pytest.raises(InputError, match="100 and 77 tokens"):
            model.denoise(noisy(), 2.0)


class TestModels:
    def test_timesteps_are_nearest_on_the_logarithm(self):
        model = denoiser("sd15")
        assert [model.timestep(model.sigma(t)) for t in range(1000)] == list(range(1000))
        low, high = model.sigma(400), model.sigma(401)
        middle = math.sqrt(low * high)
        assert model.timestep(middle * 0.9999) == 400 and model.timestep(middle * 1.0001) == 401
        assert model.timestep(0.0) == 0 and model.timestep(1e6) == 999

    def test_fingerprints_tell_models_apart(self):
        mark = denoiser("sd15").fingerprint
        assert mark == denoiser("sd15").fingerprint
        assert mark == denoiser("sd15", models.unet("sd15").half()).fingerprint
        assert mark != denoiser("sd15", models.unet("sd15", seed=5)).fingerprint
        assert mark != denoiser("sd2", models.unet("sd15")).fingerprint, "another prediction"

    @pytest.mark.parametrize("kind", models.KINDS)
    def test_a_change_of_any_single_weight_is_in_the_fingerprint(self, kind):
        unet = models.unet(kind)
        mark = denoiser(kind, unet).fingerprint
        # A sample of them, of a step that shares no factor with the layers' repetition.
        for name, parameter in list(unet.named_parameters())[::11]:
            kept = parameter.clone()
            # As another training would leave it: changed everywhere, by little.
            parameter.mul_(1.01).add_(0.002)
            changed = denoiser(kind, unet).fingerprint
            assert changed != mark and not same_weights(changed, mark), name
            parameter.copy_(kept)
        assert denoiser(kind, unet).fingerprint == mark

    def test_fingerprints_tell_loras_apart(self):
        unet = models.unet("sd15")
        marks = {"none": denoiser("sd15", unet).fingerprint}

        def mark() -> str:
            return denoiser("sd15", unet).fingerprint

        def lora(*modules: str) -> LoraConfig:
            return LoraConfig(r=2, lora_alpha=8, target_modules=list(modules), init_lora_weights=False)

        unet.add_adapter(lora("to_q"), "one")
        marks["attention"] = mark()
        assert mark() == marks["attention"], "and the same one is the same"
        unet.set_adapters(["one"], [0.5])
        marks["weaker"] = mark()
        unet.add_adapter(lora("conv1"), "two")
        marks["convolution"] = mark()
        unet.set_adapters(["one", "two"], [1.0, 1.0])
        marks["both"] = mark()
        with torch.no_grad():
            next(p for name, p in unet.named_parameters() if "lora_B.two" in name).add_(0.1)
        marks["trained on"] = mark()
        assert len(set(marks.values())) == len(marks), marks
        assert all(same_weights(value, marks["none"]) for value in marks.values())
        unet.disable_adapters()
        assert mark() == marks["none"]

    def test_fused_projections_leave_the_fingerprint(self):
        unet = models.unet("sdxl")
        mark = denoiser("sdxl", unet).fingerprint
        unet.fuse_qkv_projections()
        assert denoiser("sdxl", unet).fingerprint == mark

    def test_bfloat16_answers_in_float32(self):
        reference = denoiser("sd15").denoise(noisy(), 3.0)
        denoised = denoiser("sd15", models.unet("sd15").bfloat16()).denoise(noisy(), 3.0, Watch())
        assert denoised.dtype == torch.float32
        assert (denoised - reference).norm() < 0.05 * reference.norm()

    def test_zero_terminal_snr_stays_finite(self):
        scheduler = models.scheduler("v_prediction")
        scheduler = type(scheduler).from_config(scheduler.config, rescale_betas_zero_snr=True)
        model = DiffusersDenoiser(models.unet("sd2"), scheduler)
        assert math.isfinite(model.sigma(999))
        assert torch.isfinite(model.denoise(noisy(sigma=10), model.sigma(999))).all()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"class_embed_type": "timestep"}, "class labels"),
            ({"num_class_embeds": 5}, "class labels"),
            ({"down_block_types": ("DownBlock2D",) * 3, "up_block_types": ("UpBlock2D",) * 3,
              "mid_block_type": None}, "no transformer blocks"),
        ],
    )
    def test_models_with_other_inputs_are_refused(self, changes, message):
        with pytest.raises(UnsupportedModelError, match=message):
            denoiser("sd15", models.unet("sd15", **changes))

    def test_other_predictions_are_refused(self):
        with pytest.raises(UnsupportedModelError, match="'sample'"):
            DiffusersDenoiser(models.unet("sd15"), models.scheduler("sample"))

    def test_an_inpainting_model_is_named(self):
        with pytest.raises(InputError, match="takes 9 channels instead of 4: an inpainting"):
            denoiser("sd15", models.unet("sd15", in_channels=9))
