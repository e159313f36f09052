"""What pickled handles become where they arrive.

Whatever goes wrong there is the error of the first use, and not of unpickling: raised by that it would end a worker of
``multiprocessing``, and leave whoever waits for its result waiting for ever.
"""

from __future__ import annotations

from typing import Any, NoReturn

from rustfits._rustfits import FITS, Remote


class Unopened:
    """Stands for a file that could not be opened where it arrived, its HDUs and columns: to use it is that error."""

    _error: Exception

    def __init__(self, error: Exception) -> None:
        self.__dict__["_error"] = error

    def _refuse(self, *_: object) -> NoReturn:
        raise self._error.with_traceback(None)

    __getattr__ = __setattr__ = _refuse
    __getitem__ = __setitem__ = __contains__ = __iter__ = __len__ = _refuse
    __enter__ = __reduce_ex__ = _refuse

    def __exit__(self, *_: object) -> None: ...

    def __repr__(self) -> str:
        return f"<not opened: {self._error}>"


def opened(filename: str, lenient: bool, remote: Remote | None) -> FITS | Unopened:
    """The file, opened again."""
    try:
        return FITS(filename, "r", lenient=lenient, remote=remote)
    except Exception as error:
        return Unopened(error)


def item(of: Any, key: Any) -> Any:
    """An HDU of the file, or columns of the table."""
    if isinstance(of, Unopened):
        return of
    try:
        return of[key]
    except Exception as error:
        return Unopened(error)
