"""Every command on a real pair of processes: done, refused with a word, and on record."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid

import cv2
import numpy as np
import pytest
from booth import Booth, until
from judge import Judge
from photos import astronaut

from edged.privacy.pixels import coarse_correlation

EXTRA = """
[scenes.trio]
mode = "disguise"
identities = ["actor", "second", "third"]
[identities.second]
photos = ["builtin:sasha"]
[identities.third]
photos = ["builtin:kim"]
[guard]
sizes_px = [320, 256]
rotations_deg = [0]
"""


@pytest.fixture(scope="module")
def booth(tmp_path_factory, test_models):
    with Booth(tmp_path_factory.mktemp("booth"), models=test_models, extra=EXTRA) as made:
        yield made


def played(booth):
    """Who the visitor of a new shot became."""
    document, _ = booth.published(booth.send(astronaut(), camera="booth", scene="trio"))
    return [face["identity"] for face in document["faces"] if face["action"] == "swapped"]


def give(booth, name, data=None, timeout_s=30.0, **rest):
    """Give a command and wait for its reply; again where that were too many a second.

    A long one above the rate is not read, so the reply bears no id.
    """
    consumer = booth.consumer
    while True:
        consumer.replies.clear()
        command_id = consumer.command(name, data, **rest)

        def reply(sent=command_id):
            unread = consumer.reply_to("")
            return consumer.reply_to(sent) or (
                unread if unread and unread["error"] == "rate-limited" else None
            )

        consumer.wait(reply, timeout_s, f"a reply to {name}")
        if (found := reply())["error"] != "rate-limited":
            return found
        time.sleep(0.5)


def record(booth, command_id, timeout_s=10.0):
    """The event of a command."""

    def found():
        told = [e for e in booth.consumer.events if e["data"].get("id") == command_id]
        return [e for e in told if e["data"]["outcome"] != "rate-limited"]  # it came again

    booth.consumer.wait(found, timeout_s, "the command's event")
    return found()[-1]


def edit(booth, old, new):
    """Change the configuration file; the text before."""
    text = booth.config.read_text()
    assert old in text
    booth.config.write_text(text.replace(old, new))
    return text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("ping", {}),
        ("pause", {}),
        ("resume", {}),
        ("reload", {}),
        ("replay", {"camera": "booth", "from": 1, "to": 1}),
        ("purge", {"before_ms": 1}),
        ("rotate-identity", {}),
        ("diagnostics", {}),
    ],
)
def test_a_command_is_done_and_on_record(booth, name, data):
    """Its reply says `ok`, and an event who gave it."""
    if name == "replay":
        played(booth)
    its_id = str(uuid.uuid4())
    reply = give(booth, name, data, 30.0, id=its_id)
    assert (reply["status"], reply["error"], reply["id"]) == ("ok", "", its_id), reply
    event = record(booth, its_id)
    assert (event["event"], event["reason"]) == ("command-done", name)
    assert event["data"] == {"who": "broker", "name": name, "id": its_id, "outcome": "ok"}


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        ("reload", {"restart": "yes"}, "bad-data"),
        ("reload", {"file": "/etc/passwd"}, "bad-data"),
        ("replay", {"camera": "booth", "from": 9, "to": 1}, "bad-data"),
        ("purge", {"all": "yes"}, "bad-data"),
        ("selftest", {"camera": "booth"}, "bad-data"),
        ("rotate-identity", {"scene": "poster"}, "nothing-to-rotate"),
        ("rotate-identity", {"scene": "hide"}, "nothing-to-rotate"),
        ("rotate-identity", {"scene": "../trio"}, "bad-data"),
        ("rotate-identity", {"scene": ["trio"]}, "bad-data"),
        ("rotate-identity", {"identity": "second"}, "bad-data"),
    ],
)
def test_bad_data_is_refused_with_a_word(booth, name, data, word):
    """And a sentence that repeats nothing of it; the refusal is on record, too."""
    its_id = str(uuid.uuid4())
    reply = give(booth, name, data, id=its_id)
    assert (reply["status"], reply["error"]) == ("error", word)
    assert reply["text"]
    assert not any(str(data.get(key)) in reply["text"] for key in ("file", "all", "identity"))
    assert "../" not in reply["text"]
    event = record(booth, its_id)
    assert (event["event"], event["data"]["outcome"]) == ("command-failed", word)


def test_selftest_looks_at_everything(booth):
    """Each network, the whole way with the guard, disk, keys, isolation and clock, in ms."""
    its_id = str(uuid.uuid4())
    reply = give(booth, "selftest", {}, 60.0, id=its_id)
    assert record(booth, its_id)["event"] == "command-done"
    checks = {check["name"]: check for check in reply["data"]["checks"]}
    assert set(checks) == {
        "detector-scrfd", "detector-yunet", "recogniser", "swapper", "restorer", "picture",
        "outbox", "keys", "isolation", "clock",
    }  # fmt: skip
    assert all(check["ok"] and check["ms"] >= 0 for check in checks.values())
    assert checks["isolation"]["note"] == "namespace"
    assert not list((booth.folder / "outbox").glob(".selftest*"))


def test_selftest_finds_what_is_broken(booth):
    """A key file that others may read fails its check and no other one."""
    (keys,) = booth.folder.glob("**/outbox.keys")
    keys.chmod(0o644)
    try:
        reply = give(booth, "selftest", {}, 60.0)
    finally:
        keys.chmod(0o600)
    assert (reply["status"], reply["error"]) == ("error", "selftest-failed")
    failed = {c["name"]: c["note"] for c in reply["data"]["checks"] if not c["ok"]}
    assert failed == {"keys": "others-may-read-it"}


def test_rotate_identity_lets_the_next_character_begin(booth):
    """In turn, and round again."""
    first = played(booth)
    seen = []
    for _ in range(3):
        reply = give(booth, "rotate-identity", {"scene": "trio"})
        now = played(booth)
        assert now == reply["data"]["scenes"]["trio"][:1]
        seen += now
    assert sorted(seen) == ["actor", "second", "third"]
    assert seen[-1:] == first


def test_reload_takes_over_what_can_change(booth):
    """A scene's characters and a camera's scene, while the engine runs; `info` tells the digest."""
    digest = booth.consumer.info["config_digest"]
    pid = booth.engine.pid
    before = edit(booth, 'identities = ["actor", "second", "third"]', 'identities = ["third"]')
    edit(booth, '[cameras.booth]\nscene = "hide"', '[cameras.booth]\nscene = "trio"')
    edit(booth, "[outbox]", "[outbox]\nmax_bytes = 300000000")
    try:
        reply = give(booth, "reload", {})
        assert reply["status"] == "ok", reply
        assert set(reply["data"]["changed"]) == {
            "cameras.booth.scene", "scenes.trio.identities", "outbox.max_bytes",
        }  # fmt: skip
        assert booth.ask("outbox").data["max_bytes"] == 300_000_000
        assert not reply["data"]["restarting"]
        document, _ = booth.published(booth.send(astronaut(), camera="booth"))
        assert [face["identity"] for face in document["faces"]] == ["third"]
        booth.consumer.wait(lambda: booth.consumer.info["config_digest"] != digest)
        assert booth.engine.pid == pid
        assert booth.engine.poll() is None
    finally:
        booth.config.write_text(before)
        assert give(booth, "reload", {})["status"] == "ok"
    booth.consumer.wait(lambda: booth.consumer.info["config_digest"] == digest)


def test_a_silent_camera_degrades_until_it_sends_again(booth):
    """State, reason and what to do, at the broker and in the terminal; it clears by itself."""
    heard = booth.consumer
    before = edit(booth, "period_s = 1.0", "period_s = 1.0\ncamera_silent_s = 6")
    try:
        assert give(booth, "reload")["status"] == "ok"
        played(booth)
        until(lambda: heard.status["reason"] == "camera-silent", 30, "the silence")
        assert heard.status["state"] == "degraded"
        until(lambda: "camera-silent" in heard.health.get("remedies", {}), 10, "the remedy")
        assert heard.health["cameras"]["booth"]["last_frame_age_s"] > 6
        assert re.fullmatch("[0-9a-f]{12}", heard.health["engine_digest"])
        command = [sys.executable, "-m", "edged", "status", "--run-dir", str(booth.run_dir)]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "what to do about camera-silent: A camera has stopped" in shown
        played(booth)
        until(lambda: heard.status["state"] == "online", 10, "all well again")
    finally:
        booth.config.write_text(before)
        assert give(booth, "reload")["status"] == "ok"


CANARY = "canary7f3a9c"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('scene = "hide"', f'scene = "{CANARY}"', "cameras.booth.scene"),
        ('photos = ["builtin:kim"]', f'photos = ["/{CANARY}.png"]', "identities.third.photos[0]"),
        ('photos = ["builtin:kim"]', f'photos = ["builtin:{CANARY}"]', ""),
        ("[identities.third]", f"[{CANARY}", ""),
    ],
)
def test_a_reload_of_a_bad_file_changes_nothing(booth, old, new, key):
    """The reply names the keys that have problems, and nothing of what stands there."""
    before = edit(booth, old, new)
    try:
        reply = give(booth, "reload", {})
    finally:
        booth.config.write_text(before)
    assert (reply["status"], reply["error"]) == ("error", "config")
    assert key in json.dumps(reply["data"])
    assert CANARY not in json.dumps(reply)


def test_a_reload_that_needs_a_restart_says_so(booth):
    """Nothing is changed, not even what could be; what the uplink reads is named apart."""
    before = edit(booth, "[scenes.trio]", '[scenes.trio]\nlabel = "x"')
    edit(booth, "sizes_px = [320, 256]", "sizes_px = [320, 256]\ndet_thresh = 0.4")
    edit(booth, 'clock = "trust"', 'clock = "trust"\nkeepalive_s = 7')
    try:
        reply = give(booth, "reload", {})
    finally:
        booth.config.write_text(before)
    assert (reply["status"], reply["error"]) == ("error", "needs-restart")
    assert reply["data"] == {
        "changed": ["scenes.trio.label"], "engine": ["guard.det_thresh"],
        "uplink": ["broker.keepalive_s"],
    }  # fmt: skip


def ctl(booth, *words):
    """`edged ctl` as a person calls it: exit code, what it prints, what it complains of."""
    command = [sys.executable, "-m", "edged", "ctl", *words]
    environment = {**os.environ, "EDGED_BROKER": f"mqtt://127.0.0.1:{booth.broker.port}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout, done.stderr


def test_ctl_gives_commands_through_the_broker(booth):
    """It answers the device's question by itself; exit codes tell how it ended."""
    code, out, _ = ctl(booth, "test/booth-1", "rotate-identity", "scene=trio", "--json")
    assert (code, json.loads(out)["status"]) == (0, "ok")
    code, out, _ = ctl(booth, "test/booth-1", "purge", '{"before_ms": 1}')
    assert (code, "rows: 0" in out) == (0, True)
    code, out, complaint = ctl(booth, "test/booth-1", "purge", "all=yes")
    assert (code, "refused: purge takes exactly one of" in complaint) == (1, True)
    code, _, complaint = ctl(booth, "test/booth-9", "ping", "--timeout", "1")
    assert (code, "no reply to ping in time" in complaint) == (69, True)


