"""Contrast by WCAG 2 of what a page shows: the colours it asks for, on the pixels that are really behind them.

Behind, because ComfyUI's canvas rendering paints a node's ground on the canvas: no element there has a background, and
what the style sheets name (``NODE_DEFAULT_BGCOLOR``) is not what the light palette's nodes are painted with.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from statistics import median

from PIL import Image
from playwright.sync_api import Page

Colour = tuple[float, float, float]

# Hides what has to be read, and nothing else.
_BARE = "%s * { color: transparent !important; stroke: transparent !important; caret-color: transparent !important }"
_PARTS = """(root) => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const off = (element) => element.closest(":disabled") !== null;
  const box = ({ left, top, right, bottom }) => [left, top, right, bottom];
  const parts = [];
  const add = (kind, element, rect, colour) => {
    if (rect.width < 2 || rect.height < 2 || off(element)) return;
    const name = `${element.className.baseVal ?? element.className} ${element.textContent.trim().slice(0, 30)}`;
    parts.push({ kind, name: name.trim(), box: box(rect), colour: rgba(colour) });
  };
  const area = document.querySelector(root);
  const seen = (element) => element.checkVisibility({ opacityProperty: true });
  for (const element of area.querySelectorAll("*")) {
    // Marks lie on the picture, whose colours are the user's; what is only read out has no colour.
    if (element.closest(".ad-marks, .ad-points, .ad-live") || !seen(element)) continue;
    const style = getComputedStyle(element);
    for (const child of element.childNodes) {
      if (child.nodeType !== Node.TEXT_NODE || !child.textContent.trim()) continue;
      const range = document.createRange();
      range.selectNodeContents(child);
      add("text", element, range.getBoundingClientRect(), style.color);
    }
    if (element.matches("input[type=number], select, textarea")) {
      const told = element.value ? style.color : getComputedStyle(element, "::placeholder").color;
      if (element.value || element.placeholder) add("text", element, element.getBoundingClientRect(), told);
      add("edge", element, element.getBoundingClientRect(), style.borderLeftColor);
    }
    const rect = element.getBoundingClientRect();
    if (element.matches(".ad-text-button")) add("edge", element, rect, style.borderLeftColor);
    if (element.matches(".ad-icon")) add("icon", element, rect, style.color);
  }
  return parts;
}"""


@dataclass(frozen=True)
class Part:
    """One text, icon or edge of a control. ``kind`` is "text", "icon" or "edge"."""

    kind: str
    name: str
    contrast: float


def measure(page: Page, root: str) -> list[Part]:
    """Every readable part below the element that the selector ``root`` names, disabled controls left out."""
    found = page.evaluate(_PARTS, root)
    bare = page.add_style_tag(content=_BARE % root)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    bare.evaluate("(style) => style.remove()")
    parts = []
    for one in found:
        left, top, right, bottom = (round(value) for value in one["box"])
        if one["kind"] == "edge":
            # What lies beside the control, beyond the blend of a border between two pixels.
            left, right = left - 3, left - 1
        behind = _ground(picture.crop((left, top, right, bottom)))
        *colour, alpha = one["colour"]
        shown = tuple(c * alpha / 255 + b * (1 - alpha / 255) for c, b in zip(colour, behind, strict=True))
        parts.append(Part(one["kind"], one["name"], contrast(shown, behind)))
    return parts


def contrast(one: Colour, other: Colour) -> float:
    """WCAG 2's ratio, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (value / 255 for value in colour))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _ground(part: Image.Image) -> Colour:
    return tuple(median(channel.tobytes()) for channel in part.split())
