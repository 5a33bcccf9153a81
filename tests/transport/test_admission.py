"""Hostile messages over real ZeroMQ: one error answer each, and nothing else changes."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import frames_kit as kit
import pytest
import zmq
from frames_kit import SHOT, head, serving, until

from edged.transport.limits import FrameLimits

JPEG = kit.jpeg()


@pytest.fixture
def rig(tmp_path):
    with serving(tmp_path) as made:
        yield made


BAD = {
    "no parts": ([b"x"], "bad-message"),
    "empty": ([b""], "bad-message"),
    "two empty": ([b"", b""], "bad-message"),
    "three parts": ([head(), JPEG, b"x"], "bad-message"),
    "many parts": ([b"p"] * 5000, "bad-message"),
    "cut after the header": ([head(shot=SHOT)], "bad-message"),
    "random bytes": ([os.urandom(500), os.urandom(5000)], "bad-header"),
    "topic as camera": ([head(camera="edged/+/#"), JPEG], "bad-header"),
    "unknown camera": ([head(camera="x"), JPEG], "unknown-camera"),
    "lying shape": ([head(encoding="bgr8", shape=[480, 640, 3]), b"x" * 99], "bad-shape"),
    "huge shape": ([head(encoding="bgr8", shape=[60_000, 60_000, 3]), b""], "too-large"),
    "huge header": ([head(x="y" * 100_000), JPEG], "bad-header"),
    "100 megapixel bomb": ([head(), kit.jpeg_of_size(10_000, 10_000)], "too-large"),
    "no picture": ([head(), b""], "bad-image"),
    "not a picture": ([head(), b"\xff\xd8" + bytes(1000)], "bad-image"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_message_gets_one_error_and_the_next_is_fine(rig, name):
    """Each hostile message costs exactly one answer; the same client's next shot is taken."""
    parts, reason = BAD[name]
    sock = rig.dealer()
    verdict = rig.ask(sock, *parts)
    assert (verdict["verdict"], verdict["reason"]) == ("failed", reason)
    assert rig.ask(sock, head(shot=SHOT), JPEG)["verdict"] == "queued"
    assert not sock.poll(50)
    assert len(rig.pipeline.seen) == 1


def test_message_above_the_size_limit_costs_its_sender_only(tmp_path):
    """An oversize part closes its connection; others are served and the sender may return."""
    limits = FrameLimits(max_payload_bytes=100_000)
    with serving(tmp_path, limits=limits) as rig:
        big, good = rig.dealer(), rig.dealer()
        monitor = big.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        big.send_multipart([head(), bytes(200_000)])
        assert monitor.poll(10_000)
        assert rig.ask(good, head(shot=SHOT), JPEG)["verdict"] == "queued"
        assert rig.ask(big, head(shot=SHOT), JPEG)["verdict"] == "queued"
        big.disable_monitor()
        monitor.close()


def test_bytes_that_are_no_zeromq_are_ignored(rig, tmp_path):
    """Garbage, half a greeting and silence on the socket's path disturb nobody."""
    silent = []
    greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f"
    for garbage in (b"GET / HTTP/1.0\r\n\r\n", os.urandom(4096), greeting, b""):
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(str(tmp_path / "frames.sock"))
        raw.sendall(garbage)
        silent.append(raw)
    assert rig.ask(rig.dealer(), head(shot=SHOT), JPEG)["verdict"] == "queued"
    for raw in silent:
        raw.close()


def test_sender_that_dies_in_the_middle_leaves_nothing(rig):
    """A client that goes away before its answer costs an undeliverable answer at most."""
    for _ in range(20):
        sock = rig.dealer()
        sock.send_multipart([head(shot=SHOT), JPEG])
        sock.close(linger=0)
    assert rig.ask(rig.dealer(), head(shot=SHOT), JPEG)["verdict"] == "queued"
    assert rig.server.alive


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_memory_stays_flat_under_garbage(rig):
    """Thousands of hostile messages, some of them megabytes, leave the memory as it was."""
    sock = rig.dealer()
    big = os.urandom(2_000_000)

    def flood(rounds: int) -> None:
        for _ in range(rounds):
            for parts, reason in BAD.values():
                assert rig.ask(sock, *parts)["reason"] == reason
            assert rig.ask(sock, head(), b"\xff\xd8" + big)["reason"] == "bad-image"
            assert rig.ask(sock, head(encoding="bgr8", shape=[9, 9, 3]), big)["reason"] != "ok"

    flood(10)
    before = resident_mb()
    flood(60)
    assert resident_mb() - before < 8


def test_client_that_never_reads_its_answers_blocks_nobody(rig):
    """Answers to a client that does not read are dropped after a few, and others get theirs."""
    deaf, good = rig.context.socket(zmq.DEALER), rig.dealer()
    deaf.setsockopt(zmq.RCVHWM, 1)
    deaf.connect(rig.endpoint)
    for n in range(6000):
        deaf.send_multipart([b"junk"])
        if n % 500 == 0:
            assert rig.ask(good, head(shot=SHOT), JPEG)["verdict"] == "queued"
    assert rig.ask(good, head(shot=SHOT), JPEG)["verdict"] == "queued"
    until(lambda: rig.server.counts().undeliverable > 0)