def test_ctl_gives_commands_on_the_machine_itself(booth):
    """Without a broker; on record as the box's."""
    code, out, _ = ctl(booth, ".", "resume", "--run-dir", str(booth.run_dir))
    assert (code, out) == (0, "done\n")
    booth.consumer.wait(lambda: [e for e in booth.consumer.events if e["data"].get("who") == "box"])
    code, _, complaint = ctl(booth, ".", "ping", "--run-dir", "/no/such/folder")
    assert (code, "no engine is running" in complaint) == (69, True)


HOSTILE = [
    None, True, -1, 2**63, 1.5, "", "x" * 900, "../../etc/passwd", "<script>", "\u0000\u202e",
    ["booth"] * 99, {"camera": {"camera": "booth"}}, "image/jpeg", "raw",
]  # fmt: skip
KEYS = ["camera", "scene", "from", "image", "picture", "frame", "raw", "debug", "restart", "all"]


def test_no_data_of_a_command_lets_a_frame_out(booth, test_models):
    """Frames of a face flow while commands ask for everything; no reply holds a picture.

    And whatever picture leaves meanwhile shows nobody who was in front of the camera.
    """
    judge, photo = Judge(test_models), astronaut()
    (box,) = judge.faces(photo)
    done = threading.Event()
    shots = []

    def shoot():
        while not done.is_set():
            shots.append(booth.send(photo, camera="booth"))

    already = len(booth.consumer.raw)
    thread = threading.Thread(target=shoot)
    thread.start()
    try:
        names = ["ping", "reload", "replay", "selftest", "rotate-identity", "diagnostics"]
        for number, value in enumerate(itertools.cycle(HOSTILE)):
            if number >= len(HOSTILE) and len(shots) > 3:
                break
            name = names[number % len(names)]
            data = {KEYS[number % len(KEYS)]: value} if number % 2 else dict.fromkeys(KEYS, value)
            assert give(booth, name, data)["error"] in ("", "bad-data")
    finally:
        done.set()
        thread.join()
    assert len(shots) > 3
    until(lambda: all(booth.consumer.find(s.verdict.id) for s in shots), 30, "all results")
    pictures = 0
    for topic, payload, _ in booth.consumer.raw[already:]:
        if "/reply/" in topic or "/event" in topic:
            assert len(payload) < 60_000
            assert not re.search(rb"[A-Za-z0-9+/=_-]{400}", payload)  # base 64 of anything
        elif "/image/" in topic:
            pictures += 1
            assert differs(photo, cv2.imdecode(np.frombuffer(payload, np.uint8), 1), box)
        else:
            assert b"\xff\xd8\xff" not in payload
    assert pictures >= len(shots)


def differs(before, after, box):
    """Whether the face's place shows something else."""
    x1, y1, x2, y2 = (int(v) for v in box)
    now, then = after[y1:y2, x1:x2], before[y1:y2, x1:x2]
    size = (112, 112)
    return coarse_correlation(cv2.resize(then, size), cv2.resize(now, size)) < 0.58


def test_a_restart_that_is_asked_for_ends_the_engine_cleanly(booth):
    """The reply is out before; whoever supervises it starts it again, with the new values."""
    before = edit(booth, "sizes_px = [320, 256]", "sizes_px = [320, 256]\ndet_thresh = 0.45")
    try:
        reply = give(booth, "reload", {"restart": True})
        assert (reply["status"], reply["data"]["restarting"]) == ("ok", True)
        assert booth.engine.wait(20) == 0
        booth.start_engine()
        assert booth.ask("status").data["info"]["guard"]["settings"]["det_thresh"] == 0.45
    finally:
        booth.config.write_text(before)
