"""The retained info document: what runs on a device, and what it promises.

The engine makes it when something of it changes; dashboards, Home Assistant's announcements
and the audit read it.  A key that a reader does not know is passed over, so it may grow.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edged.transport.wire import Doc


class RuntimeInfo(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What serves one model, or the device.

    Attributes:
        name: "tensorrt", "tensorrt-rtx", "cuda" or "cpu".
        precision: "fp32", or "fp16-planned": FP16 but for what a measured plan keeps.
        reason: for people, one sentence.
        wished: False when it is not what the configuration asks for.
        engine: of the artifact that is loaded: statuses and figures.
        unproven: said of a runtime that nobody has seen running with this version.
    """

    name: str
    precision: str
    reason: str
    wished: bool
    engine: dict[str, Any] = {}
    unproven: str = ""


class ModelInfo(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One model in use, as its recipe has it.

    Attributes:
        kind: such as "swapper".
        licence: name of its terms.
        commercial: whether they allow commercial use; "ask": its vendor says it in a letter.
        verified: whether edged was seen with the real weights or with a stand-in.
        builtin: part of the built-in pack.
        sha256: of the file that was loaded; empty for what has no file.
        runtime: what serves it; absent for what no runtime serves.
    """

    kind: str
    licence: str
    commercial: bool | Literal["ask"]
    verified: str
    builtin: bool
    sha256: str
    runtime: RuntimeInfo | None = None


class ResidentInfo(msgspec.Struct, kw_only=True):
    """Where frames are worked on.

    Attributes:
        runtime: whose device they stay on; empty for host memory.
        reason: why they are in host memory.
        host_scenes: scene -> why it is made in host memory all the same.
    """

    runtime: str
    reason: str
    host_scenes: dict[str, str]


class GuardInfo(msgspec.Struct, kw_only=True):
    """The guard in front of everything that leaves.

    Attributes:
        calibrated: whether it has bounds for these models; without, every picture is refused.
        recogniser: id of the model that it compares with.
        families: of the detectors that it searches with.
        settings: the table `[guard]` of the configuration.
    """

    calibrated: bool
    recogniser: str
    families: tuple[str, ...]
    settings: dict[str, Any]


class ProvenanceInfo(msgspec.Struct, kw_only=True):
    """How pictures are marked as made by a machine.

    Attributes:
        source_type: where IPTC's digital source type is written: "xmp".
        c2pa: whose certificate signs them, until when; empty when none does.
    """

    source_type: str
    c2pa: dict[str, str]


class IsolationInfo(msgspec.Struct, kw_only=True):
    """How the engine is kept off the network.

    Attributes:
        mode: "namespace", "seccomp" or "off".
        proof: what was looked at, and what was seen.
    """

    mode: str
    proof: dict[str, str]


class HardeningInfo(msgspec.Struct, kw_only=True):
    """Whether the engine's memory could come into a file.

    Attributes:
        core_dumps: a crash could write it.
        dumpable: another process of its user may read it.
        new_privileges: a setuid program would work in it.
        swap: "none", "memory" (zram alone), "forbidden" or "possible".
    """

    core_dumps: bool
    dumpable: bool
    new_privileges: bool
    swap: str


class InfoDoc(Doc, kw_only=True):
    """Payload of `info`.

    Attributes:
        boot, session: UUIDs of the engine's run and of its outbox.
        receipt_key: public key that receipts of purges are verified with.
        provenance, runtime, resident, guard, isolation, hardening: see there.
        edged, python, machine: versions, and the processor's architecture.
        packages: version by package.
        models: by id.
        builtin: the built-in pack makes the pictures.
        scenes: mode by name.
        cameras: scene by name.
        hides: what a disguise does not hide.
        config_digest: of the configuration; devices with the same one say the same.
        simulated: made by `edged simulate`.
    """

    boot: str
    session: str
    receipt_key: str
    provenance: ProvenanceInfo
    edged: str
    python: str
    machine: str
    packages: dict[str, str]
    runtime: RuntimeInfo
    resident: ResidentInfo
    models: dict[str, ModelInfo]
    builtin: bool
    guard: GuardInfo
    isolation: IsolationInfo
    hardening: HardeningInfo
    scenes: dict[str, str]
    cameras: dict[str, str]
    hides: str
    config_digest: str
    simulated: bool = False
