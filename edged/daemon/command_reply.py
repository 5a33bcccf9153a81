"""What a command of the engine may answer with: words and numbers, and never a picture.

Whatever a command's data says, its reply passes :func:`plain`: bytes and arrays, which
pixels would be, do not pass, nor a text long enough to hold some.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_TEXT = 4096
"""Characters of one text in a reply; the longest are reasons why a runtime was chosen."""
MAX_ITEMS = 20_000
"""Values in a reply, whatever their nesting."""
_DEPTH = 16


class OrderError(ValueError):
    """Raised when a command cannot be done, with the reply's fixed word.

    Args:
        word: for programs.
        text: for people; repeats nothing of the command.
        data: of the reply.
    """

    def __init__(self, word: str, text: str, data: Mapping[str, Any] | None = None) -> None:
        self.word = word
        self.data = data
        super().__init__(text)


def plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a reply, if it is plain.

    Raises:
        TypeError: it holds something that is no number, short text, list or table of such.
    """
    _count(data, 0)
    return dict(data)


def _count(value: object, depth: int) -> int:
    """How many values there are."""
    if value is None or isinstance(value, bool | int | float):
        return 1
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise TypeError("a text of a reply is too long")
        return 1
    if depth >= _DEPTH:
        raise TypeError("a reply is nested too deeply")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) and len(key) <= MAX_TEXT for key in value):
            raise TypeError("a key of a reply is no short text")
        parts = list(value.values())
    elif isinstance(value, list | tuple):
        parts = list(value)
    else:
        raise TypeError("a reply holds what is neither number nor text")
    total = 1 + sum(_count(part, depth + 1) for part in parts)
    if total > MAX_ITEMS:
        raise TypeError("a reply is too long")
    return total
