"""Devices that are not there: real MQTT messages in the real documents' form, to try a fleet.

Many devices share one connection, since a thousand sockets would measure the simulator; so
their last wills are missing.  They answer commands, and show nobody's face: the picture is
a drawn one with the device's name.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

import msgspec
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edged import __version__
from edged.errors import LinkError
from edged.fleet.access import Access
from edged.fleet.postbook import Postbook
from edged.histogram import BOUNDS_MS
from edged.transport.dial import tls_context
from edged.transport.topics import Topics
from edged.transport.wire import (
    EventDoc,
    FaceNote,
    GuardNote,
    PictureNote,
    ReplyDoc,
    ResultDoc,
    State,
    StatusDoc,
)
from edged.transport.wire_health import (
    CameraFigures,
    HealthDoc,
    LatencyCounts,
    OutboxFigures,
    StageTimes,
    UplinkFigures,
)
from edged.transport.wire_info import (
    GuardInfo,
    HardeningInfo,
    InfoDoc,
    IsolationInfo,
    ProvenanceInfo,
    ResidentInfo,
    RuntimeInfo,
)

SITES = ("berlin", "lyon", "museum", "pier", "porto")
CAMERA = "booth"
_A_LINK_FOR = 50
_PATIENCE_S = 20.0
_STAGES_MS = {"search": 9.0, "embed": 3.0, "swap": 6.0, "restore": 11.0, "paste": 2.0, "guard": 8.0}


@dataclass
class Simulated:
    """One device that is not there.

    Attributes:
        site, name: in its topics.
        state, reason: what it says.
        seq: of its last result.
        shown: pictures so far.
    """

    site: str
    name: str
    state: State = "online"
    reason: str = "ok"
    seq: int = 0
    shown: int = 0
    session: str = field(default_factory=lambda: str(uuid.uuid4()))
    warmth: float = field(default_factory=lambda: random.uniform(0.2, 1.0))  # noqa: S311 - no secret

    @property
    def topics(self) -> Topics:
        """Where it publishes."""
        return Topics(self.site, self.name)


def devices(count: int) -> list[Simulated]:
    """So many devices; a few of them have something wrong."""
    made = [Simulated(SITES[n % len(SITES)], f"sim-{n:04d}") for n in range(count)]
    for n, one in enumerate(made):
        if n % 53 == 7:
            one.state, one.reason = "offline", "connection-lost"
        elif n % 37 == 5:
            one.state, one.reason = "degraded", "uplink-absent"
        elif n % 61 == 11:
            one.state, one.reason = "paused", "command"
    return made


class Simulator:
    """Publishes for all of them; a context manager.

    Args:
        access: to the broker.
        fleet: the devices.
        jpeg: the picture that all of them send.
        size_px: its width and height.

    Attributes:
        sent: messages published, by kind.
    """

    def __init__(
        self, access: Access, fleet: list[Simulated], jpeg: bytes, size_px: tuple[int, int]
    ) -> None:
        self.sent: Counter[str] = Counter()
        self._jpeg = jpeg
        self._note = PictureNote(
            sha256=hashlib.sha256(jpeg).hexdigest(),
            size_bytes=len(jpeg),
            width_px=size_px[0],
            height_px=size_px[1],
        )
        self._fleet = fleet
        self._links = [_link(access) for _ in range(-(-len(fleet) // _A_LINK_FOR))]
        self._posts = [Postbook(link) for link in self._links]
        self._lock = threading.Lock()

    def __enter__(self) -> Simulator:  # noqa: PYI034 - Self needs 3.11
        """Say what each device is, and listen to commands."""
        by_topic = {one.topics.base: one for one in self._fleet}
        for link, post in zip(self._links, self._posts, strict=True):
            link.on_message = lambda _client, _data, message, post=post: self._answer(
                post, by_topic, message.topic, message.payload
            )
        for number, one in enumerate(self._fleet):
            self._links[number // _A_LINK_FOR].subscribe(one.topics.commands, 1)
            self._say_status(one, self._post(number))
            self._publish(
                self._post(number), one.topics.doc("info"), _info(one), "info", retain=True
            )
        return self

    def __exit__(self, *_exc: object) -> None:
        """Take everything retained back and leave."""
        for number, one in enumerate(self._fleet):
            for topic in (one.topics.status, one.topics.doc("info")):
                self._post(number).publish(topic, b"", retain=True)
        self.settle()
        for link in self._links:
            link.disconnect()
            link.loop_stop()

    @property
    def waiting(self) -> int:
        """Messages that the broker has not acknowledged."""
        return sum(post.waiting for post in self._posts)

    @property
    def refused(self) -> int:
        """Messages that the broker's access rules forbid."""
        return sum(post.refused for post in self._posts)

    def settle(self, timeout_s: float = _PATIENCE_S) -> None:
        """Wait until the broker has acknowledged everything, or will not take it."""
        until_s = time.monotonic() + timeout_s
        while self.waiting > 0 and not self.refused and time.monotonic() < until_s:
            time.sleep(0.05)

    def health(self, number: int) -> None:
        """One device's health document."""
        one = self._fleet[number]
        if one.state != "offline":
            one.shown += random.randrange(80, 140)  # noqa: S311
            self._publish(self._post(number), one.topics.doc("health"), _health(one), "health")

    def result(self, number: int) -> None:
        """One device's picture and result."""
        one, post = self._fleet[number], self._post(number)
        if one.state == "offline":
            return
        one.seq += 1
        self._publish(post, one.topics.image(CAMERA), self._jpeg, "image")
        self._publish(post, one.topics.result(CAMERA), _result(one, self._note), "result")

    def _post(self, number: int) -> Postbook:
        """The way out of one device."""
        return self._posts[number // _A_LINK_FOR]

    def _publish(
        self, post: Postbook, topic: str, payload: bytes, kind: str, *, retain: bool = False
    ) -> None:
        post.publish(topic, payload, retain=retain)
        with self._lock:
            self.sent[kind] += 1

    def _say_status(self, one: Simulated, post: Postbook) -> None:
        doc = StatusDoc(ts_ms=_now_ms(), clock_synced=True, state=one.state, reason=one.reason,
                        since_ms=_now_ms(), boot=one.session)  # fmt: skip
        self._publish(post, one.topics.status, msgspec.json.encode(doc), "status", retain=True)

    def _answer(
        self, post: Postbook, fleet: dict[str, Simulated], topic: str, payload: bytes | bytearray
    ) -> None:
        base, _cmd, name = topic.rsplit("/", 2)
        one = fleet.get(base)
        try:
            command = msgspec.json.decode(payload)
            command_id = str(command["id"])[:64]
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
            return
        if one is None or one.state == "offline":
            return
        if name in {"pause", "resume"}:
            one.state, one.reason = ("paused", "command") if name == "pause" else ("online", "ok")
            self._say_status(one, post)
        reply = ReplyDoc(id=command_id, ts_ms=_now_ms(), clock_synced=True, status="ok",
                         data={"simulated": True})  # fmt: skip
        self._publish(post, one.topics.reply(name), msgspec.json.encode(reply), "reply")
        event = EventDoc(ts_ms=_now_ms(), clock_synced=True, event="command-done", reason=name)
        self._publish(post, one.topics.doc("event"), msgspec.json.encode(event), "event")


def _link(access: Access) -> paho.Client:
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"edged-simulate-{uuid.uuid4().hex[:12]}",
        protocol=MQTTProtocolVersion.MQTTv5,
    )
    up = threading.Event()
    client.on_connect = lambda *_: up.set()
    if access.tls is not None:
        client.tls_set_context(tls_context(access.tls))
    if access.username:
        client.username_pw_set(access.username, access.password())
    try:
        client.connect(access.host, access.port, keepalive=30)
    except OSError as error:
        raise LinkError(f"{access}: cannot be reached; is the broker running?") from error
    client.loop_start()
    if not up.wait(_PATIENCE_S):
        raise LinkError(f"{access}: the broker does not let us in")
    return client


