"""Commands that change a running engine: `reload`, `rotate-identity`, and its `selftest`.

What belongs to the sessions' thread is changed there, between two frames, so that each frame
is made whole by the old or by the new.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edged.config import Config, load, missing_files
from edged.daemon.assemble import Kit, make_pipeline
from edged.daemon.command_reply import OrderError
from edged.daemon.errands import Errands
from edged.daemon.flow_parts import FlowParts
from edged.daemon.reloading import MOST_KEYS, Plan, keys_of, plan
from edged.errors import ConfigError
from edged.scene import Scene
from edged.transport.frames import FrameServer
from edged.transport.header import Names

log = logging.getLogger(__name__)

RESTART_S = 0.5
"""Between the reply to a `reload` that restarts the engine and the stop."""


class Steering:
    """Changes a running engine.

    Args:
        config: in force.
        kit: loaded from it.
        parts: of the flow.
        frames: the server of frames.
        source: file of the configuration; None: nobody said which.
        adopted: told the configuration that is in force from now on.
        restart: ends the engine, for whoever starts it again.
    """

    def __init__(
        self,
        config: Config,
        kit: Kit,
        parts: FlowParts,
        frames: FrameServer,
        *,
        errands: Errands,
        source: Path | None,
        adopted: Callable[[Config], None],
        restart: Callable[[], None],
    ) -> None:
        self.config = config
        self._kit = kit
        self._parts = parts
        self._frames = frames
        self._errands = errands
        self._source = source
        self._adopted = adopted
        self._restart = restart

    def in_force(self) -> Config:
        """The configuration that the engine works by."""
        return self.config

    def cameras(self) -> Collection[str]:
        """Configured names."""
        return self.config.cameras

    # -- reload -----------------------------------------------------------------------

    def reload(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Read the configuration again: all of it comes into force, or nothing changes.

        Args:
            data: `{"restart": true}` restarts the engine where something needs that.

        Raises:
            OrderError: it has problems, or needs a restart that nobody asked for.
        """
        if set(data) - {"restart"} or not isinstance(data.get("restart", False), bool):
            raise OrderError("bad-data", 'reload takes {"restart": true} or nothing')
        new = self._checked()
        found = plan(self.config, new, self._kit.stages)
        if found.engine and not data.get("restart", False):
            raise OrderError(
                "needs-restart",
                "nothing was changed: what stands under `engine` comes into force when the engine "
                'starts; send {"restart": true}, or restart it on the device',
                _told(found),
            )
        if found.engine:
            log.info("restarting, as asked for")
            threading.Timer(RESTART_S, self._restart).start()
            return {**_told(found), "restarting": True}
        if found.of_frames:
            try:
                self._errands.do(lambda: self._swap(new))
            except ConfigError as error:  # a photo without a face
                raise self._problems(error) from error
        if found.live or found.uplink:
            self._parts.outbox.limit(new.outbox.limits)
            self.config = new
            self._adopted(new)
            log.info("the configuration was read again: %d keys changed", len(found.live))
        return {**_told(found), "restarting": False}

    def _checked(self) -> Config:
        """The file, whole.

        Raises:
            OrderError: with the keys that have problems.
        """
        if self._source is None:
            raise OrderError("failed", "this engine was started without a configuration file")
        try:
            new = load(self._source)
            missing = missing_files(new, uplink=False)
            if missing:
                raise ConfigError(*missing)  # noqa: TRY301 - both are told in one way
        except ConfigError as error:
            raise self._problems(error) from error
        return new

    def _problems(self, error: ConfigError) -> OrderError:
        log.error("reload: %s", error)  # the file is the operator's own
        keys = keys_of(error, str(self._source))
        at = f" (at {', '.join(keys[:3])}{' ...' * (len(keys) > 3)})" if keys else ""
        return OrderError(
            "config",
            f"nothing was changed: the configuration has {len(error.problems)} problems{at}; "
            "`edged config check` on the device says each",
            {"problems": len(error.problems), "keys": keys},
        )

    def _swap(self, new: Config) -> None:
        """Take over what is new; on the sessions' thread.

        A face that was lost a moment ago is forgotten with the old pipeline: no frame is made
        before it would have been let go of anyway.
        """
        begun_s = time.monotonic()
        hold_s = max(self.config.guard.hold_ms, new.guard.hold_ms) / 1000
        kit, parts = self._kit, self._parts
        pipeline, host_scenes = make_pipeline(
            new, kit.stages, kit.guard, kit.recipes, kit.residency
        )
        time.sleep(max(0.0, begun_s + hold_s - time.monotonic()))
        kit.pipeline, kit.host_scenes = pipeline, host_scenes
        parts.pipeline, parts.scenes = pipeline, new.scenes
        cameras = {name: camera.scene for name, camera in new.cameras.items()}
        self._frames.know(Names(cameras, frozenset(new.scenes), new.frames.default_camera or None))

    # -- rotate-identity -----------------------------------------------------------------

    def rotate(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Let the next character of a scene's list begin, and deal again to everybody.

        Characters that are kept for somebody (`worn_by`) stay with them.

        Args:
            data: `{"scene": NAME}`; without it every disguise with two free characters.

        Raises:
            OrderError: there is no such scene, or nothing to rotate in it.
        """
        scenes, wanted = self._parts.scenes, data.get("scene")
        if set(data) - {"scene"} or not (
            wanted is None or (isinstance(wanted, str) and wanted in scenes)
        ):
            raise OrderError("bad-data", 'rotate-identity takes {"scene": NAME} or nothing')
        reserved = {name for name, one in self.config.identities.items() if one.worn_by}
        turned = {}
        for name, scene in scenes.items():
            if wanted in (None, name) and scene.mode == "disguise":
                found = _turned(scene, reserved)
                if found is not None:
                    turned[name] = found
        if not turned:
            raise OrderError(
                "nothing-to-rotate",
                "a scene needs two identities that are nobody's own (`worn_by`) to rotate them",
            )

        def deal() -> None:
            self._parts.scenes = {**self._parts.scenes, **turned}
            for name in turned:
                self._kit.pipeline.deal_again(name)

        self._errands.do(deal)
        return {"scenes": {name: list(scene.identities) for name, scene in turned.items()}}


def _turned(scene: Scene, reserved: Collection[str]) -> Scene | None:
    """The scene with its free identities moved on by one; None for fewer than two."""
    free = [name for name in scene.identities if name not in reserved]
    if len(free) < 2:
        return None
    following = iter([*free[1:], free[0]])
    names = tuple(name if name in reserved else next(following) for name in scene.identities)
    return msgspec.structs.replace(scene, identities=names)


def _told(found: Plan) -> dict[str, Any]:
    """A plan for a reply."""
    return {
        "changed": list(found.live[:MOST_KEYS]),
        "engine": list(found.engine[:MOST_KEYS]),
        "uplink": list(found.uplink[:MOST_KEYS]),
    }
