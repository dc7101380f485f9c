"""Fits anew what tells what belongs to clicks (``core.region.belonging``).

    python -m benchmarks.fit_belonging --samples CLICKED/* --validation VALIDATED/* --write

Samples are folders of ``benchmarks.clicked``, one a domain. Every question is a place in a thing, alone or with one or
two further clicks, most of them where something was wrong, and with anchors; the loss is 1 - IoU of the odds and a part
of the cross entropy, after every round. Clues and attention are made a little stronger or weaker by chance: other
models' are. The same numbers for the same samples and seed. A step needs about 0.5 s of a core; every ``--every`` steps
they are checked, and written as they are then.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from core.region.belonging import GATES, NUMBERS, ROUNDS, SEED, TELLS, Weights, answered, joined, surroundings

from .arguments import set_threads
from .clicked import read

WIDTH, GATE = 32, 12
"""Numbers that a piece, and a gate, remember."""

QUESTIONS, PICTURES = 5, 4
"""Of a picture, and pictures a step."""

FURTHER, TWO, WRONG = 0.45, 0.35, 0.7
"""Chances of a further click, of two if any, and that it lies where something was wrong."""

ANCHORED, ANYWHERE = 0.85, 0.12
"""Chances of a scene's anchors, and where there are none, of one somewhere: on the thing or beside it."""

OTHERS = 0.7
"""Chance that a picture is seen through another model's eyes."""

ENTROPY, EARLY = 0.3, 0.15
"""Weights of the cross entropy, and of the loss after each round but the last."""

OWN, BESIDE = 18, len(TELLS) + 2
"""What a click that adds tells, and one of another kind."""

WITHIN = slice(5, 8)
"""Of what is told, what is about the attention's own threshold and ground."""

Sample = dict
Question = tuple[list[int], list[int], list[int], int]
"""Views that add, those that leave out, those that stay, and the place whose thing is meant."""


def samples_in(root: Path) -> list[Sample]:
    """The samples of a folder, with all that the network is told."""
    found = []
    for path in sorted(root.glob("*.pt")):
        sample, pieces, related = read(path)
        near, figures, ways = surroundings(pieces, related)
        found.append({name: sample[name] for name in ("told", "seeds", "truth", "of")} | {
            "near": near.short(), "figures": figures.half(), "ways": ways.half(), "area": pieces.area})  # fmt: skip
    return found


def begun(asked: torch.Tensor, figures: torch.Tensor, generator: torch.Generator) -> Weights:
    """Numbers to begin with, for questions (n, 35) and figures (n, 7) such as these."""
    weights: Weights = {}

    def layer(name: str, into: int, out: int, scale: float = 1.0) -> None:
        bound = scale / into**0.5
        for part, shape in (("weight", (out, into)), ("bias", (out,))):
            weights[f"{name}.{part}"] = (2 * torch.rand(shape, generator=generator) - 1) * bound

    layer("into", asked.shape[-1], WIDTH)
    for at in range(ROUNDS):
        layer(f"{at}.gate.into", figures.shape[-1], GATE)
        layer(f"{at}.gate.out", GATE, GATES)
        layer(f"{at}.tell", WIDTH, WIDTH)
        layer(f"{at}.mix", 4 * WIDTH, 2 * WIDTH)
        layer(f"{at}.out", 2 * WIDTH, WIDTH, 0.0)
        weights[f"{at}.norm.weight"], weights[f"{at}.norm.bias"] = torch.ones(WIDTH), torch.zeros(WIDTH)
    for at in range(ROUNDS + 1):
        layer(f"{at}.read", WIDTH, 1)
    for name, values in (("asked", asked), ("figures", figures)):
        weights[f"{name}.mean"], weights[f"{name}.spread"] = values.mean(0), values.std(0) + 0.05
    # What was answered before is not among these; it is odds, about 1 in size.
    weights["asked.mean"][-1], weights["asked.spread"][-1] = 0, 1
    return weights


def question(sample: Sample, rng: random.Random) -> Question:
    """A place, and further clicks as somebody might set them."""
    truth, seeds = sample["truth"], sample["seeds"].tolist()
    thing = rng.randrange(len(truth))
    inside = [at for at, seed in enumerate(seeds) if truth[thing, seed] > 0.5]
    adds, leaves = [thing if rng.random() < 0.7 or not inside else rng.choice(inside)], []
    if rng.random() < FURTHER:
        wrong = [len(truth) + at for at, of in enumerate(sample["of"]) if of == thing]
        for _ in range(2 if rng.random() < TWO else 1):
            at = rng.choice(wrong) if wrong and rng.random() < WRONG else rng.randrange(len(seeds))
            if at not in adds + leaves and seeds[at] not in [seeds[own] for own in adds]:
                (adds if at in inside else leaves).append(at)
    stays = anchors_of(sample)
    if stays:
        stays = rng.sample(stays, rng.randint(1, len(stays))) if rng.random() < ANCHORED else []
    elif rng.random() < ANYWHERE:
        stays = [rng.randrange(len(seeds))]
    return adds, leaves, [at for at in stays if seeds[at] not in [seeds[own] for own in adds]], thing


