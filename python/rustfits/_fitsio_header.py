"""Headers as the package ``fitsio`` has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import rustfits


class FITSHDR:
    """A header that is not of a file: what ``read_header`` gives, and what ``header=`` takes.

    Of COMMENT and HISTORY, which may be there several times, ``h[name]`` gives the last; ``records()`` has all.

    Parameters
    ----------
    records : FITSHDR, rustfits.Header, dict or list of dict or str, optional
        The first cards. The dicts of a list have ``name``, ``value`` and, if wanted, ``comment``; its texts are
        cards as they stand in files.
    """

    def __init__(self, records: Any = None) -> None:
        self.native = rustfits.Header()
        if isinstance(records, FITSHDR):
            self.native = rustfits.Header(records.native)
        elif isinstance(records, rustfits.Header):
            self.native = rustfits.Header(records)
        elif isinstance(records, Mapping):
            for name, value in records.items():
                self.add_record({"name": name, "value": value})
        else:
            for record in records or []:
                self.add_record(record)

    def add_record(self, record: Mapping[str, Any] | str) -> None:
        """Sets a card from a dict with ``name``, ``value`` and, if wanted, ``comment``, or from the text of a card.

        One that describes the structure of a file is left out: it is written with the data.
        """
        if isinstance(record, str):
            self.native.update(_header_of(record), copy_commentary=True)
            return
        set_card(self.native, record["name"], record.get("value"), record.get("comment"))

    def records(self) -> list[dict[str, Any]]:
        """The cards: dicts with ``name``, ``value`` and ``comment``."""
        records: list[dict[str, Any]] = []
        for name, value in self.native.items():
            if isinstance(value, list):
                records += [{"name": name, "value": text, "comment": ""} for text in value]
            else:
                records.append({"name": name, "value": value, "comment": self.native.comment_of(name)})
        return records

    def get_comment(self, name: str) -> str:
        """The comment of a card; of a commentary card its text."""
        value = self.native[name]
        return value[-1] if isinstance(value, list) else self.native.comment_of(name)

    def delete(self, name: str) -> None:
        """Takes a card out; one that is not there is no error."""
        if name in self.native:
            del self.native[name]

    def clean(self) -> None:
        """Takes out the cards that describe the structure of a file."""
        cleaned = rustfits.Header()
        cleaned.update(self.native, copy_commentary=True)
        self.native = cleaned

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a card, or the default."""
        try:
            return self[name]
        except KeyError:
            return default

    def keys(self) -> list[str]:
        """The names of the cards."""
        return list(self.native.keys())

    def __getitem__(self, name: str) -> Any:
        value = self.native[name]
        return value[-1] if isinstance(value, list) else value

    def __setitem__(self, name: str, value: Any) -> None:
        set_card(self.native, name, value, None)

    def __delitem__(self, name: str) -> None:
        del self.native[name]

    def __contains__(self, name: str) -> bool:
        return name in self.native

    def __iter__(self) -> Iterator[str]:
        return iter(self.native)

    def __len__(self) -> int:
        return len(self.native.cards)

    def __repr__(self) -> str:
        return "\n" + str(self.native)

    def __getattr__(self, name: str) -> Any:
        return getattr(native_of(self, name), name)


def _header_of(card: str) -> rustfits.Header:
    """A header with this card, as it is read from a file."""
    cards = (
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    0",
        card,
        "END",
    )
    block = "".join(f"{text:80.80}" for text in cards).ljust(2880)
    header: rustfits.Header = rustfits.FITS.from_bytes(block.encode())[0].header
    return header


def native_of(shim: Any, name: str) -> Any:
    """The object of ``rustfits`` that is asked for an attribute."""
    # Of an object that is being made, or unpickled, there may be none yet.
    if name == "native":
        raise AttributeError(name)
    return shim.native


def set_card(header: Any, name: str | None, value: Any, comment: str | None) -> None:
    """Sets a card, unless it describes the structure of a file."""
    name = name or ""
    if rustfits.is_protected_key(name):
        return
    if name.upper() in ("COMMENT", "HISTORY", "", "CONTINUE"):
        if name.upper() != "CONTINUE":
            header[name] = str(value)
    elif comment is None:
        header[name] = value
    else:
        header[name] = (value, comment)
