"""The families of parsers, by name, each made only when it is wanted."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from fuzz.harness import Family

_WHERE = {
    "frames": "frames:Frames",
    "images": "images:Images",
    "commands": "commands:Commands",
    "config": "config:Configs",
    "recipes": "recipes:Recipes",
    "ipc": "ipc:Ipc",
    "keys": "keys:Keys",
    "archives": "archives:Archives",
    "outbox": "outbox:Outboxes",
}
_SLOW = {"outbox": 0.01}
"""Families whose inputs are files: so many for one of the others."""
NAMES = tuple(_WHERE)


def inputs(name: str, wanted: int) -> int:
    """How many inputs a family gets where others get `wanted`."""
    return max(1, int(wanted * _SLOW.get(name, 1.0)))


def traced(name: str) -> int:
    """How many of them can be traced in a minute or so."""
    return int(20_000 * max(_SLOW.get(name, 1.0), 0.05))


def make(name: str) -> Family:
    """A family by its name."""
    module, _, made = _WHERE[name].partition(":")
    factory: Callable[[], Family] = getattr(import_module(f"fuzz.families.{module}"), made)
    return factory()
