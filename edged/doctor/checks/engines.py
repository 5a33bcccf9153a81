"""Whether built engines are here, were accepted, and are what this machine wants now.

Asks no worker and loads no engine: what a manifest says is compared with the machine, and
the files with their hashes.  `edged engines check` also asks whether edged itself would
make another graph today.

Data: model, runtime, state, differs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.runtimes import chosen
from edged.doctor.setup import Setup
from edged.errors import ConfigError, EngineError
from edged.recipe import Recipe, list_recipes
from edged.runtime.precision.plan import load_plan
from edged.store import ModelStore

if TYPE_CHECKING:  # they load numpy, which may be what is broken
    from edged.runtime.build.manifest import Depends
    from edged.runtime.build.store import EngineStore, Entry


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Nothing where the models run on the CPU, which needs no engines."""
    from edged.runtime.build.store import EngineStore  # noqa: PLC0415 - loads numpy

    try:
        runtime = chosen(host, setup).name
    except EngineError:
        return  # said by the check runtime
    if runtime == "cpu":
        return
    models = setup.config.models
    recipes = list_recipes(models.recipes)
    table = _Table(
        EngineStore(setup.config.engines),
        ModelStore(models.folder, recipes),
        setup,
        runtime,
        _identity(host, setup, runtime),
    )
    absent, good = [], []
    for model_id in models.used:
        if not recipes[model_id].file:
            continue
        entries = table.entries(model_id)
        found = [table.judge(recipes[model_id], entry) for entry in entries]
        best = min(found, key=lambda one: one.level != "ok", default=None)
        if best is None:
            absent.append(model_id)
        elif best.level == "ok":
            good.append(best.what)
        else:
            yield best
    if absent:
        yield table.absent(absent)
    if good:
        yield Finding("engines.fresh", "ok", ", ".join(good), data={"runtime": runtime})


def _identity(host: Host, setup: Setup, runtime: str) -> dict[str, str]:
    """What engines depend on here, the configuration's settings of sessions included."""
    from edged.daemon.sessions import cuda_settings  # noqa: PLC0415 - loads numpy

    numbers = cuda_settings(setup.config.runtime).numbers if runtime == "cuda" else {}
    return {**host.identity(runtime), **numbers}


class _Table:
    """What all engines are compared with."""

    def __init__(
        self,
        engines: EngineStore,
        files: ModelStore,
        setup: Setup,
        runtime: str,
        identity: dict[str, str],
    ) -> None:
        self._engines = engines
        self._files = files
        self._setup = setup
        self._runtime = runtime
        self._identity = identity

    def entries(self, model_id: str) -> list[Entry]:
        """Engines of a model for this runtime, and those that nobody can read."""
        return [
            entry
            for entry in self._engines.entries(model_id)
            if entry.manifest is None or entry.manifest.depends.runtime == self._runtime
        ]

    def judge(self, recipe: Recipe, entry: Entry) -> Finding:
        """How it stands with one engine."""
        from edged.runtime.build.folders import damage_of  # noqa: PLC0415 - loads numpy

        paper, build = entry.manifest, (f"edged engines build {recipe.id}",)
        where = str(entry.folder)
        data: dict[str, Any] = {"model": recipe.id, "runtime": self._runtime}
        damage = entry.problem if paper is None else damage_of(entry.folder, paper)
        if paper is None or damage:
            data["state"] = "damaged"
            return Finding(
                "engines.damaged", "warn", f"the engine of {recipe.id} is damaged: {damage}", where,
                advice="It is never loaded.", cure=build, data=data,
            )  # fmt: skip
        if entry.rejected or not paper.accepted:
            data["state"] = paper.status
            return Finding(
                f"engines.{'rejected' if entry.rejected else 'unproven'}",
                "warn",
                f"the engine of {recipe.id} is not used: {paper.why_not}",
                where,
                advice="Its numbers were compared with FP32's. A new precision plan may help."
                if entry.rejected
                else "",
                cure=(f"edged calibrate precision {recipe.id}",) if entry.rejected else build,
                data=data,
            )
        differs = paper.depends.differences(self._here(recipe, paper.depends))
        if differs:
            data |= {"state": "stale", "differs": list(differs)}
            return Finding(
                "engines.stale",
                "note" if self._setup.config.engines.background else "warn",
                f"the engine of {recipe.id} is stale: {'; '.join(differs)}",
                where,
                advice=self._later(),
                cure=build,
                data=data,
            )
        data["state"] = "accepted"
        return Finding("engines.fresh", "ok", f"{recipe.id} {paper.precision}", where, data=data)

    def _here(self, recipe: Recipe, known: Depends) -> Depends:
        """What that engine would depend on today, as far as can be told without a worker."""
        import msgspec  # noqa: PLC0415 - beside its only use

        from edged.runtime.build.subject import recipe_digest  # noqa: PLC0415 - loads numpy

        sha256 = self._files.status(recipe.id).sha256
        plan = ""
        with contextlib.suppress(ConfigError, EngineError):
            found = load_plan(recipe.id, self._setup.state_folder / "calibration")
            if found is not None and recipe.precision.half == "plan":
                found.require(model_sha256=sha256)
                plan = found.digest
        return msgspec.structs.replace(
            known,
            identity=self._identity,
            model_sha256=sha256 or known.model_sha256,
            recipe=recipe_digest(recipe),
            plan=plan,
            settings=self._engines.settings.code,
        )

    def absent(self, model_ids: list[str]) -> Finding:
        """Those that were never built for this runtime."""
        return Finding(
            "engines.absent",
            "note" if self._setup.config.engines.background else "warn",
            f"there is no {self._runtime} engine yet of {', '.join(model_ids)}",
            str(self._engines.settings.folder),
            advice=self._later(),
            cure=("edged engines build",),
            data={"models": model_ids, "runtime": self._runtime, "state": "absent"},
        )

    def _later(self) -> str:
        if self._setup.config.engines.background:
            return (
                "The daemon builds it in the background, which takes minutes, and serves on "
                "another runtime meanwhile; building it now spares that."
            )
        return "engines.background is off, so the daemon will not build it."


CHECK = Check(
    "engines", "models", "built engines: there, accepted, fresh", look, timeout_s=300,
    configured=True,
)  # fmt: skip
