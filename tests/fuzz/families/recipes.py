"""Recipes, packs and the guard's bounds: the TOML files beside the configuration."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from fuzz.harness import Family, Parser
from fuzz.toml import Grammar, spoiled, write

from edged import calibration, tables
from edged.calibration import Calibration
from edged.errors import ConfigError
from edged.recipe import Recipe, files, list_recipes, packs, rules
from edged.recipe.packs import Pack

_PATH = Path("/etc/edged/engines/model.toml")
_SHA = ("0" * 64, "unpinned", "f" * 63)
_HINTS: dict[str, tuple[Any, ...]] = {
    "id": ("model", "model", "model", "det_10g", "Model", "../x"), "sha256": _SHA,
    "archive_sha256": _SHA, "known_sha256.NAME": _SHA,
    "file": ("m.onnx", "", "a/b"), "url": ("https://x.test/a", "http://x", "https://x y"),
    "member": ("m.onnx", ""),
    "members": (["det_10g"], ["det_10g", "w600k_r50"], ["nobody"], []), "left_out.NAME": ("g.onnx",
    "a/b", "x" * 200),
    "kind": ("detector", "recogniser", "swapper", "swapper", "converter", "restorer"),
    "family": ("scrfd", "arcface", "inswapper", "vector_swapper", "picture_swapper", "converter",
    "restorer", "minifasnet"),
    "converter": ("", "crossface"), "takes_embedding_of": ("", "w600k_r50"), "embedding_dim": (0,
    512),
    "std": ([1.0, 1.0, 1.0], [0.0, 1.0, 1.0]), "identity_max": (0.4, 1.0, 0.0), "coarse_max": (0.5,
    2), "untouched_max": (0.1, -1),
    "measured_on": ("pairs",), "recognisers.NAME": ("a", "a", "b.c"), "swappers.NAME": ("a",),
}  # fmt: skip


class Recipes(Family):
    """All as text, through the functions that read the files."""

    name = "recipes"
    refusals = (ConfigError,)
    silent = False

    def parsers(self) -> tuple[Parser, ...]:
        return (
            Parser(
                tables,
                but={
                    "read": "opens the file",
                    "read_bytes": "opens the file",
                    "resolve": "no recipe holds a path",
                },
            ),
            Parser(files, only=("parse_recipe", "unknown_model", "with_converters")),
            Parser(rules),
            Parser(packs, only=("parse_pack", "Pack")),
            Parser(calibration, only=("parse", "Calibration")),
        )

    def __init__(self) -> None:
        self._grammars = [Grammar(_HINTS, share=share, wrong=wrong)
                          for share, wrong in ((0.2, 0.0), (0.1, 0.01), (0.4, 0.03))]  # fmt: skip
        tables._fields.cache_clear()
        tables._homes.cache_clear()
        self._known = list_recipes()

    def make(self, rng: Random) -> Any:
        """(kind of file, text)."""
        kind = rng.choice((Recipe, Recipe, Pack, Calibration))
        text = write(rng, rng.choice(self._grammars).table(rng, kind))
        return kind, spoiled(rng, text) if rng.random() < 0.25 else text

    def feed(self, item: Any) -> bool:
        kind, text = item
        try:
            if kind is Recipe:
                recipe = files.parse_recipe(text, _PATH)
                assert recipe.id == "model"
                assert 0.0 not in recipe.contract.std
                files.with_converters([recipe.id, "nobody"], {recipe.id: recipe})
                files.unknown_model(recipe.takes_embedding_of, self._known)
            elif kind is Pack:
                pack = packs.parse_pack(text, _PATH, self._known)
                assert pack.archives
                assert all(pack.sources(self._known[member]) for member in pack.members)
            else:
                found = calibration.parse(text, _PATH)
                bounds = found.bounds("a", "a")
                assert bounds is None or 0 < min(bounds.identity_max, bounds.coarse_max) < 1
        except ConfigError as error:
            assert error.problems, "an error that says nothing"
            assert all(problem.startswith("/") for problem in error.problems), "no file is named"
            assert all(len(problem) < 2000 for problem in error.problems), "as long as the file"
            raise
        return True
