"""The contact sheet: a grid of labelled thumbnails in asinh stretch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CELL, LABEL, GAP, COLUMNS, MARGIN, TITLE = 150, 16, 8, 20, 24, 56
BACKGROUND, INK, FAINT = (16, 17, 22), (236, 236, 240), (150, 152, 164)
# From the sky to the brightest pixel.
COLOURS = np.array([(6, 7, 16), (33, 30, 72), (106, 55, 110), (196, 98, 92), (246, 178, 112), (255, 250, 232)], "f4")


def stretch(image: np.ndarray) -> np.ndarray:
    """Levels from 0 to 1: asinh of the height above the sky in units of its spread, white at the brightest 0.2 %."""
    finite = image[np.isfinite(image)]
    if not finite.size:
        return np.zeros(image.shape, "f4")
    low, middle, white = np.percentile(finite, (5, 25, 99.8))
    spread = max(2 * (middle - low), (white - low) / 150, 1e-30)
    levels = np.arcsinh(np.clip(image - low, 0, None) / spread) / np.arcsinh(max(white - low, 1e-30) / spread)
    return np.nan_to_num(np.clip(levels, 0, 1))


def picture(image: np.ndarray) -> Image.Image:
    """The first row of a FITS image is at the bottom."""
    position = stretch(image)[::-1] * (len(COLOURS) - 1)
    whole = np.minimum(position.astype(int), len(COLOURS) - 2)
    part = (position - whole)[..., None]
    rgb = COLOURS[whole] * (1 - part) + COLOURS[whole + 1] * part
    return Image.fromarray(rgb.round().astype("u1")).resize((CELL, CELL), Image.Resampling.LANCZOS)


def write(path: Path, sections: Sequence[tuple[str, Sequence[tuple[str, np.ndarray]]]]) -> None:
    """Writes the sheet: each section has a title, and labelled images."""
    pitch = CELL + GAP
    heights = [TITLE + -(-len(images) // COLUMNS) * (pitch + LABEL) for _, images in sections]
    sheet = Image.new("RGB", (2 * MARGIN + COLUMNS * pitch - GAP, 2 * MARGIN + sum(heights)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    title_font, label_font = ImageFont.load_default(26), ImageFont.load_default(12)
    top = MARGIN
    for (title, images), height in zip(sections, heights, strict=True):
        draw.text((MARGIN, top + 8), title, INK, title_font)
        for number, (label, image) in enumerate(images):
            x = MARGIN + number % COLUMNS * pitch
            y = top + TITLE + number // COLUMNS * (pitch + LABEL)
            sheet.paste(picture(image), (x, y))
            while draw.textlength(label, label_font) > CELL:
                label = label[:-2] + "…" if label.endswith("…") else label[:-1] + "…"
            draw.text((x, y + CELL + 2), label, FAINT, label_font)
        top += height
    sheet.save(path)
