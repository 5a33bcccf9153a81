"""The rules of `edged.toml` that look at more than one key.

Each rule adds lines to the walk's problems; none raises.  A struct may hold None where a
key was missing or wrong (that was noted already), so rules look before they leap.
Opens no file; the rules about models are in :mod:`edged.config.rules_models`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from edged import tables
from edged.config.facts import hide_login
from edged.config.rules_models import check_models
from edged.config.schema import (
    BUILTIN_PHOTO,
    TURNS,
    UNDERSTOOD,
    Config,
    IdentityTable,
    LanTable,
    ModelsTable,
    ProvenanceTable,
)
from edged.scene import Scene
from edged.tables import Walk
from edged.transport.lan import is_local
from edged.transport.link import TlsSettings, is_loopback

_BUILTIN_NAME = re.compile(r"\Abuiltin:[a-z0-9-]{1,32}\Z")
_SMALL_LOOK_PX = 256
"""A face that fills the frame is missed at 640 px and found at 128 to 512."""


def check(config: Config, tree: Mapping[str, Any], walk: Walk) -> None:
    """All rules.

    Args:
        config: built from `tree`, perhaps with holes.
        tree: the file, for the names of entries that are themselves wrong.
        walk: takes the problems.
    """
    known = {table: _names(tree, table) for table in ("cameras", "scenes", "identities")}
    _cameras(config, known, walk)
    for name, scene in (config.scenes or {}).items():
        path = f"scenes.{tables.join('', name)}"
        _scene(path, scene, known["identities"], walk)
        _threshold(f"{path}.det_thresh", scene.det_thresh, config.guard.det_thresh, walk)
        _strangers(path, scene, config.identities or {}, walk)
        _mask(f"{path}.mask", scene, config.models, walk)
        _liveness(path, scene, config.models, walk)
    for name, identity in (config.identities or {}).items():
        path = f"identities.{tables.join('', name)}"
        _photos(f"{path}.photos", identity.photos, walk)
        for i, photo in enumerate(identity.worn_by or ()):
            _picture(f"{path}.worn_by[{i}]", photo, walk)
    _frames(config, known["cameras"], walk)
    _guard(config, walk)
    check_models(config.models, config.scenes or {}, walk)
    if config.runtime.require and config.runtime.prefer:
        walk.bad("runtime.prefer", "has no meaning beside runtime.require; keep one of the two")
    _publish(config, walk)
    _outbox(config, walk)
    _broker(config, walk)
    _pair(config.provenance, "provenance", walk)


def _names(tree: Mapping[str, Any], table: str) -> tuple[str, ...]:
    found = tree.get(table)
    return tuple(found) if isinstance(found, Mapping) else ()


def _range(walk: Walk, path: str, value: float, bounds: tuple[float, float]) -> None:
    """Notes a value outside its bounds, both of which are allowed."""
    low, high = bounds
    if not low <= value <= high:
        walk.bad(path, f"must be {low} to {high}", value)


def _cameras(config: Config, known: Mapping[str, tuple[str, ...]], walk: Walk) -> None:
    for table in ("cameras", "scenes"):
        if getattr(config, table) is not None and not known[table]:
            walk.bad(table, f"at least one table [{table}.NAME] is needed")
    for name, camera in (config.cameras or {}).items():
        if camera.scene is not None and camera.scene not in known["scenes"]:
            walk.bad(
                f"cameras.{tables.join('', name)}.scene",
                f"there is no table [scenes.{camera.scene}]",
                camera.scene,
                walk.hint(camera.scene, known["scenes"]),
            )


def _scene(path: str, scene: Scene, identities: tuple[str, ...], walk: Walk) -> None:
    if scene.mode == "disguise":
        _disguise(path, scene, walk)
    elif scene.mode == "portrait":
        _portrait(path, scene, walk)
    for i, identity in enumerate(scene.identities):
        if identity not in identities:
            hint = walk.hint(identity, identities)
            reason = "there is no table of this name"
            walk.bad(f"{path}.identities[{i}]", reason, identity, hint)
    _range(walk, f"{path}.slots", scene.slots, (0, 32))
    _range(walk, f"{path}.min_face_px", scene.min_face_px, (8, 4096))
    _faces(path, scene, walk)
    _range(walk, f"{path}.restore_strength", scene.restore_strength, (0, 1))
    _range(walk, f"{path}.restore_min_face_px", scene.restore_min_face_px, (0, 4096))
    _range(walk, f"{path}.restore_every_n", scene.restore_every_n, (1, 60))
    _range(walk, f"{path}.max_identity_drift", scene.max_identity_drift, (0, 2))
    _range(walk, f"{path}.jpeg_quality", scene.jpeg_quality, (50, 100))
    _range(walk, f"{path}.publish_every_s", scene.publish_every_s, (0, 86_400))
    _range(walk, f"{path}.min_similarity", scene.min_similarity, (0, 1))
    _range(walk, f"{path}.remember_s", scene.remember_s, (0, 3600))
    if not re.fullmatch(r"[ -~]{0,40}", scene.label):
        walk.bad(f"{path}.label", "takes 40 printable ASCII characters at most", scene.label)
    for i, value in enumerate(scene.fill_bgr):
        _range(walk, f"{path}.fill_bgr[{i}]", value, (0, 255))


def _mask(path: str, scene: Scene, models: ModelsTable, walk: Walk) -> None:
    """What a scene keeps needs the model that sees it."""
    mask = scene.mask
    if mask.occlusion and not models.occluder:
        walk.bad(f"{path}.occlusion", 'needs models.occluder, such as "xseg_1"', True)
    if mask.regions and not models.parser:
        walk.bad(f"{path}.regions", 'needs models.parser, such as "bisenet_resnet_34"',
                 mask.regions)  # fmt: skip
    if mask.keep_mouth and scene.mode == "portrait":
        walk.bad(f"{path}.keep_mouth", 'is for mode = "disguise" only', True)


def _liveness(path: str, scene: Scene, models: ModelsTable, walk: Walk) -> None:
    """Who asks for live faces needs the models that know them."""
    if scene.liveness != "off" and not models.liveness:
        reason = 'needs models.liveness, such as ["minifasnet_v2", "minifasnet_v1se"]'
        walk.bad(f"{path}.liveness", reason, scene.liveness)
    if scene.blink and scene.liveness == "off":
        walk.bad(f"{path}.blink", 'has no meaning with liveness = "off"', True)
    if scene.blink and scene.mode == "portrait":
        walk.bad(f"{path}.blink", 'is for mode = "disguise" only: a shot shows no blink', True)
    elif scene.blink and not models.landmarker:
        walk.bad(f"{path}.blink", 'needs models.landmarker, such as "2d106det" or "2dfan4"', True)


def _faces(path: str, scene: Scene, walk: Walk) -> None:
    """Sizes of the faces that a scene is about."""
    if scene.max_face_px and not scene.min_face_px < scene.max_face_px <= 16_384:
        reason = f"must be 0, or more than min_face_px ({scene.min_face_px}) and 16384 at most"
        walk.bad(f"{path}.max_face_px", reason, scene.max_face_px)


def _threshold(path: str, scene_thresh: float, guard_thresh: float, walk: Walk) -> None:
    """A scene may be choosier than the guard, never less: it cannot see what the guard drops."""
    if scene_thresh and not guard_thresh <= scene_thresh <= 0.99:
        reason = f"must be 0, or {guard_thresh} (guard.det_thresh) to 0.99"
        walk.bad(path, reason, scene_thresh)


def _disguise(path: str, scene: Scene, walk: Walk) -> None:
    if not scene.identities:
        walk.bad(f"{path}.identities", "a disguise needs at least one identity")
    for key in ("template", "slots"):
        if getattr(scene, key):
            walk.bad(f"{path}.{key}", 'is for mode = "portrait" only', getattr(scene, key))
    if scene.surplus_faces == "largest":
        walk.bad(f"{path}.surplus_faces", 'is for mode = "portrait" only', scene.surplus_faces)


def _strangers(
    path: str, scene: Scene, identities: Mapping[str, IdentityTable], walk: Walk
) -> None:
    """A scene that fills everybody it does not know must know somebody."""
    worn = any(identities[name].worn_by for name in scene.identities if name in identities)
    if scene.mode != "disguise" or worn:
        return
    for key, value in (("select", "matched"), ("on_stranger", "fill")):
        if getattr(scene, key) == value:
            reason = (
                "fills everybody, since none of the scene's identities says who wears it; "
                "name photos of that person: [identities.NAME] worn_by"
            )
            walk.bad(f"{path}.{key}", reason, value)


def _portrait(path: str, scene: Scene, walk: Walk) -> None:
    if not scene.template:
        walk.bad(f"{path}.template", 'is missing: a picture, or "builtin:NAME"')
    _picture(f"{path}.template", scene.template, walk)
    if scene.identities:
        walk.bad(f"{path}.identities", 'is for mode = "disguise" only', scene.identities)
    for key, default in (("select", "all"), ("on_stranger", "next"), ("share_identities", False)):
        if getattr(scene, key) not in (default, None):
            walk.bad(f"{path}.{key}", 'is for mode = "disguise" only', getattr(scene, key))
    if scene.allow_empty:
        walk.bad(f"{path}.allow_empty", "a portrait without a face has no meaning", True)
    if scene.restore_every_n > 1:
        walk.bad(f"{path}.restore_every_n", 'is for mode = "disguise" only', scene.restore_every_n)


def _photos(path: str, photos: tuple[str, ...] | None, walk: Walk) -> None:
    if photos is not None and not photos:
        walk.bad(path, 'needs at least one picture, or "builtin:NAME"')
    for i, photo in enumerate(photos or ()):
        _picture(f"{path}[{i}]", photo, walk)


def _picture(path: str, text: str, walk: Walk) -> None:
    if text.startswith(BUILTIN_PHOTO):
        if not _BUILTIN_NAME.match(text):
            walk.bad(path, 'needs the form "builtin:NAME"', text)
    elif not text or "\0" in text:
        walk.bad(path, "is no path", text)


def _frames(config: Config, cameras: tuple[str, ...], walk: Walk) -> None:
    frames = config.frames
    if frames.default_camera and frames.default_camera not in cameras:
        walk.bad(
            "frames.default_camera",
            "there is no such camera",
            frames.default_camera,
            walk.hint(frames.default_camera, cameras),
        )
    open_net = config.isolation.mode == "off"
    for key in ("endpoint", "view_endpoint"):
        address = getattr(frames, key)
        if address:
            _address(f"frames.{key}", address, listens=True, open_net=open_net, walk=walk)
    if frames.lan and frames.lan.listen is not None:
        _lan("frames.lan", frames.lan, walk)
    for i, sub in enumerate(frames.imagezmq_subscribe):
        path = f"frames.imagezmq_subscribe[{i}]"
        if sub.camera is not None and sub.camera not in cameras:
            hint = walk.hint(sub.camera, cameras)
            walk.bad(f"{path}.camera", "there is no such camera", sub.camera, hint)
        if sub.address is not None:
            _address(f"{path}.address", sub.address, listens=False, open_net=open_net, walk=walk)


def _lan(path: str, lan: LanTable, walk: Walk) -> None:
    """Whoever can reach the listener from outside needs a key."""
    try:
        local = is_local(lan.listen)
    except ValueError:
        reason = 'needs a numeric address and a port, such as "192.0.2.5:5555" or "[::]:5555"'
        walk.bad(f"{path}.listen", reason, lan.listen)
        return
    if not local and lan.curve is False:
        walk.bad(f"{path}.curve", f"other machines can reach {lan.listen}, so senders need keys: "
                 "leave it out, and make them with `edged keys`", False)  # fmt: skip


def _address(path: str, address: str, *, listens: bool, open_net: bool, walk: Walk) -> None:
    """A ZeroMQ address: ipc anywhere, tcp only where the engine has a network."""
    scheme, _, rest = address.partition("://")
    if scheme == "ipc" and rest and "\0" not in rest:
        # sockaddr_un holds 107 bytes and a NUL (unix(7))
        if len(rest.encode(errors="replace")) > 107:
            walk.bad(path, "the path of a socket can have 107 bytes at most", address)
        elif not rest.startswith("/"):
            walk.bad(path, "needs an absolute path: ipc:///folder/name.sock", address)
        return
    host, colon, port = rest.rpartition(":")
    if scheme != "tcp" or not colon or not port.isdecimal() or not host:
        walk.bad(path, 'needs the form "ipc:///folder/name.sock" or "tcp://host:port"', address)
    elif not 1 <= int(port[:6]) <= 65535:
        walk.bad(path, "needs a port of 1 to 65535", address)
    elif listens and not is_loopback(host):
        walk.bad(path, "raw frames would cross the network unprotected; use ipc:// here and "
                 "[frames.lan] for cameras on the network", address)  # fmt: skip
    elif not open_net:
        walk.bad(path, 'the engine has no network (isolation.mode); use ipc://, or set '
                 'isolation.mode = "off" and say so to your visitors', address)  # fmt: skip


def _guard(config: Config, walk: Walk) -> None:
    guard = config.guard
    for key in ("sizes_px", "stream_sizes_px"):
        sizes = getattr(guard, key)
        if not sizes:
            walk.bad(f"guard.{key}", "needs at least one size")
        for i, size in enumerate(sizes):
            if not 64 <= size <= 4096 or size % 32:
                walk.bad(f"guard.{key}[{i}]", "must be 64 to 4096 and a multiple of 32", size)
    if guard.sizes_px and min(guard.sizes_px) > _SMALL_LOOK_PX:
        reason = f"needs one size of {_SMALL_LOOK_PX} or less for faces that fill the frame"
        walk.bad("guard.sizes_px", reason, guard.sizes_px)
    turns = guard.rotations_deg
    if 0 not in turns or any(turn not in TURNS for turn in turns):
        walk.bad("guard.rotations_deg", "takes 0 and any of 90, 180, 270", turns)
    _range(walk, "guard.full_look_every_n", guard.full_look_every_n, (1, 300))
    _range(walk, "guard.hold_ms", guard.hold_ms, (0, 60_000))
    _range(walk, "guard.det_thresh", guard.det_thresh, (0.05, 0.95))


def _publish(config: Config, walk: Walk) -> None:
    said = config.publish.allow_builtin_to_remote_broker
    if said not in ("", UNDERSTOOD):
        reason = f'must say "{UNDERSTOOD}", or be left out'
        walk.bad("publish.allow_builtin_to_remote_broker", reason, said)


def _outbox(config: Config, walk: Walk) -> None:
    outbox = config.outbox
    year = 366 * 86_400
    _range(walk, "outbox.retention_s", outbox.retention_s, (0, year))
    _range(walk, "outbox.unsent_max_age_s", outbox.unsent_max_age_s, (60, year))
    _range(walk, "outbox.max_bytes", outbox.max_bytes, (1 << 20, 1 << 50))
    _range(walk, "outbox.dedupe_days", outbox.dedupe_days, (0.01, 366))
    _range(walk, "outbox.min_free_bytes", outbox.min_free_bytes, (0, 1 << 50))


def _broker(config: Config, walk: Walk) -> None:
    broker = config.broker
    if re.search(r"[\s/\x00-\x1f]", broker.host):
        walk.bad("broker.host", "needs a name or an address alone, no mqtt:// and no port",
                 hide_login(broker.host))  # fmt: skip
    if broker.tls:
        _pair(broker.tls, "broker.tls", walk)
    if broker.password_file is not None and not broker.username:
        walk.bad("broker.username", "is missing beside broker.password_file")


def _pair(table: TlsSettings | ProvenanceTable, path: str, walk: Walk) -> None:
    """A certificate is nothing without its key."""
    if (table.cert_file is None) != (table.key_file is None):
        missing = "key_file" if table.key_file is None else "cert_file"
        walk.bad(f"{path}.{missing}", "is missing: cert_file and key_file go together")