def anchors_of(sample: Sample) -> list[int]:
    """Numbers of the views that are anchors."""
    return list(range(len(sample["truth"]) + len(sample["of"]), len(sample["seeds"])))


def answers(weights: Weights, sample: Sample, questions: Sequence[Question], rng: random.Random | None = None):
    """Logarithms of odds (Q, N) before each round and after the last; with ``rng``, through another model's eyes."""
    told, figures, ways = (sample[name].float() for name in ("told", "figures", "ways"))
    eyes = torch.ones(OWN + 2 * BESIDE + 1)
    if rng is not None:
        power = rng.uniform(0.6, 1.5)
        ways = ways.pow(power)
        ways = ways / ways.sum(-1, keepdim=True).clamp_min(1e-9)
        figures = torch.cat([figures[..., :3], power * figures[..., 3:4], figures[..., 4:]], -1)
        eyes = _other(rng)

    def told_of(asks: Sequence[tuple], before: Sequence[torch.Tensor | None]) -> list[torch.Tensor]:
        asked = torch.stack([joined(told, *one, odds) for one, odds in zip(asks, before, strict=True)]) * eyes
        return answered(weights, asked, sample["near"].long(), figures, ways, sample["area"])

    further = [at for at, (adds, leaves, *_) in enumerate(questions) if len(adds) + len(leaves) > 1]
    before: list[torch.Tensor | None] = [None] * len(questions)
    if further:
        with torch.no_grad():
            first = told_of([(questions[at][0][:1], [], questions[at][2]) for at in further], [None] * len(further))
        for at, odds in zip(further, first[-1], strict=True):
            before[at] = odds
    return told_of([asks for *asks, _ in questions], before)


def _other(rng: random.Random) -> torch.Tensor:
    """(35,) what another model's clues are times these: those of attention together, all a little."""
    scale = torch.tensor([rng.lognormvariate(0, 0.15) for _ in range(OWN)])
    beside = torch.tensor([rng.lognormvariate(0, 0.15) for _ in range(len(TELLS))] + [1.0, 1.0])
    scale[:4] = beside[:4] = rng.lognormvariate(0, 0.2)
    scale[WITHIN] *= rng.lognormvariate(0, 0.15)
    scale[SEED] = 1
    return torch.cat([scale, beside, beside, torch.ones(1)])


def loss_of(every: Sequence[torch.Tensor], truth: torch.Tensor, area: torch.Tensor) -> torch.Tensor:
    """() of odds (Q, N) after each round; a small thing's cross entropy counts as much as a large one's."""
    area = area / area.sum()
    share = (truth @ area).clamp(0.003, 0.3)
    total = truth.new_zeros(())
    for at, odds in enumerate(every):
        entropy = (F.binary_cross_entropy_with_logits(odds, truth, reduction="none") @ area) / share
        own = odds.sigmoid()
        overlap = ((own * truth) @ area) / ((own + truth - own * truth) @ area).clamp_min(1e-6)
        total = total + (1 if at == len(every) - 1 else EARLY) * (ENTROPY * entropy + 1 - overlap).mean()
    return total


def found(weights: Weights, samples: Sequence[Sample]) -> tuple[float, float]:
    """Mean IoU on the pieces by one click, and by one more of those below 0.8, where the first numbers were wrong."""
    first, after = [], []
    for sample in samples:
        truth, area = sample["truth"].float(), sample["area"]

        def overlaps(questions: Sequence[Question], sample=sample, truth=truth, area=area) -> list[float]:
            own = (answers(weights, sample, questions)[-1] > 0).float()
            both = (own * truth[[at for *_, at in questions]]) @ area
            return (both / (own @ area + truth[[at for *_, at in questions]] @ area - both).clamp_min(1e-6)).tolist()

        stays = anchors_of(sample)
        one = overlaps([([at], [], stays, at) for at in range(len(truth))])
        first += one
        more: list[Question] = []
        for number, at in enumerate(sample["of"], start=len(truth)):
            if one[at] < 0.8:
                adds = bool(truth[at, sample["seeds"][number]] > 0.5)
                more.append(([at, number], [], stays, at) if adds else ([at], [number], stays, at))
        after += overlaps(more) if more else []
    return sum(first) / max(1, len(first)), sum(after) / max(1, len(after))


