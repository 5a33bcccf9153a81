"""Whether the configured model files are here and are what their recipes say.

Every file is read once and hashed; nothing is written.

Data: model, path, state, sha256.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.setup import Setup
from edged.recipe import Recipe, list_recipes, with_converters
from edged.store import ModelStatus, ModelStore


def look(_host: Host, setup: Setup) -> Iterator[Finding]:
    """The built-in pack is made at the first start, so its absence is well."""
    models = setup.config.models
    recipes = list_recipes(models.recipes)
    store = ModelStore(models.folder, recipes)
    good = []
    pack = ""
    for model_id in with_converters(models.used, recipes):
        recipe = recipes[model_id]
        status = store.look(model_id)
        if recipe.builtin and status.state in ("absent", "ready"):
            absent = status.state == "absent"
            pack = f"the built-in pack{', made at the first start' if absent else ''}"
            continue
        found = _judge(recipe, status)
        if found is None:
            good.append(model_id)
        else:
            yield found
    if pack:
        good.append(pack)
    if good:
        yield Finding("model-files.right", "ok", ", ".join(good), data={"models": good})


def _judge(recipe: Recipe, status: ModelStatus) -> Finding | None:
    data = {
        "model": recipe.id,
        "path": str(status.path or ""),
        "state": status.state,
        "sha256": status.sha256,
    }
    pull = (
        f"edged models pull {recipe.id}"
        if recipe.sources or recipe.builtin
        else f"edged models import FILE --as {recipe.id}"
    )
    if status.state == "ready":
        return None
    if status.state == "unverified":
        return Finding(
            "model-files.unverified",
            "warn",
            f"{recipe.id}: nobody vouched for this file, and no source gives its hash",
            str(status.path or ""),
            advice=f"It has SHA-256 {status.sha256}. Compare that with a source that you trust, "
            "then take it in.",
            cure=(f"edged models import {status.path} --as {recipe.id}",),
            data=data,
        )
    what = {
        "absent": "is not here",
        "partial": "is here in part: a download was broken off",
        "damaged": "is not the file that its recipe names",
    }[status.state]
    return Finding(
        f"model-files.{status.state}",
        "fail",
        f"{recipe.id} {what}",
        str(status.path or ""),
        cure=(f"rm {status.path}", pull) if status.state == "damaged" else (pull,),
        data=data,
    )


CHECK = Check(
    "model-files", "models", "model files and their hashes", look, timeout_s=120, configured=True
)
