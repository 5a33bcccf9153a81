"""Who may listen where, and who may connect."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import frames_kit as kit
import pytest
import zmq
from frames_kit import SHOT, head, serving

from edged.errors import ConfigError, LinkError, OperatorError
from edged.transport.crowd import MOST_CONNECTIONS
from edged.transport.curve import CurveClient, CurveServer
from edged.transport.frames import FrameServer
from edged.transport.limits import FrameLimits
from edged.transport.mailbox import Mailbox

JPEG = kit.jpeg()
OTHER = "11111111-5a0c-4f0e-9a57-6a2f7f6b1c11"


@pytest.fixture
def rig(tmp_path):
    with serving(tmp_path) as made:
        yield made


def server_at(endpoint: str, **options) -> FrameServer:
    box = Mailbox(shots_waiting=1, shots_waiting_bytes=1)
    return FrameServer([endpoint], FrameLimits(), kit.CAMERAS, kit.SCENES, box, **options)


def test_socket_of_a_living_engine_is_not_stolen(rig):
    """A second server on the same path refuses to start and the first goes on."""
    second = server_at(rig.endpoint)
    with pytest.raises(OperatorError, match="in use"):
        second.start()
    assert rig.ask(rig.dealer(), head(shot=SHOT), JPEG)["reason"] == "ok"


def test_failed_start_leaves_nothing_open(tmp_path):
    """When the second endpoint cannot be opened, the first is free again."""
    endpoint = f"ipc://{tmp_path}/a.sock"
    server = FrameServer(
        [endpoint, f"ipc://{tmp_path}/missing/b.sock"],
        FrameLimits(),
        kit.CAMERAS,
        kit.SCENES,
        Mailbox(shots_waiting=1, shots_waiting_bytes=1),
    )
    with pytest.raises(OperatorError):
        server.start()
    again = server_at(endpoint)
    again.start()
    again.stop()


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:0", "tcp://*:0", "tcp://192.0.2.1:5555"])
def test_network_endpoint_needs_keys(endpoint):
    """A TCP endpoint that others can reach is refused without CURVE keys."""
    with pytest.raises(ConfigError, match="CURVE"):
        server_at(endpoint).start()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_loopback_tcp_is_served(tmp_path):
    """A loopback TCP endpoint needs no keys."""
    with serving(tmp_path, endpoint=f"tcp://127.0.0.1:{free_port()}") as rig:
        assert rig.ask(rig.dealer(), head(shot=SHOT), JPEG)["reason"] == "ok"


def test_curve_lets_known_clients_in_and_nobody_else(tmp_path):
    """With keys configured a known client is served; an unknown and a plain one hear nothing."""
    engine, friend, stranger = (zmq.curve_keypair() for _ in range(3))
    curve = CurveServer(engine[0], engine[1], {friend[0]: "booth"}.get)
    with serving(tmp_path, endpoint=f"tcp://127.0.0.1:{free_port()}", curve=curve) as rig:
        for pair, served in ((friend, True), (stranger, False), (None, False)):
            sock = rig.context.socket(zmq.DEALER)
            if pair:
                CurveClient(public=pair[0], secret=pair[1], server=engine[0]).apply(sock)
            sock.connect(rig.endpoint)
            sock.send_multipart([head(shot=SHOT), JPEG])
            assert bool(sock.poll(10_000 if served else 500)) is served
            sock.close(linger=0)
        assert len(rig.pipeline.seen) == 1
        assert rig.server.counts().received == 1


def test_a_revoked_key_gets_nothing_more_in_through_an_open_connection(tmp_path):
    """Its messages are counted, not read, and not answered."""
    engine, friend = zmq.curve_keypair(), zmq.curve_keypair()
    known = {friend[0]: "hall"}
    curve = CurveServer(engine[0], engine[1], known.get)
    with serving(tmp_path, endpoint=f"tcp://127.0.0.1:{free_port()}", curve=curve) as rig:
        sock = rig.context.socket(zmq.DEALER)
        CurveClient(public=friend[0], secret=friend[1], server=engine[0]).apply(sock)
        sock.setsockopt(zmq.RCVTIMEO, 10_000)
        sock.connect(rig.endpoint)
        assert rig.ask(sock, head(shot=SHOT, camera=None), JPEG)["reason"] == "ok"
        assert rig.pipeline.seen[0].header.camera == "hall"  # as the key says
        assert rig.ask(sock, head(shot=OTHER, camera="booth"), JPEG)["reason"] == "unknown-camera"
        known.clear()
        sock.send_multipart([head(shot=OTHER, camera="hall"), JPEG])
        kit.until(lambda: rig.server.counts().revoked == 1)
        assert sock.poll(300) == 0
        assert len(rig.pipeline.seen) == 1
        sock.close(linger=0)


def test_keys_never_show():
    """Neither end's secret is in its repr."""
    public, secret = zmq.curve_keypair()
    for keys in (CurveServer(public, secret), CurveClient(public, public, secret)):
        assert secret.decode() not in repr(keys)


