"""Random binary tables of every TFORM (FITS 4.0 §7.3), made byte by byte, with the values that they then hold."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from conftest import raw_file

PRIMARY = raw_file("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0")
STORED = {"B": "u1", "I": "i2", "J": "i4", "K": "i8", "E": "f4", "D": "f8", "C": "c8", "M": "c16"}
INTEGERS = "BIJK"
ZEROS = {"B": -128, "I": 2**15, "J": 2**31, "K": 2**63}
SHIFTED = {"B": "i1", "I": "u2", "J": "u4", "K": "u8"}
LETTERS = "LXBIJKAEDCM"
# Powers of two, so that what is scaled is scaled without a rounding that depends on the order of two steps.
SCALES = [(2.0, 0.0), (0.5, -3.0), (-0.25, 1.5), (1.0, 7.0)]


@dataclass
class Cell:
    """What one row holds: its bytes, the values as they are stored, and which of them are null."""

    bytes: bytes
    values: np.ndarray
    nulls: np.ndarray


@dataclass
class Column:
    name: str
    form: str
    letter: str
    """That of the elements, also of a variable-length column."""
    variable: bool
    shape: tuple[int, ...]
    """Of a cell; of a variable-length column what TDIM says, or nothing."""
    cells: list[Cell]
    scaling: tuple[float, float] | None = None
    """TSCAL and TZERO."""
    null: int | None = None
    cards: list[tuple[str, Any]] = field(default_factory=list)
    repeat: int = 1
    width: int | None = None
    """Of the strings in a cell of text."""
    has_fill: bool = False
    """Whether bytes stand behind the NUL that ends a text, or in bits that are not used."""

    @property
    def is_shifted(self) -> bool:
        """Whether TZERO only makes the integers unsigned (or signed bytes)."""
        return self.scaling is not None and self.letter in ZEROS and self.scaling == (1.0, ZEROS[self.letter])

    @property
    def dtype(self) -> np.dtype:
        """That of a value as it comes out."""
        return self.physical(Cell(b"", np.zeros(1, self.stored_dtype), np.zeros(1, bool))).dtype

    @property
    def stored_dtype(self) -> np.dtype:
        return np.dtype("U1" if self.letter == "A" else STORED.get(self.letter, "?"))

    def cards_of(self, *keys: str) -> bool:
        """Whether it has one of these cards."""
        return any(key in keys for key, _ in self.cards)

    def some_rows(self, rows: slice) -> Column:
        return replace(self, cells=self.cells[rows])

    def given(self) -> Any:
        """The values of all rows as they are given to be written, nulls masked."""
        wanted, nulls = self.wanted(), self.nulls()
        if self.variable:
            cells = np.empty(len(wanted), object)
            for row, (value, null) in enumerate(zip(wanted, nulls, strict=True)):
                filled = value if value.shape or self.letter != "A" else value.item()
                cells[row] = np.ma.array(value, mask=null) if null.any() else filled
            return cells
        shape = (len(wanted), *self.shape)
        values = np.array(wanted).reshape(shape) if wanted else np.zeros(shape, self.dtype)
        return np.ma.array(values, mask=np.array(nulls).reshape(shape)) if wanted else values

    def physical(self, cell: Cell) -> np.ndarray:
        if self.scaling is None:
            return cell.values
        if self.is_shifted:
            code = STORED[self.letter].replace("i", "u")
            top = np.array(1, code) << (8 * np.dtype(code).itemsize - 1)
            return (cell.values.view(code) ^ top).view(SHIFTED[self.letter])
        wide = "c16" if self.letter in "CM" else "f8"
        return (cell.values.astype(wide) * self.scaling[0] + self.scaling[1]).astype(wide)

    def wanted(self) -> list[np.ndarray]:
        """The values of each row, in the shape in which they come out."""
        return [self.shaped(self.physical(cell)) for cell in self.cells]

    def nulls(self) -> list[np.ndarray]:
        return [self.shaped(cell.nulls) for cell in self.cells]

    def shaped(self, values: np.ndarray) -> np.ndarray:
        if self.variable:
            return values.reshape(self.shape) if self.shape and values.size == np.prod(self.shape) else values
        return values.reshape(self.shape)


@dataclass
class Table:
    columns: list[Column]
    rows: int
    content: bytes
    has_gap: bool


def letters(rng: np.random.Generator, most: int) -> str:
    text = "".join(rng.choice(list("abcXYZ 0'-"), rng.integers(0, most, endpoint=True)))
    return text.rstrip(" ")


def text_cell(rng: np.random.Generator, count: int, width: int, fill: str) -> Cell:
    """Strings of `width` characters: filled up with blanks, with NULs, or with a NUL and anything."""
    texts = [letters(rng, width) for _ in range(count)]
    stored = b""
    for text in texts:
        rest = width - len(text)
        match fill:
            case "blanks":
                behind = b" " * rest
            case "nuls":
                behind = b"\0" * rest
            case _:
                behind = (b"\0" + rng.integers(0, 256, rest, "u1").tobytes())[:rest]
        stored += text.encode() + behind
    return Cell(stored, np.array(texts, "U"), np.zeros(count, bool))


def other_cell(rng: np.random.Generator, letter: str, count: int, null: int | None, fill: bool) -> Cell:
    nulls = np.zeros(count, bool)
    if letter == "L":
        codes = rng.choice(np.frombuffer(b"TF\0", "u1"), count)
        return Cell(codes.tobytes(), codes == ord("T"), codes == 0)
    if letter == "X":
        bits = rng.random(count) < 0.5
        unused = rng.random(-count % 8) < 0.5 if fill else np.zeros(-count % 8, bool)
        return Cell(np.packbits(np.concatenate([bits, unused])).tobytes(), bits, nulls)
    dtype = np.dtype(STORED[letter])
    if letter in INTEGERS:
        info = np.iinfo(dtype)
        values = rng.integers(info.min, info.max, count, dtype, endpoint=True)
        values[rng.random(count) < 0.1] = rng.choice([info.min, info.max, 0])
        if null is not None:
            values[rng.random(count) < 0.3] = null
            nulls = values == null
    else:
        parts = rng.normal(size=(count, 2))
        values = np.asarray(parts[:, 0] + 1j * parts[:, 1] if letter in "CM" else parts[:, 0]).astype(dtype)
        if letter in "ED":
            values[rng.random(count) < 0.1] = rng.choice([np.nan, np.inf, -np.inf, -0.0])
    return Cell(values.astype(dtype.newbyteorder(">")).tobytes(), values, nulls)


def factors(rng: np.random.Generator, count: int) -> tuple[int, ...]:
    """Lengths of axes, of which there are two or three, whose product is the count."""
    axes = []
    for _ in range(rng.integers(1, 3)):
        length = int(rng.choice([n for n in range(1, count + 1) if count % n == 0]))
        axes.append(length)
        count //= length
    return (*axes, count)


def dimensions(shape: tuple[int, ...]) -> str:
    return "(" + ",".join(str(length) for length in reversed(shape)) + ")"


def random_scaling(rng: np.random.Generator, letter: str) -> tuple[float, float] | None:
    if letter in "LXA" or rng.random() < 0.5:
        return None
    if letter in ZEROS and rng.random() < 0.5:
        return (1.0, ZEROS[letter])
    return SCALES[rng.integers(len(SCALES))]


def random_column(rng: np.random.Generator, number: int, rows: int) -> Column:
    letter = str(rng.choice(list(LETTERS)))
    variable = rng.random() < 0.35
    scaling = random_scaling(rng, letter)
    null = None
    if letter in INTEGERS and rng.random() < 0.4:
        info = np.iinfo(STORED[letter])
        null = int(rng.integers(info.min, info.max, dtype=STORED[letter], endpoint=True))
    column = Column(f"{letter}_{number}", "", letter, variable, (), [], scaling, null)
    column.has_fill = rng.random() < 0.2
    if variable:
        variable_column(rng, column, rows)
    elif letter == "A":
        text_column(rng, column, rows)
    else:
        plain_column(rng, column, rows)
    if rng.random() < 0.2:
        column.form = column.form.lower()
    if scaling is not None:
        zero = int(scaling[1]) if column.is_shifted else scaling[1]
        column.cards += [("TSCAL", scaling[0]), ("TZERO", zero)]
    if null is not None:
        column.cards.append(("TNULL", null))
    return column


def plain_column(rng: np.random.Generator, column: Column, rows: int) -> None:
    column.repeat = int(rng.choice([0, 1, 1, 1, 2, 6, 8, 12, 13]))
    count = column.repeat
    column.form = column.letter if count == 1 and rng.random() < 0.5 else f"{count}{column.letter}"
    column.shape = () if count == 1 else (count,)
    if count > 0 and rng.random() < 0.4:
        column.shape = factors(rng, count)
        column.cards.append(("TDIM", dimensions(column.shape)))
    column.cells = [other_cell(rng, column.letter, count, column.null, column.has_fill) for _ in range(rows)]


def text_column(rng: np.random.Generator, column: Column, rows: int) -> None:
    count, width = int(rng.choice([1, 1, 1, 2, 6])), int(rng.choice([0, 1, 5, 8]))
    column.width, column.repeat = width, count * width
    column.form = f"{count * width}A"
    if column.repeat == 1 and rng.random() < 0.5:
        column.form = "A"
    if width == 0:
        count = 1
    elif count > 1 and rng.random() < 0.5:
        column.shape = (count,)
        column.form += str(width)
    elif count > 1 or rng.random() < 0.2:
        column.shape = factors(rng, count)
        column.cards.append(("TDIM", dimensions((*column.shape, width))))
    fill = "anything" if column.has_fill else str(rng.choice(["blanks", "nuls"]))
    column.cells = [text_cell(rng, count, width, fill) for _ in range(rows)]


def variable_column(rng: np.random.Generator, column: Column, rows: int) -> None:
    letter = column.letter
    column.repeat = int(rng.choice([0, 1, 1, 1, 1]))
    count = str(column.repeat) if column.repeat == 0 or rng.random() < 0.7 else ""
    most = str(rng.choice(["", "()", "(13)"]))
    column.form = f"{count}{rng.choice(['P', 'Q'])}{letter}{most}"
    shape = factors(rng, 12)
    has_shape = rng.random() < 0.3
    if letter == "A":
        fill = "anything" if column.has_fill else "nuls"
        if has_shape:
            column.shape, column.width = shape[:-1], shape[-1]
            column.cards.append(("TDIM", dimensions(shape)))
    elif has_shape:
        column.shape = shape
        column.cards.append(("TDIM", dimensions(shape)))
    for _ in range(rows):
        length = 0 if column.repeat == 0 else int(rng.choice([0, 1, 5, 12, 13]))
        if letter != "A":
            column.cells.append(other_cell(rng, letter, length, column.null, column.has_fill))
        elif column.width is None:
            cell = text_cell(rng, 1, length, fill)
            column.cells.append(Cell(cell.bytes, cell.values.reshape(()), cell.nulls))
        else:
            column.cells.append(text_cell(rng, length // column.width, column.width, fill))


def random_table(rng: np.random.Generator) -> Table:
    rows = int(rng.choice([0, 1, 2, 7, 40]))
    columns = [random_column(rng, n, rows) for n in range(1, rng.integers(2, 9))]
    return table_of(rng, columns, rows)


def table_of(rng: np.random.Generator, columns: list[Column], rows: int) -> Table:
    """A file with these columns: arrays in any order in the heap, with unused bytes between and in front of them."""
    heap = b""
    descriptors: dict[tuple[int, int], bytes] = {}
    places = [(n, row) for n, column in enumerate(columns) if column.variable for row in range(rows)]
    for n, row in [places[at] for at in rng.permutation(len(places))]:
        column, cell = columns[n], columns[n].cells[row]
        heap += rng.integers(0, 256, rng.integers(0, 4) if rng.random() < 0.2 else 0, "u1").tobytes()
        length = len(cell.bytes) if column.letter == "A" else cell.values.size
        form = ">qq" if "q" in column.form.lower() else ">ii"
        descriptor = struct.pack(form, length, len(heap))
        descriptors[n, row] = descriptor if column.repeat else b""
        heap += cell.bytes
    data = b"".join(
        descriptors[n, row] if column.variable else column.cells[row].bytes
        for row in range(rows)
        for n, column in enumerate(columns)
    )
    width = len(data) // rows if rows else sum(row_width(column) for column in columns)
    gap = int(rng.integers(1, 100)) if heap and rng.random() < 0.4 else 0
    cards: list[tuple[str, Any]] = [
        ("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", rows),
        ("PCOUNT", gap + len(heap)), ("GCOUNT", 1), ("TFIELDS", len(columns)),
    ]  # fmt: skip
    for n, column in enumerate(columns, 1):
        cards += [(f"TTYPE{n}", column.name), (f"TFORM{n}", column.form)]
        cards += [(f"{key}{n}", value) for key, value in column.cards]
    if gap:
        cards.append(("THEAP", len(data) + gap))
    unused = rng.integers(0, 256, gap, "u1").tobytes()
    content = PRIMARY + raw_file(*[card(key, value) for key, value in cards], data=data + unused + heap)
    return Table(columns, rows, content, bool(gap))


def row_width(column: Column) -> int:
    if column.variable:
        return column.repeat * (16 if "q" in column.form.lower() else 8)
    if column.letter == "X":
        return -(-column.repeat // 8)
    return column.repeat * np.dtype(STORED.get(column.letter, "u1")).itemsize


def card(key: str, value: Any) -> str:
    if isinstance(value, str):
        text = value.replace("'", "''")
        return f"{key:8}= '{text:8}'"
    return f"{key:8}= {str(value).upper():>20}"
