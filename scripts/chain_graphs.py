"""The longer graphs of example_workflows/, and the blueprint of the chain in subgraphs/."""

from __future__ import annotations

from scripts.graph_parts import (
    Given,
    Spec,
    apply,
    composite,
    decode,
    edited,
    encode,
    inversion,
    loaders,
    mask,
    mask_image,
    note,
    points,
    prompt,
    sampler,
    show,
)

SD15 = "v1-5-pruned-emaonly-fp16.safetensors"
INSIDE = Given(("in", 0), ("in", 1), ("in", 2), ("in", 3))
"""What a subgraph's own side gives."""

STEP_BY_STEP = {
    **loaders(),
    "points": points(),
    "encode": encode((0, 610)),
    "capture": Spec("AttentionDragCapture", (360, 600), {}, (320, 200)),
    "inversion": inversion((840, 0), capture=("capture", 0)),
    "mask": mask((840, 300), image=("image", 0)),
    "apply": apply((1200, 0)),
    "sampler": sampler((1200, 560)),
    "decode": decode((1560, 0)),
    "composite": composite((1560, 110)),
    "edited": edited((1920, 0), ("composite", 0), 420),
    "maskimage": mask_image((1560, 860), ("mask", 0)),
    "shownmask": show((1920, 520), "Mask", ("maskimage", 0)),
    "heatmap": show((840, 680), "Heatmap", ("mask", 1)),
    "displacement": show((1560, 500), "Displacement", ("apply", 2)),
    "note": note(
        (360, 950),
        (440, 220),
        "### AttentionDrag: step by step\n"
        "The inversion is the dear step. Moving points, `tau`, a drawn mask or the sampler's settings leaves it in "
        "ComfyUI's cache.\n\n"
        "A drawn mask goes into **AttentionDrag Mask** (add, subtract, intersect or replace); the free "
        "cells of **AttentionDrag Apply** tell other nodes what may have changed.",
    ),
}

RESTYLE = {
    **loaders(SD15),
    "points": points(),
    "encode": encode((0, 610)),
    "describe": prompt(
        (360, 600), "What the picture shows", "a black bird, a school and a cloud on a violet background"
    ),
    "prompt": prompt(
        (360, 770), "What the element becomes", "a colourful parrot, a school and a cloud on a violet background"
    ),
    "negative": prompt((360, 940), "Negative", ""),
    "inversion": inversion((840, 0), positive=("describe", 0)),
    "mask": mask((840, 300), image=("image", 0)),
    "apply": apply((1200, 0)),
    "select": Spec(
        "AttentionDragSamplerSelect",
        (1200, 560),
        {"inversion": ("inversion", 0), "latent": ("apply", 0), "preserve": 0.2},
        (300, 190),
    ),
    "guider": Spec(
        "CFGGuider",
        (1200, 820),
        {"model": ("model", 0), "positive": ("prompt", 0), "negative": ("negative", 0), "cfg": 3.0},
        (300, 110),
    ),
    "noise": Spec("DisableNoise", (1200, 990), {}, (300, 30)),
    "sampler": Spec(
        "SamplerCustomAdvanced",
        (1560, 0),
        {
            "noise": ("noise", 0),
            "guider": ("guider", 0),
            "sampler": ("select", 0),
            "sigmas": ("inversion", 2),
            "latent_image": ("apply", 0),
        },
        (300, 120),
    ),
    "decode": decode((1560, 180)),
    "composite": composite((1560, 290), keep_element=False),
    "edited": edited((1920, 0), ("composite", 0), 420),
    "heatmap": show((840, 680), "Heatmap", ("mask", 1)),
    "displacement": show((1560, 720), "Displacement", ("apply", 2)),
    "note": note(
        (0, 730),
        (320, 400),
        "### AttentionDrag: move and restyle\n"
        "For a checkpoint with a text encoder. The inversion runs with a prompt that describes the picture; the "
        "way back runs with another, under ComfyUI's own guider and **SamplerCustomAdvanced**.\n\n"
        "`preserve` says for how long the moved element is held to what it was: lower it, and the prompt gets more "
        "say. SIGMAS must be the inversion's, and no noise is added.",
    ),
}

CHAIN = {
    "encode": encode((0, 0), INSIDE),
    "inversion": inversion((280, 0), INSIDE),
    "mask": mask((640, 0), INSIDE, image=INSIDE.image),
    "apply": apply((1000, 0), INSIDE),
    "sampler": sampler((1360, 0), INSIDE),
    "decode": decode((1720, 0), INSIDE),
    "composite": composite((2000, 0), INSIDE),
}
"""The long chain in a subgraph."""

CHAIN_INPUTS = (("model", "MODEL"), ("vae", "VAE"), ("image", "IMAGE"), ("points", "DRAG_POINTS"))
CHAIN_OUTPUTS = (("image", "composite", 0), ("mask", "mask", 0), ("heatmap", "mask", 1), ("displacement", "apply", 2))
CHAIN_WIDGETS = (
    *(("inversion", "strength"), ("mask", "tau"), ("mask", "grow"), ("apply", "seed"), ("apply", "fill")),
    *(("sampler", "preserve"), ("sampler", "hold")),
)
