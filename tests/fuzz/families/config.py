"""`edged.toml`: TOML text and trees, every struct of the configuration, the rules across them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import msgspec
from fuzz.harness import Family, Parser
from fuzz.mutate import CANARY
from fuzz.toml import Grammar, spoiled, write

from edged import config, tables
from edged.config import facts, rules, rules_models
from edged.config.effective import effective
from edged.config.schema import UNDERSTOOD, Config
from edged.errors import ConfigError
from edged.scene import Scene

_PATH = Path("/etc/edged/edged.toml")
_NAMES = ("booth", "hall", "hide", "poster")
_BUILTIN = ("builtin_detector",)
_HINTS: dict[str, tuple[Any, ...]] = {
    "name": ("booth-1",), "site": ("hall",), "scene": ("hide", "poster", "hidee"),
    "identities": (["bob"], ["bob", "eve"], []),
    "cameras.NAME": ("booth", "hall", "Booth"), "scenes.NAME": ("hide", "poster", "hide"),
    "identities.NAME": ("bob", "eve"),
    "photos": (["a.jpg"], ["builtin:kim"], ["builtin:Kim!"], [], [""]), "template": ("",
    "builtin:poster", "p.png", "builtin:!"),
    "worn_by": ([], ["me.jpg"], ["builtin:x"]), "detectors": (["builtin_detector"], ["det_10g",
    "yunet"], ["det_10g"], ["det_9g"], []),
    "embedder": ("builtin_recogniser", "w600k_r50"), "swapper": ("builtin_swapper",
    "inswapper_128", "det_10g"),
    "guard_recogniser": ("builtin_recogniser", "w600k_mbf"), "restorer": ("", "builtin_restorer",
    "gfpgan_1.4"),
    "accept_licence": ([], ["inswapper_128", "det_10g", "w600k_r50", "w600k_mbf", "gfpgan_1.4"],
    ["none"]),
    "occluder": ("", "xseg_1"), "parser": ("", "bisenet_resnet_34"), "landmarker": ("", "2d106det",
    "2dfan4"),
    "liveness": ([], "off", ["minifasnet_v2", "minifasnet_v1se"], ["minifasnet_v2",
    "insightface_liveness"], "require", "warn"),
    "recipes": ([],), "mirror": ("", "https://x.test/m", "http://127.0.0.1:80", "http://[::",
    "ftp://x", "file:///m"),
    "endpoint": ("", "ipc:///run/x.sock", "ipc://x", "tcp://127.0.0.1:5555", "tcp://0.0.0.0:5555",
    "tcp://a:b", "ipc:///" + "a" * 120),
    "address": ("ipc:///run/cam", "tcp://192.0.2.5:5555", "tcp://a:99999"), "view_endpoint": ("",
    "ipc:///run/v.sock"),
    "default_camera": ("", "booth", "boot"), "camera": ("booth", "hall", "none"),
    "listen": ("192.0.2.5:5555", "[::1]:5555", "127.0.0.1:70000", "x"),
    "host": ("127.0.0.1", "localhost", "broker.test", "mqtt://u:p@h", "a b"),
    "allow_builtin_to_remote_broker": ("", UNDERSTOOD, "yes"),
    "rotations_deg": ([0], [0, 90, 180, 270], [90], [0, 45]), "sizes_px": ([640, 256], [640], [],
    [100]), "stream_sizes_px": ([320], [], [33]),
    "fill_bgr": ([1, 2, 3], [0, 0, 256], [1, 2]), "label": ("", "AI-edited", "é", "x" * 41),
    "pixel_boost_px": (0, 256, 100),
    "cert_file": ("c.pem",), "key_file": ("k.pem",),
    "det_thresh": (0.0, 0.5, 0.05, 1.0), "password_file": ("pw",), "require": ("", "cpu", "cuda"),
    "prefer": ("", "cpu"),
}  # fmt: skip


class Configs(Family):
    """A third of the inputs is text, with TOML's own traps; the rest are trees as it gives them."""

    name = "config"
    refusals = (ConfigError,)
    silent = False
    """A configuration's errors show its values, secrets apart: `feed` looks for those."""

    def parsers(self) -> tuple[Parser, ...]:
        return (
            Parser(tables, but={"read": "opens the file", "read_bytes": "opens the file"}),
            Parser(config, only=("loads", "_checked", "_completed")),
            Parser(rules),
            Parser(rules_models),
            Parser(facts, only=("warnings", "hide_login")),
        )

    def __init__(self) -> None:
        self._grammars = [Grammar(_HINTS, share=share, wrong=wrong)
                          for share, wrong in ((0.04, 0.0), (0.1, 0.0), (0.05, 0.02), (0.3,
                          0.01))]  # fmt: skip
        tables._fields.cache_clear()
        tables._homes.cache_clear()
        self._kinds = {info.encode_name: info.type for info in msgspec.structs.fields(Config)}
        self._tables = list(self._kinds)
        self._list_recipes = rules_models.list_recipes
        # Reading 50 recipes takes longer than a configuration; they are a family of their own.
        known = self._list_recipes()
        rules_models.list_recipes = lambda _extra: known

    def fresh(self) -> None:
        self._taken = 0

    def close(self) -> None:
        rules_models.list_recipes = self._list_recipes

    def make(self, rng: Random) -> Any:
        """Text, or a tree."""
        grammar = rng.choice(self._grammars)
        if rng.random() < 0.15:
            tree = grammar.table(rng, Config)
        else:
            tree = {
                "device": {"name": "booth-1"}, "cameras": {"booth": {"scene": "hide"}},
                "scenes": {"hide": {"mode": "disguise", "identities": ["bob"]}},
                "identities": {"bob": {"photos": ["builtin:kim"]}},
            }  # fmt: skip
            if rng.random() < 0.3:
                more = grammar.table(rng, Scene)
                kept = rng.sample(list(more), min(len(more), 2))
                tree["scenes"]["hide"].update({key: more[key] for key in kept})
            if rng.random() < 0.2:
                tree["scenes"]["wall"] = {"mode": "portrait", "template": "builtin:poster"}
            for name in rng.sample(self._tables, rng.choice((0, 1, 1, 2))):
                tree[name] = grammar.value(rng, self._kinds[name], name)
        if rng.random() < 0.1:
            tree[rng.choice(("password", "token", "x_key"))] = _SECRET
        if rng.random() < 0.02:
            broker = tree.setdefault("broker", {})
            if isinstance(broker, dict):
                broker["host"] = f"mqtt://me:{_SECRET}@h"
        if rng.random() > 0.34:
            return tree
        text = write(rng, tree)
        return spoiled(rng, text) if rng.random() < 0.4 else text

    def feed(self, item: Any) -> bool:
        try:
            if isinstance(item, bytes):
                found = config._checked(tables.parse(item, _PATH), _PATH)
            else:
                found = config._checked(item, _PATH)
        except ConfigError as error:
            assert error.problems, "an error that says nothing"
            for problem in error.problems:
                assert problem.startswith("/"), "a problem without its file"
                assert len(problem) < 2000, "a problem as long as the file"
                assert isinstance(item, bytes) or "\n" not in problem, "a problem on two lines"
                assert isinstance(item, bytes) or _SECRET not in problem, "a secret is shown"
            raise
        self._taken += 1
        if self._taken % 8 == 1:  # what is made of a good one takes longer than all before
            assert found.digest
            assert found.uplink
            effective(found)
        facts.warnings(found)
        assert all(path.is_absolute() for path in (found.models.folder, found.outbox.folder))
        assert found.frames.default_camera in found.cameras
        return True


_SECRET = f"hidden-{CANARY}"