def fit(
    domains: Sequence[Sequence[Sample]], shares: Sequence[float], steps: int, rate: float, seed: int, say=None,
    workers: int = 1, start: Weights | None = None,
) -> Weights:
    """The numbers, averaged over the last steps.

    Args:
        domains: samples of each.
        shares: of the pictures that are of each domain, in any unit.
        steps, rate: how many, of which learning rate at first.
        seed: of all chance.
        say: called with (step, mean loss since the last call, numbers so far) every hundred steps.
        workers: pictures at a time, each on a core; they change nothing.
        start: numbers to begin from; by chance without.
    """
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    some = [sample for samples in domains for sample in samples[:60]]
    asked = [joined(one["told"].float(), *question(one, rng)[:3])[::20] for one in some]
    figures = [one["figures"].float().flatten(0, 1)[one["figures"][..., 4].flatten() > 0][::50] for one in some]
    began = start or begun(torch.cat(asked), torch.cat(figures), generator)
    weights = {name: value.clone() for name, value in began.items()}
    own = [name for name in weights if not name.startswith(("asked", "figures"))]
    for name in own:
        weights[name].requires_grad_(True)
    average = {name: value.detach().clone() for name, value in weights.items()}
    rule = torch.optim.AdamW([weights[name] for name in own], rate, weight_decay=1e-3)
    total = 0.0

    def slopes(task: tuple[Sample, list[Question], random.Random | None]) -> tuple[float, Sequence[torch.Tensor]]:
        sample, questions, eyes = task
        every = answers(weights, sample, questions, eyes)
        loss = loss_of(every, sample["truth"].float()[[at for *_, at in questions]], sample["area"]) / PICTURES
        return loss.item(), torch.autograd.grad(loss, [weights[name] for name in own])

    def stepped(step: int, pool: ThreadPoolExecutor) -> float:
        """The mean loss before the step."""
        for group in rule.param_groups:
            group["lr"] = rate * min(1, step / 50) * (1 - (step - 1) / steps) ** 0.8
        tasks = []
        for _ in range(PICTURES):
            sample = rng.choice(rng.choices(domains, shares)[0])
            questions = [question(sample, rng) for _ in range(QUESTIONS)]
            tasks.append((sample, questions, random.Random(rng.random()) if rng.random() < OTHERS else None))
        losses, every = zip(*pool.map(slopes, tasks), strict=True)
        # In the order of the pictures, whoever is ready first.
        for name, parts in zip(own, zip(*every, strict=True), strict=True):
            weights[name].grad = torch.stack(parts).sum(0)
        torch.nn.utils.clip_grad_norm_([weights[name] for name in own], 1.0)
        rule.step()
        for name in own:
            average[name].lerp_(weights[name].detach(), 1 - min(0.99, step / (step + 10)))
        return sum(losses)

    with ThreadPoolExecutor(workers) as pool:
        for step in range(1, steps + 1):
            total += stepped(step, pool)
            if say is not None and step % 100 == 0:
                say(step, total / 100, average)
                total = 0.0
    return average


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fit_belonging",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--samples", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--shares", type=float, nargs="+", help="of each; those imagined count a third by default")
    parser.add_argument("--validation", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--every", type=int, default=500, help="steps after which validation is looked at; hundreds")
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, nargs="?", const=NUMBERS, metavar="FILE", help="numbers to go on from")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--workers", type=int, default=1, help="pictures at a time, each by that many threads")
    parser.add_argument("--write", type=Path, nargs="?", const=NUMBERS, metavar="FILE")
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    shares = args.shares or [1 / 3 if root.name.endswith("imagined") else 1.0 for root in args.samples]
    if len(shares) != len(args.samples):
        parser.error(f"{len(args.samples)} --samples need as many --shares, not {len(shares)}")
    held_out = {root: samples_in(root) for root in args.validation}

    def say(step: int, loss: float, weights: Weights) -> None:
        sys.stdout.write(f"{step} steps: {loss:.4f}\n")
        if step % args.every == 0 or step == args.steps:
            for root, samples in held_out.items():
                one, more = found(weights, samples)
                sys.stdout.write(f"  {root}: {one:.3f}, of those below 0.8 after a click {more:.3f}\n")
            write(weights)
        sys.stdout.flush()

    def write(weights: Weights) -> None:
        if args.write is not None:
            save_file({name: value.half().contiguous() for name, value in weights.items()}, args.write)

    start = args.start and {name: value.float() for name, value in load_file(args.start).items()}
    samples = [samples_in(root) for root in args.samples]
    write(fit(samples, shares, args.steps, args.rate, args.seed, say, args.workers, start))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
