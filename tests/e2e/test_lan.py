"""Cameras on the network: a real engine without a network, and who gets frames into it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import uuid

import imagezmq
import psutil
import pytest
import zmq
from booth import Booth, until
from frames_kit import head, jpeg
from shots import QUICK, face, real_models

from edged.errors import LinkError
from edged.privacy.launch import launched
from edged.transport import keyring
from edged.transport.client import FrameClient
from edged.transport.curve import CurveClient


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def lan_of(port, host="0.0.0.0", more=""):
    return f'{QUICK}\n[frames.lan]\nlisten = "{host}:{port}"\n{more}\n'


class Lan(Booth):
    """A booth with a listener that other machines can reach, and keys of two cameras."""

    def __init__(self, folder, port, **options):
        super().__init__(
            folder, models=real_models(), extra=lan_of(port), consumer=False, **options
        )
        self.port = port
        self.keys("new")
        for name in ("quick", "door"):
            self.keys("camera", name, "--out", str(self.key_file(name)))

    def keys(self, *words):
        """`edged keys`, and what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "edged", "keys", *words, "--config", str(self.config)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout

    def key_file(self, name):
        return self.folder / f"{name}.key"

    def key(self, name):
        pair, server = keyring.read_camera_file(self.key_file(name))
        return CurveClient(public=pair.public, secret=pair.secret, server=server)

    def outsider(self, curve=None):
        """A sender of the host's network."""
        return FrameClient(
            f"tcp://127.0.0.1:{self.port}", timeout_s=30, connect_timeout_s=2, curve=curve
        )

    def answered(self):
        """Verdicts and reasons that the engine has given so far."""
        health = self.ask("status").data["health"]
        return health["verdicts"], health["reasons"]


@pytest.fixture(scope="module")
def booth(tmp_path_factory):
    with Lan(tmp_path_factory.mktemp("booth"), free_port()) as device:
        yield device


def test_a_camera_with_its_key_gets_frames_into_an_engine_without_a_network(booth):
    """The proof names the namespace and the one listener that it inherited."""
    with booth.outsider(booth.key("quick")) as camera:
        answer = camera.send_shot(face(1))  # the key says which camera it is
    assert answer.verdict.verdict == "queued"
    found = booth.ask("status").data["info"]["isolation"]
    assert found["mode"] == "namespace"
    assert found["proof"]["inherited_sockets"].startswith("listener fd ")
    assert "," not in found["proof"]["inherited_sockets"]


def test_a_key_is_one_cameras_key(booth):
    """Frames of another camera do not get in with it."""
    with booth.outsider(booth.key("door")) as camera:
        assert camera.send_shot(face(2), camera="quick").verdict.reason == "unknown-camera"


@pytest.mark.parametrize("who", ["no key", "a stranger's key", "another device's key"])
def test_without_the_right_key_nothing_gets_in_and_nothing_is_answered(booth, who):
    """Not even a handshake comes about; the engine has received nothing."""
    before = booth.answered()
    good, stranger = booth.key("quick"), keyring.Pair.fresh()
    curve = {
        "no key": None,
        "a stranger's key": CurveClient(stranger.public, good.server, stranger.secret),
        "another device's key": CurveClient(good.public, stranger.public, good.secret),
    }[who]
    with booth.outsider(curve) as client:
        with pytest.raises(LinkError):
            client.send_shot(face(3))
        assert not client.connected
    with zmq.Context() as context, context.socket(zmq.DEALER) as raw:  # one that sends at once
        raw.linger = 0
        if curve is not None:
            curve.apply(raw)
        raw.connect(f"tcp://127.0.0.1:{booth.port}")
        raw.send_multipart([head(camera="quick", shot=str(uuid.uuid4())), jpeg()])
        assert raw.poll(1000) == 0
    assert booth.answered() == before
    if who == "a stranger's key":
        assert "unknown or revoked key" in booth.log_text()


def test_a_revoked_key_is_refused_within_seconds_also_where_it_is_connected(booth):
    """Without a restart; a new key for the same camera is taken at once."""
    old = booth.key("quick")
    with booth.outsider(old) as camera:
        assert camera.send_shot(face(4)).verdict.verdict == "queued"
        revoked = json.loads(booth.keys("revoke", "quick", "--json"))["revoked_key"]
        assert revoked == old.public.decode()
        time.sleep(1.5)
        with pytest.raises(LinkError):
            camera.send_shot(face(5), timeout_s=3)
    with booth.outsider(old) as camera, pytest.raises(LinkError):
        camera.send_shot(face(6))
    booth.key_file("quick").unlink()
    booth.keys("camera", "quick", "--out", str(booth.key_file("quick")))
    time.sleep(1.5)
    with booth.outsider(booth.key("quick")) as camera:
        assert camera.send_shot(face(7)).verdict.verdict == "queued"


