"""Hostile messages to the whole daemon: one error answer each, and nothing else happens.

Every text that a sender controls holds a canary, which must come back nowhere.
"""

from __future__ import annotations

import base64
import functools
import json
import random
import socket
import struct
import uuid

import cv2
import imagezmq
import numpy as np
import pytest
import zmq
from booth import Booth, until
from frames_kit import jpeg_of_size
from shots import QUICK, face, png, real_models, say

CANARY = "canary7f3a9c"
SIDE = 10_000  # squared: 100 megapixels
NOISE = random.Random(7).randbytes(900)


def head(**fields):
    """A native header of camera `quick`; None drops a field."""
    whole = {"v": 1, "ts_ms": 1, "camera": "quick", "encoding": "png", **fields}
    return json.dumps({key: value for key, value in whole.items() if value is not None}).encode()


@functools.lru_cache
def small():
    return png(face(900))


@functools.lru_cache
def bomb(kind):
    """A real picture of 100 megapixels in a small file."""
    done, data = cv2.imencode(kind, np.zeros((SIDE, SIDE), np.uint8))
    assert done
    return data.tobytes()


def deep(levels=5_000):
    return b'{"v":1,"msg":' + b"[" * levels + b"]" * levels + b"}"


def shot(**fields):
    return head(shot=str(uuid.uuid4()), **fields)


