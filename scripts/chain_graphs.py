"""The longer graphs of example_workflows/, and the blueprint of the chain in subgraphs/."""

from __future__ import annotations

from scripts.graph_parts import (
    LOADED,
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
IN_WINDOW = Given(image=("crop", 0), points=("crop", 1))
"""What the chain begins with between Crop and Stitch."""
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

LARGE = {
    **loaders(),
    "large": Spec(
        "ImageScaleBy", (0, 640), {"image": LOADED.image, "upscale_method": "lanczos", "scale_by": 2.0}, (300, 90),
        "Stands for a large picture",
    ),
    "points": points(image=("large", 0)),
    "crop": Spec(
        "AttentionDragCrop",
        (840, 0),
        {"image": ("large", 0), "points": ("points", 0), "model": LOADED.model, "window": "140"},
        (300, 200),
    ),
    "encode": encode((840, 330), IN_WINDOW),
    "inversion": inversion((840, 470), IN_WINDOW),
    "mask": mask((1200, 0), IN_WINDOW, image=IN_WINDOW.image),
    "apply": apply((1200, 420), IN_WINDOW),
    "sampler": sampler((1560, 0), IN_WINDOW),
    "decode": decode((1560, 480), IN_WINDOW),
    "composite": composite((1560, 610), IN_WINDOW),
    "stitch": Spec(
        "AttentionDragStitch",
        (1920, 0),
        {"stitch": ("crop", 3), "edited": ("composite", 0), "dragged": ("apply", 0)},
        (300, 150),
    ),
    "edited": edited((1920, 240), ("stitch", 0), 420),
    "window": show((840, 1040), "Window", ("crop", 0)),
    "blur": Spec("ImageBlur", (1200, 1040), {"image": ("crop", 0), "blur_radius": 9, "sigma": 4.0}, (300, 90)),
    "other": Spec("AttentionDragStitch", (1200, 1220), {"stitch": ("crop", 3), "edited": ("blur", 0)}, (300, 150)),
    "blurred": show((1560, 1040), "Any other node between", ("other", 0)),
    "note": note(
        (360, 800),
        (420, 440),
        "### AttentionDrag: a large picture\n"
        "**AttentionDrag Crop** cuts a window out of a large picture, at the size that the model knows; everything "
        "between it and **AttentionDrag Stitch** works on that window, and the rest of the picture stays bit for bit "
        "as it is. Link Crop's *window*, *points* and *mask*, not the picture's, to the nodes between.\n\n"
        "- **The chain**: with *dragged* linked, Stitch moves the picture's own pixels at full resolution.\n"
        "- **Any other nodes**: below, a blur; an inpainting or a detailer stand there as well.\n"
        "- A node between runs again when a point moves, the inversion too. **AttentionDrag Edit** crops and stitches "
        "by itself, and inverts again only when its window moves.\n"
        "- *window* is pixels round handle and target here: without a mask Crop doesn't know how large the bird is.\n\n"
        "The picture is the demo's, enlarged: link a large one of your own to Points and Crop in its place.",
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
