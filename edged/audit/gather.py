"""Collects the facts of an audit: one plain dictionary, the same for people and machines.

What only a running engine can tell (its isolation, its hardening, what it has stored) is
asked of it; without one those parts are null, and the report says so.  Knows no pictures.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import edged
from edged import __version__
from edged.config import Config, is_loopback
from edged.hashes import file_sha256
from edged.recipe import Recipe


def facts(
    config: Config, path: Path, recipes: Mapping[str, Recipe], status: Mapping[str, Any] | None
) -> dict[str, Any]:
    """All facts.

    Args:
        config: checked.
        path: of its file.
        recipes: by id.
        status: the running engine's answer to `status`, or None when none runs.
    """
    info = dict(status["info"]) if status else {}
    return {
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": config.device.name,
        "site": config.device.site,
        "clock_synced": info.get("clock_synced"),
        "running": status is not None,
        "state": {"state": status["state"], "reason": status["reason"]} if status else None,
        "software": {
            "edged": __version__,
            "code_sha256": code_sha256(),
            "python": info.get("python"),
            "packages": info.get("packages"),
            "runs_this_version": info["edged"] == __version__ if info else None,
            "config": str(path),
            "config_digest": config.digest,
            "runs_this_config": info.get("config_digest") == config.digest if info else None,
        },
        "isolation": {"asked": config.isolation.mode, "found": info.get("isolation")},
        "memory": info.get("hardening"),
        "scenes": {
            name: {
                "mode": scene.mode,
                "cameras": _cameras(config, name),
                "label": scene.label,
                "allow_empty": scene.allow_empty,
            }
            for name, scene in config.scenes.items()
        },
        "hides": info.get("hides"),
        "comes_in": _comes_in(config),
        "leaves": _leaves(config),
        "stored": _stored(config, dict(status["health"]["outbox"]) if status else None),
        "guard": info.get("guard"),
        "marks": info.get("provenance"),
        "receipt_key": info.get("receipt_key"),
        "models": [_model(config, recipes[i], info.get("models", {})) for i in config.models.used],
    }


def code_sha256() -> str:
    """One hash over the package's Python files and recipes, by their names and contents."""
    root = Path(edged.__file__).resolve().parent
    digest = hashlib.sha256()
    for file in sorted(p for p in root.rglob("*") if p.suffix in {".py", ".toml"}):
        digest.update(f"{file.relative_to(root).as_posix()}:{file_sha256(file)}\n".encode())
    return digest.hexdigest()


def _cameras(config: Config, scene: str) -> list[str]:
    return [name for name, camera in config.cameras.items() if camera.scene == scene]


def _comes_in(config: Config) -> dict[str, Any]:
    """Who may hand frames in."""
    lan = config.frames.lan
    return {
        "group": config.frames.open_to_group,
        "subscribed": [one.address for one in config.frames.imagezmq_subscribe],
        "lan": None if lan is None else {"listen": lan.listen, "keys_required": lan.curve},
    }


def _leaves(config: Config) -> dict[str, Any]:
    """Where what leaves goes, and by which way."""
    broker = config.broker
    return {
        "broker": f"{broker.host}:{broker.port}",
        "this_machine": is_loopback(broker.host),
        "tls": broker.tls is not None,
        "topics": f"edged/{config.device.site}/{config.device.name}/#",
        "what": [
            (
                "pictures that passed the guard; a disguise shows what is around the faces, a "
                "portrait no camera pixel"
            ),
            "results (boxes, actions, scores), health, events; no vectors, no landmarks",
        ],
    }


def _stored(config: Config, outbox: dict[str, Any] | None) -> dict[str, Any]:
    """What is on the disk, where, for how long, under which key."""
    limits = config.outbox
    return {
        "folder": str(limits.folder),
        "what": "outgoing pictures and results, each under a key of its own (AES-GCM)",
        "retention_s": limits.retention_s,
        "unsent_max_age_s": limits.unsent_max_age_s,
        "dedupe_days": limits.dedupe_days,
        "max_bytes": limits.max_bytes,
        "overflow": limits.overflow,
        "master_key": limits.master_key_file is not None,
        "pictures_of_the_operator": _operators_pictures(config),
        "lan": config.frames.lan is not None,
        "lan_keys": str(config.keys_folder),
        "now": outbox,
    }


def _operators_pictures(config: Config) -> list[str]:
    """Files with faces that the configuration names: characters, who wears them, templates."""
    named = [scene.template for scene in config.scenes.values() if scene.template]
    for identity in config.identities.values():
        named += [*identity.photos, *identity.worn_by]
    return sorted({name for name in named if not name.startswith("builtin:")})


def _model(config: Config, recipe: Recipe, running: Mapping[str, Any]) -> dict[str, Any]:
    """One network: terms, hash as pinned, hash as the engine found it."""
    return {
        "id": recipe.id,
        "kind": recipe.kind,
        "builtin": recipe.builtin,
        "licence": recipe.licence.name,
        "commercial": recipe.licence.commercial,
        "accepted": recipe.free or recipe.id in config.models.accept_licence,
        "sha256_wanted": recipe.sha256 if recipe.file and not recipe.builtin else "",
        "sha256_found": running.get(recipe.id, {}).get("sha256", ""),
        "verified": recipe.verified,
        "runtime": running.get(recipe.id, {}).get("runtime", {}).get("name", ""),
    }