def test_inherited_listener_is_served(tmp_path):
    """A listening socket that the launcher opened serves clients, TCP and ipc alike."""
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(str(tmp_path / "inherited.sock"))
        fds = []
        for one in (tcp, unix):
            one.listen()
            fds.append(os.dup(one.fileno()))
        with serving(tmp_path, listen_fds=fds) as rig:
            for endpoint in (
                f"tcp://127.0.0.1:{tcp.getsockname()[1]}",
                f"ipc://{tmp_path}/inherited.sock",
            ):
                sock = rig.context.socket(zmq.DEALER)
                sock.setsockopt(zmq.RCVTIMEO, 10_000)
                sock.connect(endpoint)
                assert rig.ask(sock, head(shot=SHOT), JPEG)["reason"] == "ok"


def descriptors():
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_crowd_without_keys_does_not_use_the_descriptors_up(tmp_path):
    """Connections are bounded, local senders notice nothing, and cameras come in again."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as tcp:
        port, fd = tcp.getsockname()[1], os.dup(tcp.fileno())
    with serving(tmp_path, listen_fds=[fd]) as rig, contextlib.ExitStack() as crowd:
        sock = rig.context.socket(zmq.DEALER)
        sock.setsockopt(zmq.RCVTIMEO, 20_000)
        sock.connect(f"tcp://127.0.0.1:{port}")
        local = rig.dealer()
        assert rig.ask(sock, head(shot=SHOT), JPEG)["reason"] == "ok"
        before, most = descriptors(), 0
        for number in range(1, 3 * MOST_CONNECTIONS + 1):
            crowd.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            most = max(most, descriptors() - before - number)
            if number % 100 == 0:
                assert rig.ask(local, head(shot=SHOT), JPEG)["reason"] == "ok"
        assert MOST_CONNECTIONS // 2 < most < 1.5 * MOST_CONNECTIONS
        crowd.close()
        assert rig.ask(sock, head(shot=SHOT), JPEG)["reason"] == "ok"


def test_inherited_descriptor_must_listen_and_be_safe():
    """A descriptor that does not listen, or that others can reach without keys, is refused."""
    with socket.socket() as idle:
        with pytest.raises(LinkError, match="does not listen"):
            FrameServer(
                [],
                FrameLimits(),
                kit.CAMERAS,
                kit.SCENES,
                Mailbox(shots_waiting=1, shots_waiting_bytes=1),
                listen_fds=[idle.fileno()],
            ).start()
        idle.bind(("0.0.0.0", 0))
        idle.listen()
        with pytest.raises(ConfigError, match="CURVE"):
            FrameServer(
                [],
                FrameLimits(),
                kit.CAMERAS,
                kit.SCENES,
                Mailbox(shots_waiting=1, shots_waiting_bytes=1),
                listen_fds=[idle.fileno()],
            ).start()


ENGINE_WITHOUT_NETWORK = """
import os, socket, sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
import frames_kit
assert [name for _, name in socket.if_nameindex()] == ["lo"]
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[4])), 1)
except OSError:
    pass
else:
    sys.exit("the namespace is not empty")
with frames_kit.serving(Path(sys.argv[3]), listen_fds=[int(sys.argv[5])]):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode,
    reason="network namespaces are not allowed here",
)
def test_engine_in_an_empty_network_namespace_serves_an_inherited_listener(checkout, tmp_path):
    """An engine without any network answers the clients of a TCP listener that it inherited."""
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        port, fd = tcp.getsockname()[1], tcp.fileno()
        engine = subprocess.Popen(
            [
                "unshare",
                "-rn",
                sys.executable,
                "-c",
                ENGINE_WITHOUT_NETWORK,
                str(checkout),
                str(checkout / "tests"),
                str(tmp_path),
                str(port),
                str(fd),
            ],
            pass_fds=[fd],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert engine.stdout.readline() == "ready\n"
    with zmq.Context() as context, context.socket(zmq.DEALER) as sock:
        sock.linger = 0
        sock.connect(f"tcp://127.0.0.1:{port}")
        sock.send_multipart([head(shot=SHOT), JPEG])
        assert kit.verdict(sock)["verdict"] == "queued" if sock.poll(10_000) else False
    engine.communicate(timeout=20)
    assert engine.returncode == 0
