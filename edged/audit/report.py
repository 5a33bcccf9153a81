"""The facts of an audit as text, in sentences that can be filed and signed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

UNTOLD = "not told: no engine was running"

_MEANING = {
    "namespace": (
        "  The kernel gives it a network of its own without interface or route: it can reach no\n"
        "  address.  A listener that it inherited serves those who come in, and reaches nobody."
    ),
    "seccomp": (
        "  It shares the machine's network, but the kernel refuses it every socket that is not\n"
        "  local: it can reach no address.  This is the weaker of the two modes."
    ),
    "off": "  IT IS NOT ISOLATED: nothing but its own code keeps it from the network.",
}

_HEADINGS = "=-"
_SIGNATURE = "Read by: " + 26 * "_" + "  Date: " + 14 * "_" + "  Signature: " + 20 * "_"


def text(facts: Mapping[str, Any]) -> str:
    """The report, plain text of at most 100 columns where names allow it."""
    lines = [f"Audit of {facts['device']} at site {facts['site']}", "", f"made {facts['made_at']}"]
    lines[1] = _HEADINGS[0] * len(lines[0])
    if facts["clock_synced"] is False:
        lines[-1] += " by a clock that is NOT synchronised"
    state = facts["state"]
    lines.append(f"engine: {state['state']} ({state['reason']})" if state else f"engine: {UNTOLD}")
    if any(model["builtin"] for model in facts["models"]):
        lines.append("BUILT-IN MODELS ARE IN USE: for trying out only, they miss faces")
    for heading, part in (
        ("Isolation of the process that holds camera pictures", _isolation),
        ("What cameras are for", _scenes),
        ("Who may hand pictures in", _comes_in),
        ("What leaves the device", _leaves),
        ("What is stored", _stored),
        ("Networks and their terms", _models),
        ("Software", _software),
    ):
        lines += ["", heading, _HEADINGS[1] * len(heading), *part(facts)]
    lines += [
        "",
        "",
        "Read by: ______________________    Date: ____________    Signature: ____________",
    ]
    return "\n".join(lines) + "\n"


def _isolation(facts: Mapping[str, Any]) -> list[str]:
    asked, found = facts["isolation"]["asked"], facts["isolation"]["found"]
    lines = [f"asked for: {asked}"]
    if found is None:
        return [*lines, f"found: {UNTOLD}"]
    lines.append(f"found by the engine itself at its start: {found['mode']}")
    lines += [_MEANING[found["mode"]], "what it saw:"]
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
    lines = []
    for name, scene in facts["scenes"].items():
        lines.append(f"{name}: {scene['mode']} ({told[scene['mode']]})")
        lines.append(f"  cameras: {', '.join(scene['cameras']) or 'by request only'}")
        empty = "leave as they are" if scene["allow_empty"] else "do not leave"
        lines.append(f"  pictures without any face {empty}")
        if scene["label"]:
            lines.append(f"  words in each picture: {scene['label']}")
    if any(scene["mode"] == "portrait" for scene in facts["scenes"].values()):
        lines.append("a portrait wants a consent reference for each person in it, or is refused")
    if facts["hides"]:
        lines.append(facts["hides"])
    return lines


def _comes_in(facts: Mapping[str, Any]) -> list[str]:
    ways = facts["comes_in"]
    group = ", and members of its group" if ways["group"] else ""
    lines = [f"programs on this device: the service's own user and root{group}"]
    lines += [f"a camera that the engine listens to: {address}" for address in ways["subscribed"]]
    lan = ways["lan"]
    if lan is None:
        return [*lines, "over the network: nobody"]
    keys = "only with a key that the operator gave out" if lan["keys_required"] else "NO KEY asked"
    return [*lines, f"over the network: at {lan['listen']}, {keys}"]


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
    if len(guard["families"]) < 2:
        bounds += ", ONE detector family where two are meant to be"
    return [
        *lines,
        *_marks(facts["marks"]),
        "the guard searches each picture for faces before it leaves, and holds back what fails",
        (
            f"guard: {bounds}, recogniser {guard['recogniser']}, detectors "
            f"{', '.join(guard['families'])}"
        ),
    ]


def _marks(marks: Mapping[str, Any] | None) -> list[str]:
    if marks is None:
        return []
    signed = "signed (C2PA)" if marks["c2pa"] else "not signed"
    return [f"each picture is marked as made by AI in its metadata (IPTC source type); {signed}"]


def _stored(facts: Mapping[str, Any]) -> list[str]:
    stored = facts["stored"]
    key = "wrapped by a master key" if stored["master_key"] else "guarded by file permissions alone"
    kept = {
        "drop_oldest": "then the oldest are deleted",
        "refuse": "then no more are taken",
    }
    lines = [
        f"{stored['what']}, in {stored['folder']}",
        f"keys: {key}",
        f"at most {stored['max_bytes'] / 1e6:,.0f} MB, {kept[stored['overflow']]}",
        (
            f"delivered ones for {_span(stored['retention_s'])}, undelivered ones for "
            f"{_span(stored['unsent_max_age_s'])} at most, ids of shots for "
            f"{stored['dedupe_days']:g} days"
        ),
        _lan_keys(stored),
        "with them: ids of shots and consent references, as keyed digests",
        "camera pictures, crops, landmarks and vectors of faces: nothing, memory only",
        "log (the system's journal): states, counts and codes; no picture, no reference",
        *_operators(stored["pictures_of_the_operator"]),
        "what the broker and those behind it keep is not this device's to say",
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
        (
            "now, each a picture with its result or a note that one is gone: "
            f"{now['depth']} undelivered, {now['retained']} delivered, {now['aside']} set aside"
        ),
        f"last purge: {last}",
        f"receipts of purges are verified with: {facts['receipt_key']}",
    ]


def _operators(files: list[str]) -> list[str]:
    """Pictures that the operator has put there, of people who are not visitors."""
    if not files:
        return ["the operator's own pictures of faces (characters, templates): none, built-in ones"]
    return ["the operator's own pictures of faces (characters, templates), for good:",
            *(f"  {file}" for file in files)]  # fmt: skip


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
        if model["verified"] != "real":
            lines.append("  the makers of edged have not seen the real weights running")
    return lines


def _hash(model: Mapping[str, Any]) -> str:
    found, wanted = model["sha256_found"], model["sha256_wanted"]
    if not found:
        return f"wanted {wanted}" if wanted else "none: no file of its own, or nothing running"
    if model["builtin"]:
        return f"{found} (generated by edged)"
    if wanted in ("", "unpinned"):
        return f"{found} (no public hash to compare with)"
    return f"{found} ({'as pinned' if found == wanted else f'NOT the pinned {wanted}'})"


def _software(facts: Mapping[str, Any]) -> list[str]:
    software = facts["software"]
    same = {True: "yes", False: "NO: it was started with another one", None: UNTOLD}
    version = {True: "yes", False: "NO: it runs another", None: UNTOLD}
    packages = software["packages"]
    return [
        f"edged {software['edged']}, SHA-256 of its code {software['code_sha256']}",
        f"the running engine is of this version: {version[software['runs_this_version']]}",
        *(
            [f"Python {software['python']} with"]
            + [f"  {name} {version}" for name, version in sorted(packages.items())]
            if packages
            else []
        ),
        f"configuration {software['config']}, digest {software['config_digest']}",
        f"the running engine has this configuration: {same[software['runs_this_config']]}",
    ]


def _span(seconds: float) -> str:
    days = seconds / 86_400
    return f"{days:g} days" if days >= 2 else f"{seconds / 3600:g} hours"
