"""Senders that lie, crowd and withdraw, and a socket's path that is taken away."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import time
import uuid
from pathlib import Path

import zmq
from faults.kinds import Kind
from faults.pictures import NUMBERS, jpeg, picture

from edged.errors import LinkError
from edged.transport.client import FrameClient

THIEF = Path(__file__).parents[2] / "fakes" / "thief.py"
SOCKETS = ("frames.sock", "view.sock", "control.sock", "egress.sock")
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)


@contextlib.contextmanager
def _socket(site, kind, name="frames.sock"):
    context = zmq.Context()
    found = context.socket(kind)
    found.setsockopt(zmq.LINGER, 100)
    found.setsockopt(zmq.SNDTIMEO, 1000)
    found.connect(f"ipc://{site.booth.run_dir / name}")
    try:
        yield found
    finally:
        context.destroy(linger=100)


def _header(**fields):
    head = {"v": 1, "ts_ms": 1, "camera": "shots", "encoding": "jpeg", **fields}
    return json.dumps(head).encode()


# -- the path ----------------------------------------------------------------------------------


def steal(site, chance):
    """Another process binds the path of a socket, or a clean-up unlinks it."""
    name = chance.choice(SOCKETS)
    path = site.booth.run_dir / name
    if chance.random() < 0.5:
        path.unlink()
    else:
        thief = subprocess.Popen([sys.executable, THIEF, path], stdout=subprocess.PIPE)
        try:
            assert thief.stdout.readline() == b"mine\n"
            time.sleep(chance.uniform(0.0, 1.0))
        finally:
            thief.kill()
            thief.wait()
            thief.stdout.close()
    site.until(lambda: _answers(path), 15, f"{name} is there again")


def _answers(path):
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


# -- what comes in -----------------------------------------------------------------------------


def _lies(chance):
    """A message that is none, of one of many forms."""
    noise = chance.randbytes(chance.randrange(1, 2000))
    shot = str(uuid.UUID(int=chance.getrandbits(128)))
    good = jpeg(picture(chance.randrange(NUMBERS)))
    whole = _header(shot=shot)
    return chance.choice((
        [noise],
        [noise, noise],
        [b"", b"", b""],
        [noise] * chance.randrange(3, 200),
        [whole],
        [whole[: chance.randrange(len(whole))], good],
        [whole, noise],
        [whole, good[: chance.randrange(len(good))]],
        [whole, good, noise],
        [_header(shot=shot, encoding="bgr8", shape=[1 << 20, 1 << 20, 3]), noise],
        [_header(shot=shot, encoding="bgr8", shape=[-1, 64, 3]), noise],
        [_header(shot=shot, camera="a/#"), good],
        [_header(shot=noise.hex()[:40]), good],
        [b"[" * chance.randrange(1, 20_000), good],
        [_header(note="x" * 20_000), good],
        [json.dumps({"msg": "stream", "dtype": "O", "shape": [9, 9]}).encode(), noise],
    ))  # fmt: skip


def litter(site, chance):
    """Hostile messages through ZeroMQ, and connections that break off within one."""
    with _socket(site, zmq.DEALER) as peer:
        for _ in range(150):
            with contextlib.suppress(zmq.Again):
                peer.send_multipart(_lies(chance))
            with contextlib.suppress(zmq.Again):
                while True:
                    peer.recv_multipart(zmq.NOBLOCK)
    left = []
    for _ in range(20):
        peer = socket.socket(socket.AF_UNIX)
        left.append(peer)
        with contextlib.suppress(OSError):
            peer.settimeout(1)
            peer.connect(str(site.booth.run_dir / "frames.sock"))
            _break_off(peer, chance)
    time.sleep(chance.uniform(0.0, 0.5))
    for peer in left:
        peer.close()


def _break_off(peer, chance):
    """Half a greeting, half a message, a terabyte announced, or noise."""
    whole = _header(shot=str(uuid.UUID(int=chance.getrandbits(128))))
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
    hello = GREETING + b"\x04" + bytes([len(ready)]) + ready
    part = b"\x01" + bytes([len(whole)]) + whole
    peer.sendall(chance.choice((
        hello[: chance.randrange(len(hello))],
        hello + part,
        hello + part + b"\x02" + struct.pack(">Q", 100_000) + chance.randbytes(500),
        hello + b"\x02" + struct.pack(">Q", 1 << 40) + chance.randbytes(500),
        hello + part[: chance.randrange(len(part))],
        chance.randbytes(chance.randrange(1, 500)),
    )))  # fmt: skip


def flood(site, chance):
    """A client far above its rates, with frames and with shots, next to well-behaved ones."""
    frames = [jpeg(picture(chance.randrange(NUMBERS))) for _ in range(5)]
    ends = time.monotonic() + chance.uniform(1.0, 2.0)
    with _socket(site, zmq.DEALER) as peer:
        count = 0
        while time.monotonic() < ends:
            count += 1
            head = {"camera": "stream"}
            if count % 50 == 0:
                head = {"shot": str(uuid.uuid4())}
                site.ledger.sent(head["shot"], 0, "shots")  # and no answer is waited for
            with contextlib.suppress(zmq.Again):
                peer.send_multipart([_header(**head), frames[count % 5]], zmq.NOBLOCK)
            with contextlib.suppress(zmq.Again):
                while True:
                    peer.recv_multipart(zmq.NOBLOCK)


# -- what is taken back ------------------------------------------------------------------------


def withdraw(site, chance):
    """A visitor takes the consent back while shots under it are on their way."""
    reference = f"visitor-{uuid.uuid4().hex[:12]}"
    shots = []
    with FrameClient(site.endpoint, timeout_s=30) as client:
        for _ in range(3):
            shot, number = str(uuid.uuid4()), chance.randrange(NUMBERS)
            site.ledger.sent(shot, number, "shots")
            data = jpeg(picture(number))
            with contextlib.suppress(LinkError):
                answer = client.send_shot(
                    data, camera="shots", shot=shot, want="image", consent=[reference]
                )
                if answer.verdict.verdict == "queued":
                    site.ledger.took(shot, answer)
                    shots.append((shot, data))
        time.sleep(chance.uniform(0.0, 0.2))
        if chance.random() < 0.5:
            reply = site.consumer.ask("purge", {"consent": reference})
            status, data = reply["status"], reply["data"]
        else:
            said = site.booth.ask("purge", {"consent": reference})
            status, data = said.status, said.data
        assert status == "ok"
        assert len(shots) == 3, "shots under a consent are taken"
        shot, data = shots[0]
        again = client.send_shot(data, camera="shots", shot=shot, consent=[reference])
        assert again.verdict.reason == "purged", "a purged shot is not made again"


KINDS = (
    Kind("ipc path stolen", steal),
    Kind("garbage on the frame socket", litter),
    Kind("flood above the rate limits", flood),
    Kind("purge by consent under load", withdraw, may_gap=True),
)