def _health(one: Simulated) -> bytes:
    def about(middle: float) -> float:
        return round(middle * random.uniform(0.8, 1.25), 2)  # noqa: S311 - no secret

    stages = {
        name: StageTimes(wall_p50_ms=about(ms), wall_p95_ms=about(1.6 * ms))
        for name, ms in _STAGES_MS.items()
    }
    p50_ms = about(40)
    doc = HealthDoc(
        ts_ms=_now_ms(), clock_synced=True, uptime_s=round(one.shown / 10, 1), fps=about(10),
        latency_p50_ms=p50_ms, latency_p95_ms=about(70), latency_p99_ms=about(95),
        latency=LatencyCounts(count=one.shown, sum_ms=one.shown * p50_ms, le_ms=BOUNDS_MS,
                              counts=tuple(one.shown if b >= 50 else 0 for b in BOUNDS_MS)),
        stages=stages, verdicts={"shown": one.shown, "queued": one.seq, "refused": one.shown // 90},
        reasons={}, guard={"frames": one.shown, "looks": 3 * one.shown}, restore={},
        cameras={CAMERA: CameraFigures(last_frame_age_s=0.1)}, troubles={},
        outbox=OutboxFigures(session=one.session), uplink=UplinkFigures(connected=True),
        rss_mb=about(900), cpu_percent=about(70), memory_available_mb=about(4000),
        cpu_temp_c=round(45 + 40 * one.warmth, 1), gpu_temp_c=round(42 + 40 * one.warmth, 1),
        gpu_percent=about(60),
    )  # fmt: skip
    return msgspec.json.encode(doc)


def _result(one: Simulated, note: PictureNote) -> bytes:
    doc = ResultDoc(
        ts_ms=_now_ms(), clock_synced=True, id=str(uuid.uuid4()), camera=CAMERA, scene="simulated",
        mode="disguise", session=one.session, seq=one.seq, builtin=True, engines={},
        faces=(FaceNote(box_px=(40, 30, 120, 130), action="swapped", identity="nobody"),),
        guard=GuardNote(families=("simulated",), looks=4, faces_in=1, swapped=1, filled=0,
                        refilled=0, verified_by="simulated", embedded=1),
        latency_ms={"total": 41.0}, image=note,
    )  # fmt: skip
    return msgspec.json.encode(doc)


def _info(one: Simulated) -> bytes:
    doc = InfoDoc(
        ts_ms=_now_ms(), clock_synced=True, boot=one.session, session=one.session, receipt_key="",
        provenance=ProvenanceInfo(source_type="", c2pa={}), edged=__version__, python="",
        machine="simulated", packages={}, models={}, builtin=False,
        runtime=RuntimeInfo(
            name="tensorrt", precision="fp16-planned", reason="simulated", wished=True
        ),
        resident=ResidentInfo(runtime="tensorrt", reason="", host_scenes={}),
        guard=GuardInfo(calibrated=True, recogniser="simulated", families=(), settings={}),
        isolation=IsolationInfo(mode="namespace", proof={}),
        hardening=HardeningInfo(
            core_dumps=False, dumpable=False, new_privileges=False, swap="none"
        ),
        scenes={"s": "disguise"}, cameras={CAMERA: "s"}, hides="", config_digest="", simulated=True,
    )  # fmt: skip
    return msgspec.json.encode(doc)


def _now_ms() -> int:
    return int(time.time() * 1000)
