"""The form of `edged.toml`: one frozen struct a table, one docstring line a key.

The docstrings are also the configuration reference (`edged config reference`).
Knows names, types, ranges and defaults; rules across tables are in
:mod:`edged.config.rules`.  Nothing secret is a value here: secrets are in files that
the configuration names.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edged.runtime.settings import BuildSettings
from edged.scene import GuardSettings, Scene
from edged.transport.limits import FrameLimits
from edged.transport.link import TlsSettings, UplinkSettings, is_loopback
from edged.transport.outbox_rows import OutboxLimits

Name = Annotated[
    str,
    msgspec.Meta(pattern=r"\A[a-z0-9-]{1,32}\Z", description="1 to 32 of a-z, 0-9 and '-'"),
]
NameOrNone = Annotated[
    str,
    msgspec.Meta(pattern=r"\A[a-z0-9-]{0,32}\Z", description="1 to 32 of a-z, 0-9 and '-'"),
]
Runtime = Literal["", "tensorrt", "tensorrt-rtx", "cuda", "cpu"]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535, description="a port number, 1 to 65535")]

UNDERSTOOD = "I understand that the built-in detector misses faces"
"""What `publish.allow_builtin_to_remote_broker` must say, in so many words."""

BUILTIN_PHOTO = "builtin:"
"""Prefix of pictures that the package carries itself."""


TURNS = (0, 90, 180, 270)
"""Degrees in which a picture can be searched."""


class DeviceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who this device is; both names are a part of its MQTT topics.

    Attributes:
        name: of this device, unique at the broker; also its MQTT client id.
        site: the place or customer that it belongs to.
    """

    name: Name
    site: Name = "default"


class Subscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One imagezmq camera that publishes (PUB) and that the engine connects to.

    Attributes:
        camera: whose frames they are.
        address: ZeroMQ address, such as "ipc:///run/cam/door.sock".
    """

    camera: Name
    address: str


class LanTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Cameras on the network: an encrypted TCP listener that the engine inherits.

    Attributes:
        listen: numeric address and port, such as "192.0.2.5:5555", "0.0.0.0:5555" or
            "[::]:5555".
        keys: folder of the keys that `edged keys` makes; the default lies in the state
            folder, beside the outbox.
        curve: take only senders with a key; false is allowed on a loopback address alone,
            for programs of this machine that know no CURVE, such as imagezmq.
    """

    listen: str
    keys: Path = Path("keys")
    curve: bool = True


class FramesTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where frames come in.

    Attributes:
        endpoint: ZeroMQ address for senders; empty means frames.sock in the run folder.
        view_endpoint: ZeroMQ address of the live view; empty means view.sock in the run
            folder.
        default_camera: camera of imagezmq frames that name none; empty means the first.
        imagezmq_subscribe: imagezmq cameras that publish, as
            `[[frames.imagezmq_subscribe]]` tables of camera and address.
        open_to_group: let members of the run folder's group (a kiosk app of another user)
            send frames and watch the view; commands stay the owner's.
        deadline_ms: a frame that takes longer is not let out.
        lan: table `[frames.lan]`; without it no camera on the network gets in.
        limits: bounds of what senders can make the engine spend.
    """

    endpoint: str = ""
    view_endpoint: str = ""
    default_camera: NameOrNone = ""
    imagezmq_subscribe: tuple[Subscription, ...] = ()
    open_to_group: bool = False
    deadline_ms: Annotated[int, msgspec.Meta(ge=100, le=600_000)] = 30_000
    lan: LanTable | None = None
    limits: FrameLimits = FrameLimits()


class CameraTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One camera.

    Attributes:
        scene: what its frames are turned into, unless a frame names another scene.
    """

    scene: Name


class IdentityTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One character that faces are turned into (disguise).

    Attributes:
        photos: pictures of one person's face, or "builtin:NAME"; several are averaged.
        worn_by: photos of the one person in front of the camera whom this character is
            kept for; the guard's recogniser remembers the face, in memory only.
    """

    photos: tuple[str, ...]
    worn_by: tuple[str, ...] = ()


class ModelsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which models run; `edged models list` names them.

    Attributes:
        detectors: detectors of different families; the guard needs two.
        embedder: recogniser whose vector the swapper takes.
        swapper: puts a face on.
        restorer: sharpens swapped faces; empty means none.
        occluder: says what is before a face, for scenes that keep it (mask.occlusion).
        parser: says which pixel is what of a face, for scenes that ask (mask.regions,
            mask.keep_mouth).
        landmarker: dense landmarks, for scenes that need eyes or a mouth (blink,
            mask.keep_mouth).
        liveness: networks that tell a face from a print or a screen, for scenes that ask
            (liveness); several of one family vote.
        content: one to three networks that refuse pictures of nakedness by more than half
            of their votes; none means that nobody looks.
        guard_recogniser: judges whether somebody can still be recognised; best another
            one than the embedder.
        accept_licence: ids of models whose terms you accept for this use; needed for
            every model that is not free for commercial use.
        folder: where model files are; the default lies in the state folder.
        mirror: https:// or file:// folder to download from instead of the sources of
            the recipes.
        recipes: more folders of recipes, besides /etc/edged/engines.
        fidelity: of CodeFormer, 0 (most invented) to 1 (closest to its input).
    """

    detectors: tuple[str, ...] = ("builtin_detector",)
    embedder: str = "builtin_recogniser"
    swapper: str = "builtin_swapper"
    restorer: str = "builtin_restorer"
    occluder: str = ""
    parser: str = ""
    landmarker: str = ""
    liveness: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    guard_recogniser: str = "builtin_recogniser"
    accept_licence: tuple[str, ...] = ()
    folder: Path = Path("models")
    mirror: str = ""
    recipes: tuple[Path, ...] = ()
    fidelity: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.5

    @property
    def used(self) -> tuple[str, ...]:
        """Ids of all models that the engine loads, each once, in order of use."""
        ids = (
            *self.detectors, self.embedder, self.swapper, self.restorer, self.guard_recogniser,
            self.occluder, self.parser, self.landmarker, *self.liveness, *self.content,
        )  # fmt: skip
        return tuple(dict.fromkeys(model_id for model_id in ids if model_id))


class RuntimeTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the models run on: "tensorrt", "tensorrt-rtx", "cuda" or "cpu".

    Attributes:
        require: this one, or the engine does not start.
        prefer: this one if it works, else the best that does, with state `degraded`;
            both empty means the best that works.
        wait_for_gpu_s: so long the start waits for an NVIDIA GPU that is in the machine and
            not ready yet, as at boot; for a runtime that is required or preferred.
        threads: of one model on a CPU; 0 means one for each core.
        resident: whether frames stay on the device from the first look to the last paste:
            "auto" (on a GPU), "on" (on a CPU too, where it only costs time) or "off".
        gpu: number of the GPU, as `nvidia-smi` counts.
        gpu_memory_mb: bound of each model's memory on the runtime "cuda"; 0 means none.
        cuda_graphs: capture CUDA graphs on the runtime "cuda", which saves the host time
            and costs memory.
        tf32: let the runtime "cuda" shorten FP32 numbers; faster, less exact. Models with
            weights in FP16 have it in any case: their tensor cores hang on it.
        cuda_options: more options of onnxruntime's CUDA provider, by its own names.
    """

    require: Runtime = ""
    prefer: Runtime = ""
    wait_for_gpu_s: Annotated[float, msgspec.Meta(ge=0.0, le=600.0)] = 60.0
    threads: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    resident: Literal["auto", "on", "off"] = "auto"
    gpu: Annotated[int, msgspec.Meta(ge=0, le=63)] = 0
    gpu_memory_mb: Annotated[int, msgspec.Meta(ge=0, le=1_048_576)] = 0
    cuda_graphs: bool = True
    tf32: bool = False
    cuda_options: dict[str, str] = {}


class IsolationTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the kernel keeps the engine, which holds raw frames, off the network.

    Attributes:
        mode: at least this, or the engine does not start: "namespace" (own network
            namespace), "seccomp" (no inet sockets) or "off".
    """

    mode: Literal["namespace", "seccomp", "off"] = "namespace"


class OutboxTable(OutboxLimits, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is kept until the broker has it.

    Attributes:
        folder: where; the default lies in the state folder.
        master_key_file: file of 32 random bytes that wraps the keys of the pictures,
            such as "$CREDENTIALS_DIRECTORY/outbox-key"; without it the permissions of
            the folder alone protect the keys.
    """

    folder: Path = Path("outbox")
    master_key_file: Path | None = None

    @property
    def limits(self) -> OutboxLimits:
        """The part that the outbox takes."""
        names = [info.name for info in msgspec.structs.fields(OutboxLimits)]
        return OutboxLimits(**{name: getattr(self, name) for name in names})


class BrokerTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The MQTT broker that results and health go to.

    Attributes:
        host: name or address alone.
        port: 0 means 8883 with TLS and 1883 without.
        tls: how the broker is trusted, table `[broker.tls]`; off the loopback address TLS
            is always on, with the system's authorities if the table is left out.
        username: at the broker; empty means none.
        password_file: file of the password, such as
            "$CREDENTIALS_DIRECTORY/broker-password"; read at every connection.
        keepalive_s: a silent link is given up after one and a half times this.
        session_expiry_s: how long the broker keeps our session while we are away.
        inflight_rows: results that may be under way at a time.
        reconnect_max_s: longest wait between two attempts to connect; the waits double from
            half a second on, at random below that.
        max_packet_bytes: larger messages are set aside, where the broker names no limit.
        clock: "check" asks the kernel whether the clock is synchronised, "trust" believes
            it.
    """

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)] = "127.0.0.1"
    port: Port = 0
    tls: TlsSettings | None = None
    username: str = ""
    password_file: Path | None = None
    keepalive_s: Annotated[int, msgspec.Meta(ge=2, le=3600)] = 20
    session_expiry_s: Annotated[int, msgspec.Meta(ge=0, le=30 * 86_400)] = 7 * 86_400
    inflight_rows: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    reconnect_max_s: Annotated[float, msgspec.Meta(ge=1.0, le=3600.0)] = 30.0
    max_packet_bytes: Annotated[int, msgspec.Meta(ge=65_536, le=268_435_455)] = 2_000_000
    clock: Literal["check", "trust"] = "check"


class HealthTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the device says of itself.

    Attributes:
        period_s: seconds between two health documents.
        camera_silent_s: a camera that has sent and then stops for so long degrades the device;
            0 means never, as it should be where people press a button.
    """

    period_s: Annotated[float, msgspec.Meta(ge=1.0, le=3600.0)] = 10.0
    camera_silent_s: Annotated[float, msgspec.Meta(ge=0.0, le=86_400.0)] = 0.0


class PublishTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may leave this device.

    Attributes:
        allow_builtin_to_remote_broker: the sentence "I understand that the built-in
            detector misses faces", without which pictures made by the built-in pack go
            to a loopback broker only.
    """

    allow_builtin_to_remote_broker: str = ""


class ProvenanceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What outgoing pictures say of their making; the IPTC digital source type always.

    Attributes:
        cert_file: PEM of your C2PA signing certificate and those above it; with it each
            picture bears a signed C2PA manifest.  Needs the extra `provenance`.
        key_file: PEM of its private key, such as "$CREDENTIALS_DIRECTORY/c2pa-key".
        on_failure: what becomes of a picture that cannot be signed: "refuse" it, or let
            it leave with the source type alone ("unsigned") and say `degraded`.
    """

    cert_file: Path | None = None
    key_file: Path | None = None
    on_failure: Literal["refuse", "unsigned"] = "refuse"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole `edged.toml`, checked; every path in it is absolute.

    Attributes:
        device: table `[device]`.
        cameras: tables `[cameras.NAME]`.
        scenes: tables `[scenes.NAME]`.
        identities: tables `[identities.NAME]`.
        frames, models, runtime, engines: the tables of these names.
        isolation, guard, outbox, broker, health, publish, provenance: likewise.
    """

    device: DeviceTable
    cameras: dict[Name, CameraTable]
    scenes: dict[Name, Scene]
    identities: dict[Name, IdentityTable] = {}
    frames: FramesTable = FramesTable()
    models: ModelsTable = ModelsTable()
    runtime: RuntimeTable = RuntimeTable()
    engines: BuildSettings = BuildSettings()
    isolation: IsolationTable = IsolationTable()
    guard: GuardSettings = GuardSettings()
    outbox: OutboxTable = OutboxTable()
    broker: BrokerTable = BrokerTable()
    health: HealthTable = HealthTable()
    publish: PublishTable = PublishTable()
    provenance: ProvenanceTable = ProvenanceTable()

    @property
    def keys_folder(self) -> Path:
        """Where `edged keys` keeps its keys, also while there is no `[frames.lan]` yet."""
        return self.frames.lan.keys if self.frames.lan else self.outbox.folder.parent / "keys"

    @property
    def digest(self) -> str:
        """SHA-256 of the effective configuration, for `info`; it holds no secrets."""
        plain = msgspec.to_builtins(self, enc_hook=str)
        return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()

    @property
    def uplink(self) -> UplinkSettings:
        """What the uplink is told, and all that it needs."""
        broker = self.broker
        return UplinkSettings(
            site=self.device.site,
            device=self.device.name,
            host=broker.host,
            port=broker.port,
            tls=broker.tls,
            username=broker.username,
            password_file=broker.password_file,
            keepalive_s=broker.keepalive_s,
            session_expiry_s=broker.session_expiry_s,
            inflight_rows=broker.inflight_rows,
            reconnect_max_s=broker.reconnect_max_s,
            max_packet_bytes=broker.max_packet_bytes,
            clock=broker.clock,
            engine_silent_s=max(15.0, 1.5 * self.health.period_s),
        )

    @property
    def barred(self) -> bool:
        """Whether results stay in: the built-in pack runs and the broker is another machine."""
        allowed = self.publish.allow_builtin_to_remote_broker == UNDERSTOOD
        return self.builtin and not is_loopback(self.broker.host) and not allowed

    @property
    def builtin(self) -> bool:
        """Whether any model of the built-in pack is used."""
        return any(model_id.startswith("builtin_") for model_id in self.models.used)
