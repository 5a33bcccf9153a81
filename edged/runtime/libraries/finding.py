"""A reason why a runtime cannot work here, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/:;,'\"()]+/)+")


@dataclass(frozen=True)
class Finding:
    """One reason, for a person and for a machine.

    Attributes:
        slug: stable and short, such as "no-driver"; it becomes the device's reason.
        problem: what is wrong and where, one clause.
        cure: what to do, a command where one helps.
    """

    slug: str
    problem: str
    cure: str

    def __str__(self) -> str:
        return f"{self.problem}; {self.cure}"


def without_folders(text: str, most: int = 600) -> str:
    """A text for documents that leave the box: files keep their names, not their folders."""
    return _FOLDERS.sub("", text)[:most]
