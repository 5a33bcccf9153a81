"""The documents that the engine hands to the uplink: status, info, health, event.

Knows what goes into them; knows no sockets.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from edged import __version__
from edged.config import Config
from edged.daemon.assemble import Kit
from edged.privacy.hardening import found as hardening_found
from edged.privacy.isolation import Isolation
from edged.runtime.choice import UNPROVEN
from edged.runtime.libraries import without_folders
from edged.runtime.session import RuntimeChoice
from edged.transport.clock import clock_synced, wall_ms
from edged.transport.wire import EventDoc, State, StatusDoc
from edged.transport.wire_info import (
    GuardInfo,
    HardeningInfo,
    InfoDoc,
    IsolationInfo,
    ModelInfo,
    ProvenanceInfo,
    ResidentInfo,
    RuntimeInfo,
)

PACKAGES = ("onnxruntime", "onnxruntime-gpu", "opencv-python-headless", "numpy", "pyzmq")
HIDES = "A disguise hides faces. It does not hide hair, clothes, badges, voices or the place."
"""Said in `info`, so that no operator promises more."""


def status(state: State, reason: str, since_ms: int, boot: str) -> bytes:
    """The retained status document."""
    return msgspec.json.encode(
        StatusDoc(
            ts_ms=wall_ms(),
            clock_synced=clock_synced(),
            state=state,
            reason=reason,
            since_ms=since_ms,
            boot=boot,
        )
    )


def event(name: str, reason: str = "", data: Mapping[str, Any] | None = None) -> bytes:
    """One event document."""
    return msgspec.json.encode(
        EventDoc(
            ts_ms=wall_ms(),
            clock_synced=clock_synced(),
            event=name,
            reason=reason,
            data=dict(data or {}),
        )
    )


def engines(config: Config, kit: Kit) -> dict[str, str]:
    """What a result says of the engines that made it."""
    choice, models = kit.choice, config.models
    return {
        "runtime": choice.name,
        "precision": choice.precision,
        "swapper": models.swapper,
        "restorer": models.restorer,
    }


_CONVERTER = RuntimeChoice("cpu", "fp32", "a converter runs once a person", wished=True)


def info(
    config: Config,
    kit: Kit,
    isolation: Isolation,
    *,
    boot: str,
    session: str,
    receipt_key: str,
    c2pa: Mapping[str, str],
) -> bytes:
    """The retained info document: what runs here, and what it promises.

    Args:
        config: checked.
        kit: what was loaded from it.
        isolation: how the engine is kept off the network.
        boot: UUID of this run.
        session: UUID of the outbox.
        receipt_key: that receipts of purges are verified with.
        c2pa: whose certificate signs pictures, until when; empty when none does.
    """
    choices = {
        **{one.id: _CONVERTER for one in kit.recipes.values() if one.kind == "converter"},
        **kit.serving.models,
    }
    models = {
        model_id: ModelInfo(
            kind=recipe.kind,
            licence=recipe.licence.name,
            commercial=recipe.licence.commercial,
            verified=recipe.verified,
            builtin=recipe.builtin,
            sha256=kit.hashes.get(model_id, ""),
            runtime=_runtime(choices[model_id]) if model_id in choices else None,
        )
        for model_id, recipe in kit.recipes.items()
    }
    hardening = hardening_found()
    return msgspec.json.encode(
        InfoDoc(
            ts_ms=wall_ms(),
            clock_synced=clock_synced(),
            boot=boot,
            session=session,
            receipt_key=receipt_key,
            provenance=ProvenanceInfo(source_type="xmp", c2pa=dict(c2pa)),
            edged=__version__,
            python=platform.python_version(),
            machine=platform.machine(),
            packages={name: v for name in PACKAGES if (v := _version(name))},
            runtime=_runtime(kit.choice),
            resident=ResidentInfo(
                runtime=kit.residency.runtime,
                reason=without_folders(kit.residency.reason),
                host_scenes=kit.host_scenes,
            ),
            models=models,
            builtin=config.builtin,
            guard=GuardInfo(
                calibrated=kit.calibrated,
                recogniser=config.models.guard_recogniser,
                families=tuple(d.family for d in kit.stages.detectors),
                settings=msgspec.to_builtins(config.guard),
            ),
            isolation=IsolationInfo(mode=isolation.mode, proof=isolation.proof),
            hardening=HardeningInfo(
                core_dumps=hardening.core_dumps,
                dumpable=hardening.dumpable,
                new_privileges=hardening.new_privileges,
                swap=hardening.swap,
            ),
            scenes={name: scene.mode for name, scene in config.scenes.items()},
            cameras={name: camera.scene for name, camera in config.cameras.items()},
            hides=HIDES,
            config_digest=config.digest,
        )
    )


def _runtime(choice: RuntimeChoice) -> RuntimeInfo:
    """What serves, why, in which precision, and what was seen of its engine."""
    return RuntimeInfo(
        name=choice.name,
        precision=choice.precision,
        reason=without_folders(choice.reason),
        wished=choice.wished,
        engine=dict(choice.engine),
        unproven=UNPROVEN.get(choice.name, ""),
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def now_s() -> float:
    """Monotonic seconds; the clock of everything in here that is no timestamp."""
    return time.monotonic()
