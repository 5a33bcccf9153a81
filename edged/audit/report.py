"""The facts of an audit as text, in sentences that can be filed and signed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

UNTOLD = "not told: no engine was running"

_HEADINGS = "=-"


def text(facts: Mapping[str, Any]) -> str:
    """The report, plain text of at most 100 columns where names allow it."""
    lines = [f"Audit of {facts['device']} at site {facts['site']}", "", f"made {facts['made_at']}"]
    lines[1] = _HEADINGS[0] * len(lines[0])
    state = facts["state"]
    lines.append(f"engine: {state['state']} ({state['reason']})" if state else f"engine: {UNTOLD}")
    for heading, part in (
        ("Isolation of the process that holds camera pictures", _isolation),
        ("What cameras are for", _scenes),
        ("What leaves the device", _leaves),
        ("What is stored", _stored),
        ("Networks and their terms", _models),
        ("Software", _software),
    ):
        lines += ["", heading, _HEADINGS[1] * len(heading), *part(facts)]
    return "\n".join(lines) + "\n"


def _isolation(facts: Mapping[str, Any]) -> list[str]:
    asked, found = facts["isolation"]["asked"], facts["isolation"]["found"]
    lines = [f"asked for: {asked}"]
    if found is None:
        return [*lines, f"found: {UNTOLD}"]
    lines.append(f"found by the engine itself at its start: {found['mode']}")
    lines += [f"  {name.replace('_', ' ')}: {value}" for name, value in found["proof"].items()]
    memory = facts["memory"]
    lines += [
        f"core dumps: {'POSSIBLE' if memory['core_dumps'] else 'off'}",
        f"readable by other processes of its user: {'YES' if memory['dumpable'] else 'no'}",
        f"swap: {memory['swap']}",
    ]
    return lines


def _scenes(facts: Mapping[str, Any]) -> list[str]:
    told = {
        "disguise": "every face becomes a character or is filled",
        "portrait": "consenting visitors are put into a template; no camera pixel is used",
    }
    return [
        f"{name}: {scene['mode']} ({told[scene['mode']]}); "
        f"cameras: {', '.join(scene['cameras']) or 'by request only'}"
        for name, scene in facts["scenes"].items()
    ]


def _leaves(facts: Mapping[str, Any]) -> list[str]:
    leaves, guard = facts["leaves"], facts["guard"]
    where = "on this machine" if leaves["this_machine"] else "over the network"
    lines = [
        (
            f"to the broker {leaves['broker']} {where}, {'TLS' if leaves['tls'] else 'no TLS'}, "
            f"topics {leaves['topics']}"
        ),
        *leaves["what"],
    ]
    if guard is None:
        return [*lines, f"guard: {UNTOLD}"]
    bounds = "measured bounds" if guard["calibrated"] else "NO bounds: it refuses every picture"
    return [
        *lines,
        (
            f"guard: {bounds}, recogniser {guard['recogniser']}, detectors "
            f"{', '.join(guard['families'])}"
        ),
    ]


def _stored(facts: Mapping[str, Any]) -> list[str]:
    stored = facts["stored"]
    key = "wrapped by a master key" if stored["master_key"] else "guarded by file permissions alone"
    lines = [
        f"{stored['what']}, in {stored['folder']}",
        f"keys: {key}",
        (
            f"delivered ones for {_span(stored['retention_s'])}, undelivered ones for "
            f"{_span(stored['unsent_max_age_s'])} at most, ids of shots for "
            f"{stored['dedupe_days']:g} days"
        ),
        _lan_keys(stored),
        "camera pictures, crops, landmarks and vectors of faces: nothing, memory only",
    ]
    now = stored["now"]
    if now is None:
        return [*lines, f"now: {UNTOLD}"]
    last = "never"
    if now["last_purge_ms"]:
        at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now["last_purge_ms"] / 1000))
        last = f"{at}, {now['last_purge_rows']} pictures"
    return [
        *lines,
        f"now: {now['depth']} undelivered, {now['retained']} delivered, {now['aside']} set aside",
        f"last purge: {last}",
        f"receipts of purges are verified with: {facts['receipt_key']}",
    ]


def _lan_keys(stored: Mapping[str, Any]) -> str:
    """Who may send frames over the network, and the one secret of that."""
    folder = stored["lan_keys"]
    if not stored["lan"]:
        return f"keys of cameras on the network: not used; any that `edged keys` made: in {folder}"
    return f"this device's secret key and the public keys of cameras on the network: in {folder}"


def _models(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    for model in facts["models"]:
        commercial = model["commercial"]
        use = {True: "commercial use allowed", False: "NOT for commercial use"}.get(
            commercial, "ask the vendor for commercial use"
        )
        if commercial is not True:
            use += ", accepted by the operator" if model["accepted"] else ", NOT accepted"
        lines.append(f"{model['id']} ({model['kind']}): {model['licence']}; {use}")
        lines.append(f"  SHA-256 {_hash(model)}")
    return lines


def _hash(model: Mapping[str, Any]) -> str:
    found, wanted = model["sha256_found"], model["sha256_wanted"]
    if not found:
        return f"wanted {wanted}" if wanted else "none: no file of its own, or nothing running"
    if wanted in ("", "unpinned"):
        return f"{found} (no public hash to compare with)"
    return f"{found} ({'as pinned' if found == wanted else f'NOT the pinned {wanted}'})"


def _software(facts: Mapping[str, Any]) -> list[str]:
    software = facts["software"]
    same = {True: "yes", False: "NO: it was started with another one", None: UNTOLD}
    return [
        f"edged {software['edged']}, SHA-256 of its code {software['code_sha256']}",
        f"configuration {software['config']}, digest {software['config_digest']}",
        f"the running engine has this configuration: {same[software['runs_this_config']]}",
    ]


def _span(seconds: float) -> str:
    days = seconds / 86_400
    return f"{days:g} days" if days >= 2 else f"{seconds / 3600:g} hours"