def test_a_secret_is_in_its_file_alone(booth):
    """Not in a log, an answer or a document."""
    secrets = [keyring.read_device(booth.folder / "keys").secret, booth.key("door").secret]
    said = booth.log_text() + booth.keys("list", "--json") + str(booth.ask("status").data)
    assert [one for one in secrets if one.decode() in said] == []


def test_unmodified_imagezmq_over_loopback_needs_no_key(tmp_path):
    """`curve = false`, allowed on loopback; also a new engine takes the listener over."""
    port = free_port()
    extra = lan_of(port, "127.0.0.1", "curve = false")
    device = Booth(tmp_path, models=real_models(), extra=extra, consumer=False)
    address = f"tcp://127.0.0.1:{port}"
    with device, contextlib.closing(imagezmq.ImageSender(connect_to=address)) as sender:
        assert sender.send_image("quick", face(9)) == b"OK"


def test_a_restart_under_edged_run_keeps_the_listener(tmp_path):
    """The supervisor holds it, never the uplink; the next engine serves the same camera."""
    booth = Lan(tmp_path, free_port())
    booth.broker.start()
    env = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "EDGED_RUN_DIR")}
    device = subprocess.Popen(
        [sys.executable, *booth._edged("run")], stdout=booth.log, stderr=booth.log, env=env
    )
    try:
        with booth.outsider(booth.key("quick")) as camera:
            camera._connect_timeout_s = 60
            assert camera.send_shot(face(10)).verdict.verdict == "queued"
            children = {" ".join(p.cmdline()): p for p in psutil.Process(device.pid).children()}
            (engine,) = (p for words, p in children.items() if " engine " in words)
            (uplink,) = (p for words, p in children.items() if " uplink " in words)
            assert booth.port not in {c.laddr.port for c in uplink.net_connections("tcp")}
            engine.kill()
            until(lambda: not engine.is_running(), 10, "the engine is gone")
            answer = camera.send_shot(face(11), timeout_s=60)
            assert answer.verdict.verdict == "queued"
    finally:
        device.terminate()
        device.wait(30)
        booth.broker.stop()
        booth.log.close()


STRANGERS = """
import contextlib, socket, sys
held = []
while True:
    with contextlib.suppress(OSError):
        held.append(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1))
        held[-1].send(bytes([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f]))
    if len(held) > 900:
        held.pop(0).close()
"""
"""Opens connections that look like ZeroMQ's and says no more, 900 at a time."""


def test_strangers_cannot_use_the_engines_descriptors_up(tmp_path):
    """An engine that may open 400 files answers local shots throughout, and cameras after."""
    with Lan(tmp_path, free_port()) as booth:
        engine = psutil.Process(booth.engine.pid)
        engine.rlimit(psutil.RLIMIT_NOFILE, (400, 400))
        crowd = subprocess.Popen([sys.executable, "-c", STRANGERS, str(booth.port)])
        try:
            until(lambda: "all are closed" in booth.log_text(), 30, "a crowd")
            for number in range(20, 30):
                answer = booth.client.send_shot(face(number), camera="quick")
                assert answer.verdict.verdict == "queued"
                assert engine.num_fds() < 400
        finally:
            crowd.kill()
            crowd.wait()
        with booth.outsider(booth.key("quick")) as camera:
            camera._connect_timeout_s = 30
            assert camera.send_shot(face(30)).verdict.verdict == "queued"


def test_systemd_hands_the_listener_in(tmp_path, program):
    """As `edged-frames.socket` does: LISTEN_FDS, into a process that is shut in already."""
    booth = Lan(tmp_path, free_port())
    activate = [program("systemd-socket-activate"), "--fdname=frames", "-l"]
    shut_in = launched("namespace", [sys.executable, *booth._edged("engine")])
    engine = subprocess.Popen(
        [*activate, f"0.0.0.0:{booth.port}", *shut_in], stdout=booth.log, stderr=booth.log
    )
    try:
        with booth.outsider(booth.key("quick")) as camera:  # whose coming starts the engine
            camera._connect_timeout_s = 60
            assert camera.send_shot(face(12), timeout_s=60).verdict.verdict == "queued"
        found = booth.ask("status").data["info"]["isolation"]
        assert (found["mode"], found["proof"]["inherited_sockets"]) == (
            "namespace", "listener fd 3"
        )  # fmt: skip
    finally:
        engine.terminate()
        engine.wait(30)
        booth.log.close()
