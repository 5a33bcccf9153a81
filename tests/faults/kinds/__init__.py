"""What can go wrong: one `Kind` a row of the table, found in every module of this package.

A module names its kinds in a tuple `KINDS`.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from faults.usual import SECTIONS

if TYPE_CHECKING:
    from faults.site import Site

FLOWS_WITHIN_S = 90.0
"""After a fault something must arrive again; on a machine that others use as well."""


@dataclass(frozen=True)
class Kind:
    """One fault.

    Attributes:
        name: row of the table.
        inject: does the harm at a random moment and undoes it; returns when the device can
            recover.  Called many times on one site.
        broker: set-up of the broker, a name of `faults.brokers.SETUPS`.
        state: where the outbox lies: "disk"; "tmpfs", a small one; "recorded", whose power can
            be cut.
        may_gap: rows may be answered for by `gap` documents (too large, damaged, overflow).
        may_refuse: shots may be turned away (a full disk); else that is a problem.
        forgets: a picture may be gone whose result is still to come, and the replay brings it:
            a broker that saves now and then forgets what it acknowledged since.
        fault: a broken part of the engine, a kind of tests/fakes/faulty_engine.py.
        supervised: the two programs run under `edged run`, which stands in the engine's place.
        config: more lines of edged.toml, by the section they belong in.
        alone: what it leaves behind is nobody else's: the site is its own.
        short: it is a part of the short form, with one injection.
        members: kinds that it is made of, see :func:`together`.
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
    alone: bool = False
    short: bool = True
    members: tuple[Kind, ...] = ()

    @property
    def needs(self) -> tuple[object, ...]:
        """Kinds with the same needs can follow each other on one site."""
        config = tuple(
            sorted(
                (section, line)
                for section, lines in self.config.items()
                for line in lines.splitlines()
                if line not in SECTIONS.get(section, "").splitlines()
            )
        )
        own = self.name if self.alone else ""
        return (self.broker, self.state, self.fault or "", self.supervised, config, own)


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


def grouped(kinds: Iterable[Kind]) -> list[list[Kind]]:
    """The kinds by their needs, groups and members in the order in which they came."""
    groups: dict[object, list[Kind]] = {}
    for kind in kinds:
        groups.setdefault(kind.needs, []).append(kind)
    return list(groups.values())


def together(kinds: Sequence[Kind]) -> Kind:
    """One kind that is all of some that have the same needs, in an order of chance.

    Between two of them something must arrive.  Each shot is booked under the kind that it was
    answered under; those that may leave gaps come last, when nothing else is under way.
    """
    if len(kinds) == 1:
        return kinds[0]

    def inject(site: Site, chance: random.Random) -> None:
        order = sorted(chance.sample(kinds, len(kinds)), key=lambda kind: kind.may_gap)
        for kind in order:
            there = site.delivered()
            try:
                site.ledger.begin(kind.name)
                if kind.may_gap:  # what came before must be there, or it is replayed too late
                    site.until(lambda: site.booth.depth() == 0, FLOWS_WITHIN_S, "the outbox empty")
                    site.consumer.recover(site.ledger.last(), timeout_s=FLOWS_WITHIN_S)
                kind.inject(site, chance)
                site.until(lambda t=there: site.delivered() > t, FLOWS_WITHIN_S, "the flow goes on")
            except AssertionError as error:
                raise AssertionError(f"{kind.name}: {error}") from error

    return replace(
        kinds[0],
        name=" + ".join(kind.name for kind in kinds),
        inject=inject,
        may_gap=False,
        may_refuse=False,
        forgets=any(kind.forgets for kind in kinds),
        members=tuple(kinds),
    )
