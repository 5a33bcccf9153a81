"""The demo as a person runs it: `edged demo`, its exit codes and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from edged.demo import photos, shots
from edged.demo.judge import Escape
from edged.demo.report import Report
from edged.errors import LinkError
from edged.transport.client import Answer
from edged.transport.wire import GuardNote, OutgoingPicture, ResultDoc, answer
from edged.verdicts import Reason, Verdict

DEMO_S = 400


@pytest.fixture
def short_tmp(monkeypatch):
    """A temporary folder of the demo's own, with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="d") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def demo(out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edged", "demo", "--json", "--out", str(out), *words],
        capture_output=True, text=True, check=False, timeout=DEMO_S,
    )  # fmt: skip


@pytest.mark.timeout(DEMO_S)
def test_the_demo_ends_well(tmp_path, short_tmp, program):
    """Both scenes reach a real broker, the judge finds nobody, and only the sheet stays."""
    program("mosquitto")
    done = demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["ok"]
    assert said["broker"].startswith("mosquitto")
    assert [shot["verdict"] for shot in said["shots"]] == ["queued"] * 5
    assert said["shots"][0]["faces"] == 6
    assert all(shot["swapped"] for shot in said["shots"])
    assert said["isolation"] in ("namespace", "seccomp")
    assert said["received"]["image"] == said["received"]["result"] >= 5
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert sheet.shape[0] > sheet.shape[1]
    assert list(short_tmp.iterdir()) == []


@pytest.mark.timeout(DEMO_S)
def test_a_photo_without_a_face_is_kept_in_and_that_is_no_failure(tmp_path):
    """The guard's refusal is shown as such; the embedded broker serves as well."""
    noise = np.random.default_rng(3).integers(0, 255, (12, 16, 3), np.uint8)
    wall = cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "wall.png"), wall)
    done = demo(tmp_path, "--embedded", "--photo", str(tmp_path / "wall.png"))
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["broker"].startswith("amqtt")
    assert {shot["verdict"] for shot in said["shots"]} == {"refused"}
    assert "image" not in said["received"]


def test_a_photo_that_is_not_there_is_named(tmp_path):
    """A mistyped file name ends before anything starts."""
    done = demo(tmp_path, "--photo", str(tmp_path / "nobody.jpg"))
    assert done.returncode == 71
    assert "nobody.jpg" in done.stderr


class Client:
    """Answers every shot with one verdict and one picture."""

    def __init__(self, verdict, picture) -> None:
        self.answer = Answer(verdict, picture)

    def send_shot(self, *_args, **_more):
        return self.answer


class Watch:
    """A subscriber that got a result and a picture, or nothing."""

    def __init__(self, result=None, picture=None) -> None:
        self.results = {result.id: result} if result else {}
        self._picture = picture

    def wait_for(self, what, test, _limit_s):
        if not test():
            raise LinkError(f"{what} did not come")

    def picture(self, _result):
        return self._picture


class Sees:
    """A judge who sees what the test tells it to."""

    def __init__(self, *escapes) -> None:
        self._escapes = list(escapes)

    def escapes(self, *_args):
        return self._escapes


@pytest.fixture(scope="module")
def shot():
    return shots.Shot(photos.astronaut(), shots.CHARACTER)


@pytest.fixture(scope="module")
def jpeg(shot):
    return shot.photo.jpeg()


@pytest.fixture
def queued():
    return answer(Verdict.QUEUED, Reason.OK, id="one")


@pytest.fixture
def result(jpeg):
    picture = OutgoingPicture(jpeg, 512, 512)
    guard = GuardNote(
        families=("haar",), looks=2, faces_in=1, swapped=1, filled=0, refilled=0, verified_by="x"
    )
    return ResultDoc(
        ts_ms=0, clock_synced=True, id="one", camera="booth", scene="character", mode="disguise",
        faces=(), guard=guard, latency_ms={}, engines={}, builtin=True, image=picture.note,
    )  # fmt: skip


def test_a_face_that_got_out_fails_the_demo(shot, jpeg, queued, result):
    """One escape, and the demo ends with 1 and says how."""
    seen = Escape((1, 2, 3), "its pixels are the camera's (1.00)")
    done = shots.send(shot, Client(queued, jpeg), Watch(result, jpeg), Sees(seen), [])
    assert "a face got out" in done.problem
    assert Report(problems=[done.problem]).code == 1


def test_a_result_that_never_comes_fails_the_demo(shot, jpeg, queued):
    """`queued` is a promise; the subscriber must get it."""
    assert "did not come" in shots.send(shot, Client(queued, jpeg), Watch(), Sees(), []).problem


def test_a_picture_that_is_not_the_answers_fails_the_demo(shot, jpeg, queued, result):
    """Broker and sender must have the same bytes."""
    other = shots.send(shot, Client(queued, jpeg + b"x"), Watch(result, jpeg), Sees(), [])
    absent = shots.send(shot, Client(queued, jpeg), Watch(result), Sees(), [])
    assert "not the one" in other.problem
    assert "SHA-256" in absent.problem


def test_all_well_is_no_problem(shot, jpeg, queued, result):
    """A shot that did what it must has nothing to report."""
    done = shots.send(shot, Client(queued, jpeg), Watch(result, jpeg), Sees(), [])
    assert done.problem == ""
    assert done.picture.shape == (512, 512, 3)
