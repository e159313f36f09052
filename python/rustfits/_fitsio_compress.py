"""How the package ``fitsio`` names compressions, and what they are here."""

from __future__ import annotations

from typing import Any

import numpy as np

import rustfits

NOCOMPRESS = 0
RICE_1 = 11
GZIP_1 = 21
GZIP_2 = 22
PLIO_1 = 31
HCOMPRESS_1 = 41
NO_DITHER = -1
SUBTRACTIVE_DITHER_1 = 1
SUBTRACTIVE_DITHER_2 = 2

_KINDS: dict[Any, Any] = {
    **dict.fromkeys(("RICE", "RICE_1", RICE_1), rustfits.Rice1),
    **dict.fromkeys(("GZIP", "GZIP_1", GZIP_1), rustfits.Gzip1),
    **dict.fromkeys(("GZIP_2", GZIP_2), rustfits.Gzip2),
    **dict.fromkeys(("PLIO", "PLIO_1", PLIO_1), rustfits.Plio1),
    **dict.fromkeys(("HCOMPRESS", "HCOMPRESS_1", HCOMPRESS_1), rustfits.Hcompress1),
}
_METHODS: dict[Any, Any] = {
    **dict.fromkeys(("NO_DITHER", NO_DITHER), "no_dither"),
    **dict.fromkeys((None, "SUBTRACTIVE_DITHER_1", SUBTRACTIVE_DITHER_1), "dither1"),
    **dict.fromkeys(("SUBTRACTIVE_DITHER_2", SUBTRACTIVE_DITHER_2), "dither2"),
}
_LARGEST_SEED = 10000


def compression(
    dtype: Any,
    compress: Any = None,
    tile_dims: Any = None,
    qlevel: float | None = 4.0,
    qmethod: str | int | None = None,
    dither_seed: Any = None,
    hcomp_scale: float | None = None,
    hcomp_smooth: bool | None = None,
) -> dict[str, Any]:
    """What ``compress=`` and ``quantize=`` of ``write_image`` are for these keywords of ``fitsio``.

    Floats are quantized unless ``qlevel`` is None or 0. A seed that is no number from 1 to 10000 is left to rustfits.
    """
    name = compress.upper() if isinstance(compress, str) else compress
    if name is None or name == NOCOMPRESS:
        return {}
    if not isinstance(name, str | int):
        return {"compress": compress}
    if name not in _KINDS:
        known = ", ".join(kind for kind in _KINDS if isinstance(kind, str))
        raise ValueError(f"compress={compress!r} is no compression of images: there are {known}")
    options: dict[str, Any] = {"tile_shape": None if tile_dims is None else tuple(int(length) for length in tile_dims)}
    if _KINDS[name] is rustfits.Hcompress1:
        options |= {"scale": hcomp_scale or 0.0, "smooth": bool(hcomp_smooth)}
    chosen: dict[str, Any] = {"compress": _KINDS[name](**options)}
    if qlevel and np.dtype(dtype).kind == "f":
        if qmethod not in _METHODS:
            raise ValueError(f"qmethod={qmethod!r} is none of NO_DITHER, SUBTRACTIVE_DITHER_1, SUBTRACTIVE_DITHER_2")
        known_seed = isinstance(dither_seed, int) and 1 <= dither_seed <= _LARGEST_SEED
        seed = dither_seed if known_seed else 0
        chosen["quantize"] = rustfits.Quantize(level=float(qlevel), method=_METHODS[qmethod], seed=seed)
    return chosen
