"""How `edged models` shows models: a table for people, data for scripts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from edged.recipe import Recipe
from edged.store import ModelStatus

_MIB = 1 << 20
_WIDE_CHARS = 132
_COMMERCIAL: dict[bool | str, str] = {True: "yes", False: "no", "ask": "ask vendor"}


def models_table(
    screen: Console,
    recipes: Mapping[str, Recipe],
    states: Mapping[str, ModelStatus],
    used: Collection[str],
) -> Table:
    """One row a model; on a narrow terminal the last columns are left out.

    Args:
        screen: where it goes; what is no terminal is made wide enough.
        recipes: by id.
        states: by id.
        used: ids of the configured models.
    """
    wide = not screen.is_terminal or screen.width >= _WIDE_CHARS
    if wide:
        screen.width = max(screen.width, _WIDE_CHARS)
    heads = ("model", "kind", "state", "MiB", "commercial", "hash", "verified", "licence")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads if wide else heads[:5]:
        table.add_column(head, no_wrap=True, justify="right" if head == "MiB" else "left")
    for state in states.values():
        cells = _cells(recipes[state.id], state, state.id in used)
        table.add_row(*(cells if wide else cells[:5]))
    return table


def model_data(
    recipe: Recipe, state: ModelStatus, configured: bool, packs: list[str]
) -> dict[str, Any]:
    """One model, for `--json`."""
    return {
        "id": state.id,
        "kind": recipe.kind,
        "family": recipe.family,
        "title": recipe.title,
        "configured": configured,
        "state": state.state,
        "path": str(state.path) if state.path else None,
        "size_bytes": state.size_bytes or recipe.size_bytes,
        "sha256": state.sha256,
        "pinned": recipe.pinned,
        "packs": packs,
        "licence": msgspec.to_builtins(recipe.licence),
        "verified": recipe.verified,
        "builtin": recipe.builtin,
        "detail": state.detail,
    }


def _cells(recipe: Recipe, state: ModelStatus, configured: bool) -> tuple[str, ...]:
    """One row of the list."""
    size = state.size_bytes or recipe.size_bytes
    return (
        f"{state.id}{'*' if configured else ''}",
        recipe.kind,
        "not made yet" if recipe.builtin and state.state == "absent" else state.state,
        f"{size / _MIB:.1f}" if size else "",
        _COMMERCIAL[recipe.licence.commercial],
        "pinned" if recipe.pinned else "made here" if recipe.builtin else "unpinned",
        recipe.verified,
        recipe.licence.name,
    )
