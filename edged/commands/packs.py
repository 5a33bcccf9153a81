"""Packs as `edged models` shows and resolves them.

Knows packs and the store; downloads are :mod:`edged.store`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from edged.recipe import UNPINNED, Pack
from edged.store import ModelStore


@dataclass(frozen=True)
class Packs:
    """All packs, and what of them is here.

    Attributes:
        packs: by id.
        store: of the model files.
    """

    packs: Mapping[str, Pack]
    store: ModelStore

    def members(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Model ids, each once, with packs replaced by their members."""
        return tuple(
            dict.fromkeys(
                member
                for one in ids
                for member in (self.packs[one].members if one in self.packs else (one,))
            )
        )

    def named(self, ids: Iterable[str]) -> list[Pack]:
        """The packs among some ids."""
        return [self.packs[one] for one in ids if one in self.packs]

    def of(self, model_id: str) -> list[str]:
        """Ids of the packs that a model is in."""
        return [pack.id for pack in self.packs.values() if model_id in pack.members]

    def ready(self, pack: Pack) -> list[str]:
        """Members whose files are here."""
        return [one for one in pack.members if self.store.status(one).state == "ready"]

    def table(self) -> Table:
        """One row a pack."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in ("pack", "here", "archive", "members"):
            table.add_column(head, no_wrap=head != "members")
        for pack in self.packs.values():
            here = f"{len(self.ready(pack))} of {len(pack.members)}"
            table.add_row(pack.id, here, _pin(pack), " ".join(self._shown(pack)))
        return table

    def _shown(self, pack: Pack) -> list[str]:
        """Members, those of unknown hash marked."""
        return [
            one if self.store.recipes[one].pinned else f"{one} (unpinned)" for one in pack.members
        ]

    def data(self) -> list[dict[str, Any]]:
        """The same for scripts."""
        return [
            {
                "id": pack.id,
                "kind": "pack",
                "title": pack.title,
                "members": list(pack.members),
                "ready": self.ready(pack),
                "unpinned": [m for m in pack.members if not self.store.recipes[m].pinned],
                "archives": [{"url": one.url, "sha256": one.sha256} for one in pack.archives],
                "left_out": pack.left_out,
            }
            for pack in self.packs.values()
        ]


def _pin(pack: Pack) -> str:
    return "unpinned" if any(one.sha256 == UNPINNED for one in pack.archives) else "pinned"
