"""Under which terms the configured models run, and how far each was tried.

That a licence was accepted is a rule of the configuration; this says what was accepted.

Data: model, licence, commercial, contact, verified.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.setup import Setup
from edged.recipe import list_recipes, with_converters


def look(_host: Host, setup: Setup) -> Iterator[Finding]:
    """A note each for models that are not free for commercial use, or were never run."""
    models = setup.config.models
    recipes = list_recipes(models.recipes)
    used = [recipes[model_id] for model_id in with_converters(models.used, recipes)]
    bound = [recipe for recipe in used if not recipe.free]
    for recipe in bound:
        licence = recipe.licence
        terms = (
            "for non-commercial use"
            if licence.commercial is False
            else "for commercial use after asking its vendor"
        )
        yield Finding(
            "licences.bound",
            "note",
            f"{recipe.id} is {terms}, and models.accept_licence says that this fits",
            where=f"{licence.name}, {licence.vendor}",
            advice=f"Other terms: {licence.contact}" if licence.contact else "",
            data={
                "model": recipe.id,
                "licence": licence.name,
                "commercial": licence.commercial,
                "contact": licence.contact,
            },
        )
    unseen = [recipe for recipe in used if recipe.verified != "real" and not recipe.builtin]
    for recipe in unseen:
        how = (
            "with a stand-in of its contract only"
            if recipe.verified == "stand-in"
            else "by nobody yet"
        )
        yield Finding(
            "licences.unseen",
            "note",
            f"{recipe.id} was tried {how}, not with these weights",
            advice="Look at its pictures before visitors do.",
            data={"model": recipe.id, "verified": recipe.verified},
        )
    if not bound:
        yield Finding(
            "licences.free", "ok", "every configured model is free for commercial use",
            data={"models": [recipe.id for recipe in used]},
        )  # fmt: skip


CHECK = Check("licences", "models", "licences of the configured models", look, configured=True)