HOSTILE = {
    # pictures that lie
    "shape above the bytes": (
        lambda: [shot(encoding="bgr8", shape=[4000, 4000, 3]), b"\x01" * 3000], "bad-shape"),
    "shape below the bytes": (
        lambda: [shot(encoding="bgr8", shape=[20, 20, 3]), b"\x01" * 300_000], "bad-shape"),
    "shape that overflows": (
        lambda: [shot(encoding="bgr8", shape=[1 << 24, 1 << 24, 3]), b"\x01" * 64], "too-large"),
    "negative shape": (
        lambda: [shot(encoding="bgr8", shape=[-480, -640, 3]), b"\x01" * 64], "bad-header"),
    "five channels": (
        lambda: [shot(encoding="bgr8", shape=[20, 20, 5]), b"\x01" * 2000], "bad-shape"),
    "JPEG bomb": (lambda: [shot(encoding="jpeg"), bomb(".jpg")], "too-large"),
    "JPEG bomb by its header": (
        lambda: [shot(encoding="jpeg"), jpeg_of_size(SIDE, SIDE)], "too-large"),
    "PNG bomb": (lambda: [shot(), bomb(".png")], "too-large"),
    "PNG cut in two": (lambda: [shot(), small()[: len(small()) // 2]], "bad-image"),
    "JPEG called PNG": (lambda: [shot(), jpeg_of_size(64, 48)], "bad-image"),
    "noise as JPEG": (lambda: [shot(encoding="jpeg"), b"\xff\xd8\xff" + NOISE], "bad-image"),
    "no picture": (lambda: [shot(), b""], "bad-image"),
    # multiparts that are none
    "header alone": (lambda: [shot()], "bad-message"),
    "nothing at all": (lambda: [b""], "bad-message"),
    "three parts": (lambda: [shot(), small(), CANARY.encode()], "bad-message"),
    "a hundred parts": (lambda: [CANARY.encode()] * 100, "bad-message"),
    "random bytes": (lambda: [NOISE[:300], NOISE[300:]], "bad-header"),
    "one random part": (lambda: [NOISE], "bad-message"),
    # names and numbers
    "topic as camera": (lambda: [shot(camera="a/b/#"), small()], "bad-header"),
    "wildcard as camera": (lambda: [shot(camera=CANARY + "/+"), small()], "bad-header"),
    "unknown camera": (lambda: [shot(camera=CANARY), small()], "unknown-camera"),
    "topic as scene": (lambda: [shot(scene="../#"), small()], "bad-header"),
    "unknown scene": (lambda: [shot(scene=CANARY), small()], "unknown-scene"),
    "id that is none": (lambda: [head(shot=CANARY), small()], "bad-header"),
    "consent with a newline": (lambda: [shot(consent=[CANARY + "\n"]), small()], "bad-header"),
    "too many consents": (
        lambda: [shot(consent=[f"{CANARY}{i}" for i in range(400)]), small()], "bad-header"),
    "unknown field": (lambda: [shot(**{CANARY: CANARY}), small()], "bad-header"),
    "other version": (lambda: [shot(v=2), small()], "bad-header"),
    # JSON
    "oversized header": (lambda: [shot(note=CANARY * 2000), small()], "bad-header"),
    "deep JSON": (lambda: [deep(), small()], "bad-header"),
    "deeper JSON": (lambda: [b"[" * 16_000, small()], "bad-header"),
    "no JSON": (lambda: [CANARY.encode(), small()], "bad-header"),
    "bad UTF-8": (lambda: [b'{"v":1,"camera":"\xff\xfe"}', small()], "bad-header"),
    "unknown encoding": (lambda: [shot(encoding=CANARY), small()], "bad-header"),
    # imagezmq's form
    "wrong dtype": (
        lambda: [json.dumps({"msg": CANARY, "dtype": "float64", "shape": [20, 20, 3]}).encode(),
                 b"\x01" * 9600], "bad-shape"),
    "object dtype": (
        lambda: [json.dumps({"msg": CANARY, "dtype": "O", "shape": [20]}).encode(), b"\x01" * 160],
        "bad-header"),
    "imagezmq's lying shape": (
        lambda: [json.dumps({"msg": "door", "dtype": "uint8", "shape": [900, 900, 3]}).encode(),
                 b"\x01" * 9600], "bad-shape"),
}  # fmt: skip


@pytest.fixture(scope="module")
def booth(tmp_path_factory):
    folder = tmp_path_factory.mktemp("booth")
    with Booth(folder, models=real_models(), extra=QUICK) as device:
        yield device


class Rude:
    """A client that sends anything, and knows a good shot whose answer is known."""

    def __init__(self, booth):
        self._socket = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVTIMEO, 30_000)
        self._socket.connect(booth.endpoint)
        self.good = str(uuid.uuid4())
        assert self.ask([head(shot=self.good), small()])[0]["verdict"] == "queued"

    def ask(self, parts):
        """The answers to a message, the one to a good shot behind it excepted."""
        self._socket.send_multipart(parts)
        if parts[0] == head(shot=self.good):
            return [self._read()]
        self._socket.send_multipart([head(shot=self.good), small()])
        answers = []
        while True:
            answer = self._read()
            if isinstance(answer, dict) and answer.get("id") == self.good:
                assert answer["verdict"] == "queued"
                return answers
            answers.append(answer)

    def _read(self):
        part = next(p for p in self._socket.recv_multipart() if p)
        return json.loads(part) if part[:1] == b"{" else part.decode()

    def close(self):
        self._socket.close()


@pytest.fixture(scope="module")
def rude(booth):
    client = Rude(booth)
    yield client
    client.close()


def reason_of(answer):
    """Reason of an answer of either form."""
    if isinstance(answer, dict):
        assert answer["verdict"] == "failed"
        assert answer["text"]
        return answer["reason"]
    word, _, rest = answer.partition(" ")
    assert word == "ERROR"
    reason, _, sentence = rest.partition(": ")
    assert sentence
    return reason


@pytest.mark.parametrize("name", HOSTILE)
def test_it_costs_one_error_answer(booth, rude, name):
    """One clear error comes back, a good frame after it works, and nobody is told more."""
    make, reason = HOSTILE[name]
    parts = make()
    assert len(b"".join(parts)) < 2_000_000
    answers = rude.ask(parts)
    assert [reason_of(a) for a in answers] == [reason]
    assert CANARY not in json.dumps(answers)
    assert booth.send(face(len(name)), camera="quick").verdict.verdict == "queued"


def test_health_counts_what_was_turned_away(booth, rude):
    """By reason, beside what came in."""
    before = booth.ask("status").data["health"]["frames"]
    answers = rude.ask([shot(encoding="bgr8", shape=[20, 20, 5]), b"\x01" * 2000])
    assert [reason_of(a) for a in answers] == ["bad-shape"]
    after = booth.ask("status").data["health"]["frames"]
    assert after["refused"]["bad-shape"] == before["refused"].get("bad-shape", 0) + 1
    assert after["received"] > before["received"]


def raw_peer(booth):
    """A unix socket that has done ZMTP's greeting and says it is a DEALER."""
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(10)
    peer.connect(f"{booth.run_dir}/frames.sock")
    peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
    greeting = b""
    while len(greeting) < 64:
        greeting += peer.recv(64 - len(greeting))
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
    peer.sendall(b"\x04" + bytes([len(ready)]) + ready)
    return peer


def test_a_message_that_breaks_off_is_no_message(booth):
    """Senders that hang up within a multipart or a part leave the next frame untouched."""
    header = shot()
    first = b"\x01" + bytes([len(header)]) + header  # a frame with more to come
    half = b"\x02" + struct.pack(">Q", 100_000) + NOISE  # a long frame, begun
    for message in (first, first + half, first[: len(first) // 2], NOISE):
        for _ in range(5):
            peer = raw_peer(booth)
            peer.sendall(message)
            peer.close()
    with socket.socket(socket.AF_UNIX) as stranger:  # not even ZeroMQ
        stranger.connect(f"{booth.run_dir}/frames.sock")
        stranger.sendall(NOISE)
    assert booth.send(face(1), camera="quick").verdict.verdict == "queued"


def test_a_part_above_the_limit_closes_the_connection_alone(booth):
    """A length of a terabyte is not allocated: that peer is gone, the others stay."""
    before_mb = booth.rss_mb()
    peer = raw_peer(booth)
    peer.sendall(b"\x02" + struct.pack(">Q", 1 << 40) + NOISE)
    until(lambda: _closed(peer), what="the connection is closed")
    peer.close()
    assert booth.send(face(2), camera="quick").verdict.verdict == "queued"
    assert booth.rss_mb() - before_mb < 50


def _closed(peer):
    try:
        while peer.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def test_an_unmodified_imagezmq_client_is_told(booth):
    """Its REQ gets the error as text and is free for the next frame."""
    sender = imagezmq.ImageSender(connect_to=booth.endpoint)
    try:
        answer = sender.send_image("door", np.zeros((64, 64, 3), np.float64))
        assert answer.startswith(b"ERROR bad-shape: ")
        assert sender.send_image("door", face()) == b"OK"
    finally:
        sender.close()


def test_memory_does_not_grow(booth, rude):
    """Three hundred rounds of everything hostile leave the engine as large as it was."""
    messages = [make() for make, _ in HOSTILE.values()]

    def rounds(count):
        for number in range(count):
            answered = sum(len(rude.ask(parts)) for parts in messages)
            assert answered == len(messages)
            if number % 50 == 0:
                booth.send(face(number), camera="quick")

    rounds(30)  # allocators and caches fill
    before_mb = booth.rss_mb()
    rounds(300)
    grown_mb = booth.rss_mb() - before_mb
    say(f"{before_mb:.1f} MB, grown by {grown_mb:.1f} MB over {300 * len(messages)} messages")
    assert grown_mb < 16


def test_nothing_of_it_is_repeated(booth):
    """No canary, no topic and no byte of the noise is in log, documents or status."""
    booth.published(booth.send(face(3), camera="quick"))
    until(lambda: booth.consumer.health, what="health")
    said = [payload for topic, payload, _ in booth.consumer.raw if "/image/" not in topic]
    said += [topic.encode() for topic, _, _ in booth.consumer.raw]
    said.append(booth.log_text().encode())
    said.append(json.dumps(booth.ask("status").data).encode())
    whole = b"\n".join(said)
    assert b"booth-1" in whole
    needles = [CANARY.encode(), b"a/b/#", b"../#", NOISE[:8], NOISE[:8].hex().encode(),
               base64.b64encode(NOISE[:9]), repr(NOISE[:8])[2:-1].encode()]  # fmt: skip
    assert [needle for needle in needles if needle in whole] == []
    assert "Traceback" not in booth.log_text()
    assert not booth.consumer.problems
