"""Frame messages: parts, headers of both forms, names, rates, and the payload's head."""

from __future__ import annotations

from random import Random
from typing import Any

import frames_kit
import numpy as np
import zmq
from fuzz.harness import Family, Parser
from fuzz.mutate import CANARY, CANARY_BYTES, Pairs, change_bytes, changed, text

from edged.errors import FrameError
from edged.transport import admission, header, ratelimit
from edged.transport.admission import Admission, understand
from edged.transport.header import Names, parse_header
from edged.transport.limits import FrameLimits
from edged.transport.listeners import MAX_PARTS, Listener
from edged.verdicts import Reason

_CAMERAS, _SCENES = frames_kit.CAMERAS, frames_kit.SCENES
_HEX = "0123456789abcdefABCDEF"
_WORD = "abcXYZ019_-"
_FAST = {"rate_per_s": 1e9, "burst": 10**9, "shots_per_s": 1e9, "shots_burst": 10**9}


class Frames(Family):
    """Whole messages, as ZeroMQ hands them out, through the admission of the engine."""

    name = "frames"
    refusals = (FrameError,)

    def parsers(self) -> tuple[Parser, ...]:
        return Parser(header), Parser(admission), Parser(ratelimit)

    def __init__(self) -> None:
        small = np.full((16, 16, 3), 7, np.uint8)
        self._coded = (frames_kit.jpeg(small), frames_kit.png(small), CANARY_BYTES)
        self._router = Listener("tcp://booth", None)  # type: ignore[arg-type]  # not used
        self._publisher = Listener("tcp://cam", None, camera="hall")  # type: ignore[arg-type]
        self.fresh()

    def fresh(self) -> None:
        """Doors of several configurations, with the memory of rates that each has."""
        both = Names(_CAMERAS, _SCENES)
        named = Names(_CAMERAS, _SCENES, default_camera="hall")
        single = Names({"booth": "poster"}, _SCENES)
        tight = {"max_header_bytes": 200, "max_json_depth": 2, "max_consents": 2, "max_pixels": 400}
        self._doors = [
            (Admission(both, FrameLimits(**_FAST)), both),
            (Admission(named, FrameLimits(**_FAST)), named),
            (Admission(single, FrameLimits(**_FAST)), single),
            (Admission(named, FrameLimits(**_FAST, **tight)), named),
            (Admission(named, FrameLimits(clients=4, rate_per_s=1e-9, burst=2)), named),
        ]

    def make(self, rng: Random) -> Any:
        """(door, listener, sender, paused, parts)."""
        if rng.random() < 0.7:
            tree, payload = self._native(rng)
        else:
            tree, payload = self._imagezmq(rng)
        head = changed(rng, tree, whole=0.25)
        if rng.random() < 0.003:
            head += b" " * rng.choice((16_384, 300_000))
        parts = [b"\0\0\0" + bytes([rng.randrange(9)]), head, payload]
        if rng.random() < 0.2:
            parts.insert(1, b"")
        if rng.random() < 0.05:
            self._other_parts(rng, parts)
        if rng.random() < 0.05:
            parts[-1] = change_bytes(rng, payload, head)
        sender = rng.choice((None,) * 9 + ("booth", "hall"))
        paused = Reason.PAUSED if rng.random() < 0.01 else None
        return rng.randrange(len(self._doors)), rng.random() < 0.05, sender, paused, parts

    def feed(self, item: Any) -> bool:
        door, published, sender, paused, parts = item
        listener = self._publisher if published else self._router
        admission_, names = self._doors[door]
        frames = [zmq.Frame(part) for part in parts]
        message = understand(0, listener, frames, sender)
        if message.head is None and door == 0:
            parse_header(parts[-1], names, FrameLimits(), now_ms=1)
        try:
            found = admission_.check(message, paused=paused)
        except FrameError as error:
            assert error.reason in set(Reason), "a reason that is none"
            assert message.ticket.shot == message.ticket.shot.lower(), "an id that is not ours"
            assert CANARY.lower() not in message.ticket.shot, "an id that is none is answered"
            raise
        head = found.header
        assert head.camera in names.cameras, "a camera that is not configured"
        assert head.scene in names.scenes, "a scene that is not configured"
        assert sender in (None, head.camera), "a key that sends as another camera"
        assert head.shot is None or len(head.shot) == 36, "a shot that is no UUID"
        assert 0 <= head.ts_ms <= 1 << 53, "a time out of bounds"
        assert len({entry.ref for entry in head.consent}) == len(head.consent) <= 16
        assert CANARY not in repr(found.ticket) + repr(message), "a message that shows itself"
        return True

    def _native(self, rng: Random) -> tuple[Pairs, bytes]:
        kind = rng.choice(("bgr8", "rgb8", "jpeg", "jpeg", "png"))
        tree = Pairs([("v", 1), ("ts_ms", rng.choice((0, 1, 1 << 53))), ("encoding", kind)])
        payload = self._coded[kind == "png"]
        if kind.endswith("8"):
            shape = rng.choice(([16, 16, 3], [16, 16, 1], [16, 16], [20, 17, 3], [4, 4, 3]))
            tree.append(("shape", shape))
            payload = bytes(int(np.prod(shape)) + rng.choice((0,) * 8 + (1, -1)))
        if rng.random() < 0.8:
            tree.append(("camera", rng.choice((*_CAMERAS, "booth", "nobody"))))
        if rng.random() < 0.3:
            tree.append(("scene", rng.choice((*_SCENES, "poster", "none"))))
        if rng.random() < 0.5:
            tree.append(("shot", "-".join(text(rng, _HEX, n, n) for n in (8, 4, 4, 4, 12))))
        if rng.random() < 0.4:
            entries = [self._consent(rng) for _ in range(rng.choice((1, 1, 2, 3, 16, 17)))]
            tree.append(("consent", entries))
        if rng.random() < 0.2:
            tree.append(("want", rng.choice(("verdict", "image"))))
        rng.shuffle(tree)
        return tree, payload

    def _consent(self, rng: Random) -> Any:
        ref = text(rng, _WORD, 1, 12)
        if rng.random() < 0.5:
            return ref
        entry = Pairs([("ref", ref)])
        if rng.random() < 0.4:
            x, y = rng.uniform(-10, 2000), rng.uniform(-10, 2000)
            w = rng.choice((1, 80, 0, -3, 1e5))
            entry.append(("box_px", [x, y, x + w, y + w]))
        elif rng.random() < 0.4:
            entry.append(("point_px", [rng.randint(0, 2000), rng.uniform(0, 2000)]))
        return entry

    def _imagezmq(self, rng: Random) -> tuple[Pairs, bytes]:
        spoken = rng.choice(("booth", "hall|front", "rpi-7", "", CANARY, 7, None))
        tree = Pairs([("msg", spoken)])
        if rng.random() < 0.4:
            return tree, rng.choice(self._coded)
        shape = rng.choice(([16, 16, 3], [16, 20, 3], [480, 640], [16, 16, 4]))
        tree.append(("dtype", rng.choice(("uint8", "uint8", "|u1", "float32", "O", CANARY))))
        tree.append(("shape", shape))
        if rng.random() < 0.1:
            del tree[rng.randrange(3)]
        return tree, bytes(int(np.prod(shape)))

    def _other_parts(self, rng: Random, parts: list[bytes]) -> None:
        how = rng.randrange(4)
        if how == 0:
            parts.pop()
        elif how == 1:
            del parts[1:]
        elif how == 2:
            parts.extend([CANARY_BYTES] * rng.randint(1, MAX_PARTS))
        else:
            parts.reverse()
