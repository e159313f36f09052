"""Random sequences of edits on random files, against a model of plain arrays and dicts.

After each edit the bytes are read anew; at the end by astropy and fitsio too. `RUSTFITS_SEQUENCES=1000` runs more.
"""

from __future__ import annotations

import io
import os
import random
import string

import fitsio
import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import rustfits

SEQUENCES = int(os.environ.get("RUSTFITS_SEQUENCES", "200"))
EDITS = 50
DTYPES = ["u1", "i2", "i4", "i8", "f4", "f8", "i1", "u2", "u4", "u8"]
# No slash: behind a quote in a long string, astropy takes it for the start of a comment, also in cards of its own.
TEXT = string.ascii_letters + string.digits + " '&=-.,"


class Model:
    """One HDU: its pixels, its cards, its history."""

    def __init__(self, data, name):
        self.data = data
        self.cards = {} if name is None else {"EXTNAME": name}
        self.history = []
        self.compressed = False

    def copy(self):
        twin = Model(self.data.copy(), None)
        twin.cards, twin.history = dict(self.cards), list(self.history)
        twin.compressed = self.compressed
        return twin


class Sequence:
    def __init__(self, seed, path):
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.models = []
        self.path = path
        self.fits = rustfits.FITS(path, "w+")
        self.names = 0
        for _ in range(self.random.randint(1, 4)):
            self.new_image()

    def pixels(self, shape, dtype):
        dtype = np.dtype(dtype)
        if dtype.kind == "f":
            return self.numbers.normal(size=shape).astype(dtype)
        bounds = np.iinfo(dtype)
        return self.numbers.integers(bounds.min, bounds.max, size=shape, dtype=dtype, endpoint=True)

    def shape(self):
        return tuple(self.random.randint(0 if n == 0 else 1, 40) for n in range(self.random.randint(1, 3)))

    def pick(self):
        number = self.random.randrange(len(self.models))
        return self.fits[number], self.models[number]

    # The edits.

    def new_image(self):
        self.names += 1
        data = self.pixels(self.shape(), self.random.choice(DTYPES))
        name = f"HDU{self.names}"
        before = self.random.choice([None, *range(len(self.models))])
        layout = self.random.choice(
            [np.ascontiguousarray, np.asfortranarray, lambda a: a.astype(a.dtype.newbyteorder(">"))]
        )
        model = Model(data, name)
        compress = self.compression(data) if data.size else None
        self.fits.write_image(layout(data), extname=name, before=before, compress=compress)
        place = len(self.models) if before is None else before
        self.models.insert(place, model)
        if compress:
            model.compressed = True
            if place == 0:
                self.models.insert(0, Model(np.zeros((), "u1"), None))

    def compression(self, data):
        kind = self.random.choice([None, None, None, rustfits.Rice1, rustfits.Gzip1, rustfits.Gzip2])
        if kind is rustfits.Rice1 and (data.dtype.itemsize == 8 or data.dtype.kind == "f"):
            kind = rustfits.Gzip2
        tiles = self.random.choice([None, tuple(self.random.randint(1, 20) for _ in data.shape)])
        return kind and kind(tile_shape=tiles)

    def delete(self):
        if len(self.models) < 2:
            return
        number = self.random.randrange(len(self.models))
        del self.fits[number]
        del self.models[number]
        if number == 0:
            self.models.insert(0, Model(np.zeros((), "u1"), None))

    def copy(self):
        hdu, model = self.pick()
        before = self.random.choice([None, *range(len(self.models))])
        is_extension = "XTENSION" in hdu.header
        self.fits.copy(hdu, before=before)
        place = len(self.models) if before is None else before
        twin = model.copy()
        # In front of all, what was an extension can't be the primary HDU: an empty one comes first.
        if place == 0 and is_extension:
            self.models[0:0] = [Model(np.zeros((), "u1"), None), twin]
        else:
            self.models.insert(place, twin)

    def value(self):
        return self.random.choice(
            [
                self.random.randint(-(10**18), 10**18),
                self.random.uniform(-1e6, 1e6),
                self.numbers.normal() * 10.0 ** self.random.randint(-200, 200),
                self.random.random() < 0.5,
                None,
                "".join(self.random.choice(TEXT) for _ in range(self.random.randint(0, 30))).rstrip(),
                "".join(self.random.choice(TEXT) for _ in range(self.random.randint(60, 300))).rstrip(),
            ]
        )

    def key(self):
        return self.random.choice(
            ["A", "KEY", "EXPTIME", "LONGER_KEYWORD", "TWO WORDS", "K" + str(self.random.randint(1, 60))]
        )

    def set_cards(self):
        hdu, model = self.pick()
        for _ in range(self.random.choice([1, 1, 1, 40])):
            key, value = self.key(), self.value()
            hdu.header[key] = float(value) if isinstance(value, np.floating) else value
            model.cards[key] = value

    def set_together(self):
        hdu, model = self.pick()
        with hdu.header.edit() as header:
            for _ in range(self.random.randint(1, 30)):
                key, value = self.key(), self.value()
                header[key] = (float(value) if isinstance(value, np.floating) else value, "a comment")
                model.cards[key] = value

    def remove_card(self):
        hdu, model = self.pick()
        keys = [key for key in model.cards if key != "EXTNAME"]
        if keys:
            key = self.random.choice(keys)
            del hdu.header[key]
            del model.cards[key]

    def add_history(self):
        hdu, model = self.pick()
        text = "".join(self.random.choice(TEXT.replace(" ", "")) for _ in range(self.random.randint(1, 150)))
        hdu.header.add_history(text)
        model.history += [text[start : start + 72] for start in range(0, len(text), 72)]

    def section(self, shape):
        key = []
        for length in shape:
            kind = self.random.randrange(4)
            if kind == 0 and length:
                key.append(self.random.randrange(-length, length))
            elif kind == 1:
                key.append(slice(None, None, self.random.choice([1, 2, -1, 3])))
            else:
                key.append(slice(*sorted([self.random.randint(0, length), self.random.randint(0, length)])))
        return tuple(key[: self.random.randint(1, len(key))])

    def set_pixels(self):
        hdu, model = self.pick()
        if model.data.ndim:
            key = self.section(model.data.shape)
            values = self.pixels(model.data[key].shape, model.data.dtype)
            hdu[key] = values
            model.data[key] = values

    def set_scalar(self):
        hdu, model = self.pick()
        if model.data.ndim:
            key = self.section(model.data.shape)
            hdu[key] = 7
            model.data[key] = 7

    def extend(self):
        hdu, model = self.pick()
        if model.data.ndim:
            rows = self.pixels((self.random.choice([1, 3, 200]), *model.data.shape[1:]), model.data.dtype)
            with hdu.extending() as growing:
                growing.extend(rows[:1])
                growing.extend(rows[1:])
            model.data = np.concatenate([model.data, rows])

    def repack(self):
        hdu, model = self.pick()
        if model.compressed:
            hdu.repack()

    def checksum(self):
        hdu, _ = self.pick()
        hdu.add_checksum()
        assert (hdu.verify_datasum(), hdu.verify_checksum()) == (True, True)

    def reopen(self):
        self.fits.close()
        self.fits = rustfits.FITS(self.path, "r+")

    def run(self):
        weights = {
            self.new_image: 2, self.delete: 1, self.copy: 1, self.checksum: 2, self.reopen: 2,
            self.set_cards: 5, self.set_together: 2, self.remove_card: 2, self.add_history: 2,
            self.set_pixels: 7, self.set_scalar: 3, self.extend: 3, self.repack: 1,
        }  # fmt: skip
        for edit in self.random.choices(list(weights), list(weights.values()), k=EDITS):
            edit()
            with rustfits.FITS.from_bytes(self.fits.to_bytes()) as fits:
                self.check(fits)
        self.check(self.fits)
        content = self.fits.to_bytes()
        self.fits.close()
        with rustfits.FITS(self.path) as fits:
            assert fits.to_bytes() == content
        return content

    def check(self, fits):
        assert len(fits) == len(self.models)
        for hdu, model in zip(fits, self.models, strict=True):
            assert (hdu.shape, hdu.extname) == (model.data.shape, model.cards.get("EXTNAME"))
            if model.data.ndim:
                assert hdu.dtype == model.data.dtype
                np.testing.assert_array_equal(hdu.read(), model.data)
            for key, value in model.cards.items():
                assert hdu.header[key] == value, key
            assert hdu.header.get("HISTORY", []) == model.history

    def check_elsewhere(self, content):
        with astropy_fits.open(io.BytesIO(content)) as hdus:
            hdus.verify("exception")
            assert len(hdus) == len(self.models)
            for hdu, model in zip(hdus, self.models, strict=True):
                if model.data.ndim:
                    np.testing.assert_array_equal(hdu.data, model.data)
                for key, value in model.cards.items():
                    theirs = hdu.header[key]
                    assert (None if isinstance(theirs, astropy_fits.card.Undefined) else theirs) == value, key
                assert list(hdu.header.get("HISTORY", [])) == model.history
        with fitsio.FITS(str(self.path)) as fits:
            for hdu, model in zip(fits, self.models, strict=True):
                # fitsio has no signed bytes, and reads unsigned ones of 64 bits into signed ones; compressed: none.
                if model.compressed and model.data.dtype in ("i8", "u8"):
                    continue
                if model.data.ndim and model.data.size and model.data.dtype not in ("i1", "u8"):
                    np.testing.assert_array_equal(hdu.read(), model.data)


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
def test_random_edits_match_the_model(tmp_path, name):
    for seed in range(SEQUENCES // (1 if name == "a.fits" else 4)):
        sequence = Sequence(seed, tmp_path / name)
        try:
            sequence.check_elsewhere(sequence.run())
        except Exception as error:
            error.add_note(f"seed {seed} of {name}")
            raise
        assert [entry.name for entry in tmp_path.iterdir()] == [name]
