"""Made-up skies: each scene is a square float32 array whose noise has a spread of 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray

# Scenes are drawn with at most this many pixels along an axis, then enlarged: that is much quicker.
DETAIL = 450


def _plane(side: int, rng: np.random.Generator, axis_ratio: float) -> tuple[Array, Array]:
    """Radius and angle in a plane that is tilted towards us and turned; the radius is 1 at the edge of the image."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype("f4")
    x -= rng.uniform(-0.15, 0.15)
    y -= rng.uniform(-0.15, 0.15)
    turn = rng.uniform(0, np.pi)
    along = x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))
    across = (y * np.float32(np.cos(turn)) - x * np.float32(np.sin(turn))) / np.float32(axis_ratio)
    return np.hypot(along, across), np.arctan2(across, along)


def _clouds(side: int, rng: np.random.Generator, slope: float = 1.7) -> Array:
    """Fractal noise between 0 and 1."""
    small = 128
    frequency = np.hypot(np.fft.fftfreq(small)[:, None], np.fft.rfftfreq(small)[None, :])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((small, small))) / frequency**slope
    values = np.fft.irfft2(spectrum, s=(small, small))
    return _enlarged(((values - values.min()) / np.ptp(values)).astype("f4"), side)


def _enlarged(image: Array, side: int) -> Array:
    """The image with `side` pixels, interpolated linearly."""
    position = np.linspace(0, len(image) - 1.001, side).astype("f4")
    whole, part = position.astype(int), position % 1
    rows = image[whole] * (1 - part[:, None]) + image[whole + 1] * part[:, None]
    return rows[:, whole] * (1 - part) + rows[:, whole + 1] * part


def stamp(image: Array, y: float, x: float, peak: float, width: float) -> None:
    """Adds a star."""
    reach = int(5 * width) + 1
    y0, y1 = max(int(y) - reach, 0), min(int(y) + reach + 1, image.shape[0])
    x0, x1 = max(int(x) - reach, 0), min(int(x) + reach + 1, image.shape[1])
    if y0 < y1 and x0 < x1:
        down = np.exp(-((np.arange(y0, y1) - y) ** 2) / (2 * width**2))
        over = np.exp(-((np.arange(x0, x1) - x) ** 2) / (2 * width**2))
        image[y0:y1, x0:x1] += peak * np.outer(down, over)


def stars(image: Array, rng: np.random.Generator, count: int, centre: float | None = None) -> None:
    """Adds stars: few bright ones, many faint; evenly spread or crowded around the middle."""
    rows, columns = image.shape
    unit = rows / 500
    for _ in range(count):
        if centre is None:
            y, x = rng.uniform(0, rows), rng.uniform(0, columns)
        else:
            y, x = rows / 2 + rng.normal(0, 1) * rows * centre, columns / 2 + rng.normal(0, 1) * columns * centre
        peak = min(8 * (1 + rng.pareto(0.9)), 4000)
        stamp(image, y, x, peak, 1.2 * unit * (1 + 0.1 * np.log(peak)))


def spiral(side: int, rng: np.random.Generator) -> Array:
    radius, angle = _plane(side, rng, rng.uniform(0.45, 1))
    arms, winding, sense = rng.choice([2, 2, 3]), rng.uniform(2.5, 4.5), rng.choice([-1, 1])
    wave = np.cos(arms * (sense * angle - winding * np.log(radius + 0.05) / arms * 2))
    arm = np.clip(wave, 0, 1) ** 2 * (0.4 + 1.2 * _clouds(side, rng, 1.3))
    disk = 60 * np.exp(-radius / 0.28) * (0.25 + 1.3 * arm)
    return disk + 700 * np.exp(-((radius / 0.06) ** 1.1))


def elliptical(side: int, rng: np.random.Generator) -> Array:
    radius, _ = _plane(side, rng, rng.uniform(0.6, 1))
    return 9e4 * np.exp(-7.67 * (radius / 0.5 + 1e-3) ** 0.25)


def globular(side: int, rng: np.random.Generator) -> Array:
    image = np.zeros((side, side), "f4")
    stars(image, rng, 700, centre=0.13)
    radius, _ = _plane(side, rng, 1)
    return image + 40 * np.exp(-((radius / 0.2) ** 1.2))


def nebula(side: int, rng: np.random.Generator) -> Array:
    glow, dust = _clouds(side, rng), _clouds(side, rng, 1.5)
    return 90 * glow**3 * (1 - 0.9 * np.clip((dust - 0.45) * 4, 0, 1))


def ring(side: int, rng: np.random.Generator) -> Array:
    radius, angle = _plane(side, rng, rng.uniform(0.7, 1))
    size = rng.uniform(0.35, 0.5)
    shell = np.exp(-(((radius - size) / (0.25 * size)) ** 2)) * (1 + 0.5 * np.cos(2 * angle))
    halo = 0.3 * np.exp(-((radius / (1.7 * size)) ** 4))
    image = 60 * (shell + halo) * (0.4 + _clouds(side, rng, 1.3))
    stamp(image, side / 2, side / 2, 900, side / 200)
    return image


def comet(side: int, rng: np.random.Generator) -> Array:
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype("f4")
    turn = np.float32(rng.uniform(0, 2 * np.pi))
    along, across = x * np.cos(turn) + y * np.sin(turn) + 0.4, y * np.cos(turn) - x * np.sin(turn)
    behind = np.clip(along, 0, None)
    tail = np.exp(-((across / (0.03 + 0.22 * behind)) ** 2)) * np.exp(-behind / 0.6) * (along > 0)
    coma = np.hypot(along, across)
    return 45 * tail * (0.7 + 0.6 * _clouds(side, rng, 1.2)) + 1500 * np.exp(-coma / 0.035)


def group(side: int, rng: np.random.Generator) -> Array:
    image = np.zeros((side, side), "f4")
    for _ in range(45):
        patch = int(side * rng.uniform(0.05, 0.22))
        radius, _ = _plane(patch, rng, rng.uniform(0.3, 1))
        y, x = rng.integers(0, side - patch, 2)
        image[y : y + patch, x : x + patch] += rng.uniform(40, 900) * np.exp(-radius / 0.13) * (radius < 1)
    return image


SCENES: dict[str, Callable[[int, np.random.Generator], Array]] = {
    scene.__name__: scene for scene in (spiral, nebula, globular, ring, group, elliptical, comet)
}


def make(kind: str, side: int, rng: np.random.Generator) -> Array:
    """A scene with foreground stars and noise."""
    image = _enlarged(SCENES[kind](min(side, DETAIL), rng).astype("f4"), side)
    stars(image, rng, int(rng.integers(20, 90)))
    image += rng.standard_normal(image.shape, dtype="f4")
    return image
