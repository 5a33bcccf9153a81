"""`edged camera`: sources, pace, and both ends coming and going."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import frames_kit as kit
import numpy as np
import pytest
from frames_kit import serving, until

from edged.commands.camera import Bridge
from edged.commands.sources import is_live, open_source
from edged.errors import FrameError, LinkError
from edged.transport.client import FrameClient


class Frames:
    """A source of `count` frames; `live` ones fail at their end."""

    fps = 0.0

    def __init__(self, count: int, *, live: bool = False) -> None:
        self.left, self.live, self.closed = count, live, False

    def read(self):
        """The next one, a moment later."""
        time.sleep(0.002)
        self.left -= 1
        return kit.picture() if self.left >= 0 else None

    def close(self) -> None:
        """Remember it."""
        self.closed = True


@pytest.fixture
def client(tmp_path):
    with FrameClient(f"ipc://{tmp_path}/frames.sock") as made:
        yield made


def test_frames_of_a_folder_arrive_in_order(tmp_path, client):
    """Each picture of a folder is sent once, by name, and the bridge ends with it."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(4):
        cv2.imwrite(str(folder / f"{n}.png"), np.full((32, 48, 3), 50 * n, np.uint8))
    (folder / "notes.txt").write_text("no picture")
    with serving(tmp_path) as rig:
        until(lambda: client.answers(0.01) or client.connected)
        bridge = Bridge(client, camera="hall", fps=50)
        bridge.run(lambda: open_source(str(folder)), threading.Event(), live=False)
        assert [one.payload[0] for one in rig.pipeline.seen] == [0, 50, 100, 150]
        assert rig.pipeline.seen[0].header.camera == "hall"
    assert "4 frames read, 4 sent, 0 skipped; answers: 4 shown" in bridge.summary()


def test_video_file_is_read_and_looped(tmp_path):
    """A video gives its frames, its pace, its end, and with `loop` no end."""
    path = str(tmp_path / "v.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 20, (64, 48))
    for n in range(5):
        writer.write(kit.picture(seed=n))
    writer.release()
    source = open_source(path)
    assert source.fps == 20
    assert sum(source.read() is not None for _ in range(8)) == 5
    source.close()
    looped = open_source(path, loop=True)
    assert sum(looped.read() is not None for _ in range(12)) == 12
    looped.close()


def test_jpeg_wish_sends_jpeg(tmp_path, client):
    """With a quality the frames travel as JPEG."""
    with serving(tmp_path) as rig:
        until(lambda: client.answers(0.01) or client.connected)
        Bridge(client, jpeg_quality=80).run(lambda: Frames(3), threading.Event(), live=False)
        assert {one.header.encoding for one in rig.pipeline.seen} == {"jpeg"}


def test_busy_engine_gets_two_frames_and_no_backlog(tmp_path, client):
    """While two frames are unanswered, newer ones are skipped and not queued."""
    with serving(tmp_path, run=False) as rig:
        until(lambda: client.answers(0.01) or client.connected)
        bridge = Bridge(client)
        stop = threading.Event()
        thread = threading.Thread(
            target=bridge.run, args=(lambda: Frames(10**6), stop), kwargs={"live": False}
        )
        thread.start()
        until(lambda: rig.mailbox.take(0.1))
        until(lambda: rig.mailbox.take(0.1))
        until(lambda: bridge.read > 100)
        stop.set()
        thread.join(10)
        # One that gave way to the next before it was taken is answered, and another goes.
        assert bridge.sent - bridge.answers.total() == 2
        assert bridge.skipped > 90
        assert rig.mailbox.counts().stream_frames == 2


def test_both_ends_may_come_and_go(tmp_path, client):
    """A camera that fails is opened again; an engine that restarts is found again."""
    said: list[str] = []
    bridge = Bridge(client, say=said.append)
    stop = threading.Event()
    opened: list[Frames] = []

    def opener():
        if len(opened) % 2:
            opened.append(Frames(0))
            raise LinkError("0 cannot be opened: check that it is plugged in and free")
        opened.append(Frames(30, live=True))
        return opened[-1]

    thread = threading.Thread(target=bridge.run, args=(opener, stop), kwargs={"live": True})
    thread.start()
    until(lambda: bridge.skipped > 10)
    with serving(tmp_path) as rig:
        until(lambda: len(rig.pipeline.seen) > 5)
    until(lambda: any("lost" in line for line in said), 20)
    with serving(tmp_path) as rig:
        until(lambda: len(rig.pipeline.seen) > 5, 20)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert all(one.closed for one in opened if one.live)
    assert f"engine: waiting for it at {client.endpoint}" in said
    assert "engine: takes frames" in said


def test_camera_that_is_not_configured_ends_the_bridge(tmp_path, client):
    """An answer that every frame would get is an error with the engine's sentence."""
    with serving(tmp_path), pytest.raises(FrameError, match="not in the configuration"):
        Bridge(client, camera="cellar").run(lambda: Frames(10**6), threading.Event(), live=False)


def test_sources_that_cannot_be_opened_say_why(tmp_path):
    """A missing file, a missing device and an empty folder are link errors with a hint."""
    for what, hint in (
        (str(tmp_path / "none.mp4"), "check the path"),
        ("/dev/video99", "plugged in"),
        (str(tmp_path), "no pictures"),
    ):
        with pytest.raises(LinkError, match=hint):
            open_source(what)
    assert is_live("0")
    assert is_live("rtsp://192.0.2.1/x")
    assert not is_live("film.mp4")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_cleanly(tmp_path, number):
    """Ctrl-C and SIGTERM end the command with a summary and exit code 0."""
    cv2.imwrite(str(tmp_path / "a.png"), kit.picture())
    code = "import typer; from edged.commands.camera import camera; typer.run(camera)"
    with serving(tmp_path) as rig:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                code,
                str(tmp_path),
                "--loop",
                "--fps",
                "50",
                "--endpoint",
                rig.endpoint,
            ],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
        until(lambda: len(rig.pipeline.seen) > 3, 30)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert "frames read" in said
    assert "Traceback" not in said
