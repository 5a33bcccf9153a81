"""What a changed configuration means for an engine that runs: what can change, and what cannot.

Compares two checked configurations key by key.  Knows no sockets and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from edged.config import Config
from edged.errors import ConfigError
from edged.pipeline.parts import Stages
from edged.scene import Scene
from edged.transport.outbox_rows import OutboxLimits

MOST_KEYS = 50
"""Keys in a reply."""

_LIVE = re.compile(
    r"(scenes|identities|cameras|health)\..+"
    r"|frames\.default_camera"
    r"|guard\.(rotations_deg|full_look_every_n|hold_ms|fill_doubtful)"
    rf"|outbox\.({'|'.join(field.name for field in msgspec.structs.fields(OutboxLimits))})"
)
"""Keys that change without a restart; sizes and thresholds of detectors are in sessions."""
_ASIDE = re.compile(r"(health|outbox)\..+")
_OF_UPLINK = re.compile(r"broker\..+")
_OF_BOTH = re.compile(r"device\..+|broker\.host")
_KEY = re.compile(r"([A-Za-z0-9_.\[\]-]{1,120})(?: =|:)")


@dataclass(frozen=True)
class Plan:
    """What differs, by what it takes.

    Attributes:
        live: changes while the engine runs.
        engine: needs a restart of the engine.
        uplink: needs a restart of the uplink.
    """

    live: tuple[str, ...] = ()
    engine: tuple[str, ...] = ()
    uplink: tuple[str, ...] = ()

    @property
    def of_frames(self) -> bool:
        """Whether the making of frames is concerned."""
        return any(_ASIDE.fullmatch(key) is None for key in self.live)


def plan(old: Config, new: Config, stages: Stages) -> Plan:
    """Compare two configurations.

    Args:
        old: in force.
        new: checked.
        stages: loaded; a scene that needs others waits for a restart.
    """
    live, engine, uplink = [], [], []
    for key in _changed(_plain(old), _plain(new)):
        of_uplink = _OF_UPLINK.fullmatch(key) is not None
        if _LIVE.fullmatch(key):
            live.append(key)
        elif not of_uplink or _OF_BOTH.fullmatch(key):
            engine.append(key)
        if of_uplink or _OF_BOTH.fullmatch(key):
            uplink.append(key)
    if old.uplink.engine_silent_s != new.uplink.engine_silent_s:
        uplink.append("health.period_s")
    sides = {scene.pixel_boost_px for scene in old.scenes.values()}
    for name, scene in new.scenes.items():
        engine += [f"scenes.{name}.{key}" for key in _lacks(scene, stages, new, sides)]
    return Plan(tuple(live), tuple(engine), tuple(uplink))


def keys_of(error: ConfigError, source: str) -> list[str]:
    """Keys that problems of a configuration are at, and nothing of their values.

    Args:
        error: of loading it.
        source: the file, which problems may begin with.
    """
    keys = []
    for problem in error.problems:
        found = _KEY.match(problem.removeprefix(f"{source}: "))
        if found is not None and found[1] not in keys:
            keys.append(found[1])
    return keys[:MOST_KEYS]


def _lacks(scene: Scene, stages: Stages, config: Config, sides: set[int]) -> Iterator[str]:
    """Keys of a scene that need what is not loaded."""
    models, mask = config.models, scene.mask
    if mask.occlusion and stages.occluder is None:
        yield "mask.occlusion"
    if (mask.regions or mask.keep_mouth) and models.parser and stages.parser is None:
        yield "mask"
    if (scene.blink or mask.keep_mouth) and models.landmarker and stages.landmarker is None:
        yield "blink" if scene.blink else "mask.keep_mouth"
    if scene.liveness != "off" and stages.liveness is None:
        yield "liveness"
    if scene.pixel_boost_px not in sides:  # it was not warmed, and a GPU's engine may lack it
        yield "pixel_boost_px"


def _plain(config: Config) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(config, enc_hook=str)
    return plain


def _changed(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Dotted keys whose values differ; a table that is new or gone is one key."""
    for name in dict.fromkeys([*old, *new]):
        path = f"{above}.{name}" if above else name
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _changed(before, after, path)
        elif before != after or (name in old) != (name in new):
            yield path
