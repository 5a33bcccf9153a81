"""Ownership of an ipc path: one living owner, a private socket, no leftovers."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
import zmq

from edged.errors import ConfigError, LinkError, OperatorError
from edged.transport import ipcpath
from edged.transport.ipcpath import IpcClaim, ipc_path


@pytest.fixture
def endpoint(tmp_path):
    return f"ipc://{tmp_path}/x.sock"


@pytest.fixture
def sock():
    context = zmq.Context()
    yield context.socket(zmq.ROUTER)
    context.destroy(linger=0)


def test_path_has_one_living_owner(endpoint):
    """A second claim is refused with the cure, until the first is released."""
    first = IpcClaim.take(endpoint)
    with pytest.raises(OperatorError, match="in use"):
        IpcClaim.take(endpoint)
    first.release()
    IpcClaim.take(endpoint).release()


def test_owner_that_knows_no_lock_is_respected(endpoint, tmp_path):
    """A path on which any process listens is not taken from it."""
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(tmp_path / "x.sock"))
    other.listen()
    with other, pytest.raises(OperatorError, match="in use"):
        IpcClaim.take(endpoint)


def test_path_of_a_killed_owner_is_free(endpoint, sock, tmp_path):
    """What a killed process leaves behind does not stop the next one."""
    code = (
        "import os, signal, sys, zmq; from edged.transport.ipcpath import IpcClaim\n"
        "claim = IpcClaim.take(sys.argv[1]); claim.bind(zmq.Context().socket(zmq.ROUTER))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, endpoint], check=False, timeout=30)
    assert (tmp_path / "x.sock").exists()
    claim = IpcClaim.take(endpoint)
    claim.bind(sock)
    sock.close()
    claim.release()
    assert not (tmp_path / "x.sock").exists()


def test_socket_is_private(endpoint, sock, tmp_path):
    """The socket has mode 0600, or the one asked for."""
    claim = IpcClaim.take(endpoint)
    claim.bind(sock)
    assert (tmp_path / "x.sock").stat().st_mode & 0o777 == 0o600
    sock.unbind(endpoint)
    claim.bind(sock, 0o660)
    assert (tmp_path / "x.sock").stat().st_mode & 0o777 == 0o660
    sock.close()
    claim.release()


def test_endpoints_that_cannot_be_are_configuration_errors(tmp_path):
    """A relative path and one above 107 bytes say what to change."""
    with pytest.raises(ConfigError, match="begins with"):
        ipc_path("ipc://frames.sock")
    with pytest.raises(ConfigError, match="shorter"):
        ipc_path("ipc:///" + "x" * 120)
    assert ipc_path("tcp://127.0.0.1:1") is None
    with pytest.raises(OperatorError, match="create it"):
        IpcClaim.take(f"ipc://{tmp_path}/missing/x.sock")


def test_taken_tcp_port_is_a_link_error(sock):
    """A TCP endpoint needs no claim, and a busy one is reported."""
    port = sock.bind_to_random_port("tcp://127.0.0.1")
    endpoint = f"tcp://127.0.0.1:{port}"
    with pytest.raises(LinkError, match="cannot be bound"):
        IpcClaim.take(endpoint).bind(sock)


def _asked(endpoint):
    """A new client's message, read by whoever has the path."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.setsockopt(zmq.LINGER, 200)
        client.connect(endpoint)
        client.send(b"hello")


@pytest.mark.parametrize("how", ["unlinked", "bound"])
def test_a_path_that_is_taken_away_is_bound_again(endpoint, sock, tmp_path, how, monkeypatch):
    """New clients reach the owner again, and those it has stay with it."""
    monkeypatch.setattr(ipcpath, "_LOOK_S", 0.0)
    claim = IpcClaim.take(endpoint)
    claim.bind(sock)
    old = sock.context.socket(zmq.DEALER)
    old.connect(endpoint)
    old.send(b"before")
    assert sock.recv_multipart()[-1] == b"before"
    assert claim.regain(sock) is False
    thief = zmq.Context()
    if how == "unlinked":
        (tmp_path / "x.sock").unlink()
    else:
        thief.socket(zmq.ROUTER).bind(endpoint)
    assert claim.regain(sock) is True
    assert claim.regain(sock) is False
    assert (tmp_path / "x.sock").stat().st_mode & 0o777 == 0o600
    for send, said in ((old.send, b"old"), (None, b"hello")):
        send(said) if send else _asked(endpoint)
        assert sock.poll(5000)
        assert sock.recv_multipart()[-1] == said
    thief.destroy(linger=0)
    claim.release()


def test_a_path_of_somebody_else_is_left_to_them(endpoint, sock, tmp_path):
    """Giving up a claim removes its own socket alone."""
    claim = IpcClaim.take(endpoint)
    claim.bind(sock)
    (tmp_path / "x.sock").unlink()
    (tmp_path / "x.sock").touch()
    claim.release()
    assert (tmp_path / "x.sock").exists()
