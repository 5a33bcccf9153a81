"""What the commands about engines share: configuration, stores, the runtime, rows of lists.

Knows the configuration; shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edged.builtin.pack import PACK_VERSION, write_pack
from edged.config import (
    Config,
    ModelsTable,
    RuntimeTable,
    default_path,
    load,
    state_folder,
)
from edged.daemon.sessions import machine_of
from edged.errors import ConfigError, EdgedError, EngineError
from edged.recipe import list_recipes
from edged.runtime.backend import Backend
from edged.runtime.build.folders import damage_of
from edged.runtime.build.manifest import Depends, Manifest
from edged.runtime.build.store import EngineStore, Entry
from edged.runtime.build.subject import Model
from edged.runtime.choice import ORDER
from edged.runtime.machine import CPU, Machine
from edged.runtime.settings import BuildSettings
from edged.store import ModelStore
from edged.tables import did_you_mean

_BUILDING = tuple(name for name in ORDER if name != CPU)
"""Runtimes that run built engines, best first."""


@dataclass(frozen=True)
class Row:
    """One engine, or the lack of one.

    Attributes:
        model: id.
        runtime: name.
        state: "fresh", "stale", "damaged", "built", "rejected", "absent", "unbuildable",
            or "unknown" where its runtime does not work here.
        detail: what differs, or why.
        manifest: None where there is none that can be read.
    """

    model: str
    runtime: str
    state: str
    detail: str = ""
    manifest: Manifest | None = None

    @property
    def built_ms(self) -> int:
        """When it was built; 0 when it was not."""
        return self.manifest.built.at_ms if self.manifest else 0

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "model": self.model,
            "runtime": self.runtime,
            "state": self.state,
            "detail": self.detail,
            "status": self.manifest.status if self.manifest else None,
            "manifest": msgspec.to_builtins(self.manifest),
        }


@dataclass(frozen=True)
class Desk:
    """Settings and stores of one call."""

    models: ModelStore
    store: EngineStore
    used: tuple[str, ...]
    wish: RuntimeTable
    calibration: Path
    machine: Machine

    @staticmethod
    def open(path: Path | None) -> Desk:
        """From a configuration; without one, from the defaults."""
        config: Config | None = None
        named = path or default_path()
        if path or named.exists():
            config = load(named)
        state = state_folder().absolute()
        table = config.models if config else ModelsTable(folder=state / "models")
        settings = config.engines if config else BuildSettings(folder=state / "engines")
        models = ModelStore(table.folder, list_recipes(table.recipes))
        wish = config.runtime if config else RuntimeTable()
        calibration = table.folder.parent / "calibration"  # where `edged calibrate` writes
        machine = machine_of(wish)
        return Desk(models, EngineStore(settings), table.used, wish, calibration, machine)

    def ids(self, named: Iterable[str] | None) -> tuple[str, ...]:
        """Models to work on; not OpenCV's cascades, and not converters, which run on the CPU."""
        wanted = {one: self.models.recipe(one) for one in named or self.used}
        return tuple(one for one, it in wanted.items() if it.file and it.kind != "converter")

    def listed(self, named: Iterable[str] | None) -> tuple[str, ...]:
        """Models to list: those, or the configured ones and whatever has an engine."""
        there = tuple(entry.model for entry in self.store.entries())
        return tuple(dict.fromkeys([*self.ids(named), *(() if named else there)]))

    def model(self, model_id: str) -> Model:
        """A model whose file is here and right.

        Raises:
            ModelError: it is not, with the command that helps.
        """
        recipe = self.models.recipe(model_id)
        if recipe.builtin:
            self.models.ensure_builtin(write_pack, PACK_VERSION)
        sha256 = self.models.sha256(model_id)
        return Model(recipe, self.models.path(model_id), sha256, self.calibration)

    def backend(self, name: str = "") -> Backend | None:
        """The runtime to build for; None: the CPU, which needs nothing built.

        Raises:
            EngineError: it cannot work here, or none can.
        """
        wanted = name or self.wish.require or self.wish.prefer
        if wanted == CPU:
            return None
        if wanted and wanted not in ORDER:
            hint = did_you_mean(wanted, ORDER)
            raise ConfigError(f"--runtime {wanted}: must be one of {', '.join(ORDER)}{hint}")
        problems = []
        for one in (wanted,) if wanted else _BUILDING:
            refusal = self.machine.refusal(one)
            if refusal is None:
                return self.machine.backend(one)
            problems.append(f"  {one}: {refusal.text}")
        head = f"runtime {wanted} cannot be had" if wanted else "no runtime here runs built engines"
        raise EngineError(f"{head}:\n" + "\n".join(problems))

    def serving(self, name: str = "") -> Backend | None:
        """The runtime that serves: like `backend`, but the CPU where nothing else works."""
        asked = name or self.wish.require or self.wish.prefer
        if not asked and all(self.machine.refusal(one) for one in _BUILDING):
            return None
        return self.backend(name)

    def rows(self, model_id: str, runtime: str = "", *, prune: bool = False) -> list[Row]:
        """Every engine of a model, best first, and what is absent for the wished runtime."""
        wanted, problem = self._wanted(model_id, runtime)
        removed = set()
        if prune:
            removed = {one.folder for one in self.store.prune(model_id, [*wanted.values()])}
        entries = [one for one in self.store.entries(model_id) if one.folder not in removed]
        rows = [_row(entry, wanted) for entry in entries]
        rows = [row for row in rows if not runtime or row.runtime in (runtime, "")]
        rows.sort(key=lambda row: (row.state != "fresh", -row.built_ms))
        if not rows:
            state = "unbuildable" if problem else "absent"
            rows = [Row(model_id, runtime or next(iter(wanted), ""), state, problem)]
        return rows

    def _wanted(self, model_id: str, runtime: str) -> tuple[dict[str, Depends], str]:
        """What engines must depend on, for every runtime that works here."""
        names = (runtime,) if runtime else _BUILDING
        refusals = {name: self.machine.refusal(name) for name in names}
        working = [name for name, refusal in refusals.items() if refusal is None]
        problems = [f"{name}: {one.text}" for name, one in refusals.items() if one is not None]
        try:
            model = self.model(model_id)
            subject = self.store.subject(model) if working else None
        except EdgedError as error:
            return {}, str(error)
        found = {
            name: self.store.wanted(model, self.machine.backend(name), subject)
            for name in working
            if subject is not None
        }
        return found, "" if found else "\n".join(problems)


def _row(entry: Entry, wanted: dict[str, Depends]) -> Row:
    paper = entry.manifest
    if paper is None:
        return Row(entry.model, "", "damaged", entry.problem)
    state, detail = _state(entry, paper, wanted.get(paper.depends.runtime))
    return Row(entry.model, paper.depends.runtime, state, detail, paper)


def _state(entry: Entry, paper: Manifest, wanted: Depends | None) -> tuple[str, str]:
    """How it stands with an engine, and why."""
    if entry.rejected:
        return "rejected", paper.why_not
    if wanted is None:
        return "unknown", "its runtime does not work here now"
    differs = paper.depends.differences(wanted)
    if differs:
        return "stale", "; ".join(differs)
    damage = damage_of(entry.folder, paper)
    if damage:
        return "damaged", damage
    return ("fresh", "") if paper.accepted else (paper.status, paper.why_not)
