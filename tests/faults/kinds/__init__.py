"""What can go wrong: one `Kind` a row of the table, found in every module of this package.

A module names its kinds in a tuple `KINDS`.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults.site import Site


@dataclass(frozen=True)
class Kind:
    """One fault.

    Attributes:
        name: row of the table.
        inject: does the harm at a random moment and undoes it; returns when the device can
            recover.  Called many times on one site.
        broker: set-up of the broker, a name of `faults.brokers.SETUPS`.
        state: where the outbox lies: "disk", or "tmpfs", a small one.
        may_gap: rows may be answered for by `gap` documents (too large, damaged, overflow).
        may_refuse: shots may be turned away (a full disk); else that is a problem.
        forgets: a picture may be gone whose result is still to come, and the replay brings it:
            a broker that saves now and then forgets what it acknowledged since.
        fault: a broken part of the engine, a kind of tests/fakes/faulty_engine.py.
        supervised: the two programs run under `edged run`, which stands in the engine's place.
        config: more lines of edged.toml, by the section they belong in.
        weight: injections for each one that is asked for: cheap kinds take several.
    """

    name: str
    inject: Callable[[Site, random.Random], None]
    broker: str = "plain"
    state: str = "disk"
    may_gap: bool = False
    may_refuse: bool = False
    forgets: bool = False
    fault: str | None = None
    supervised: bool = False
    config: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1


def all_kinds() -> list[Kind]:
    """Every kind of every module, in the order of the modules' names.

    Raises:
        ValueError: two kinds have one name.
    """
    found: list[Kind] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        found += importlib.import_module(f"{__name__}.{module}").KINDS
    names = [kind.name for kind in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"kinds with one name: {', '.join(sorted(twice))}")
    return found
