"""The guard through the whole daemon: broken parts, and nothing of a face gets out.

Each test runs the real engine with one faulty part and looks at everything that leaves:
the reply's picture, the broker, and view.sock.
"""

from __future__ import annotations

import threading

import imagezmq
import numpy as np
import pytest
from booth import Booth
from graph_kit import of_file
from photos import astronaut, t1

from edged.geometry import similarity, template
from edged.privacy.pixels import coarse_correlation, untouched_share
from edged.stages.scrfd import Scrfd
from edged.stages.search import search
from edged.stages.views import Effort


class Viewer:
    """An unmodified imagezmq hub on view.sock that keeps what it is shown."""

    def __init__(self, device):
        self.pictures = []
        self._hub = imagezmq.ImageHub(open_port=f"ipc://{device.run_dir}/view.sock", REQ_REP=False)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self):
        while True:
            try:
                _, image = self._hub.recv_image()
            except Exception:  # noqa: BLE001 - the hub went away with its test
                return
            self.pictures.append(image.copy())


@pytest.fixture(scope="module")
def finder(test_models):
    with of_file(test_models / "det_500m.onnx", "det_500m") as session:
        yield Scrfd(session)


def crop_at(image, landmarks):
    import cv2

    return cv2.warpAffine(image, similarity(landmarks, template("arcface_112", 112)), (112, 112))


def assert_no_face_of(before, after, finder):
    """Every input face's place is solid, or shows something else."""
    for face in search(before, [finder], Effort((640, 256))):
        crop, now = crop_at(before, face.landmarks), crop_at(after, face.landmarks)
        assert coarse_correlation(crop, now) < 0.58
        assert untouched_share(crop, now) < 0.2


@pytest.mark.parametrize(
    "fault",
    ["input", "inversion", "mirror", "mosaic", "coarse-mosaic", "blur", "eye-bar", "darker",
     "forgetful-detectors"],
)  # fmt: skip
def test_a_broken_swap_is_filled_or_refused(tmp_path, test_models, finder, fault):
    """A swapper or detector that fails open is caught: the face is filled, or nothing leaves."""
    with Booth(tmp_path, models=test_models, actor=astronaut(), fault=fault) as booth:
        viewer = Viewer(booth)
        answer = booth.send(t1(), camera="booth", want="image")
        assert answer.verdict.verdict in {"queued", "refused"}
        if answer.verdict.verdict == "queued":
            assert answer.verdict.numbers["swapped"] == 0
            assert answer.verdict.numbers["filled"] >= 6
            doc, picture = booth.published(answer)
            assert doc["guard"]["refilled"] >= 6
            assert_no_face_of(t1(), picture, finder)
        else:
            assert answer.picture is None
            assert not booth.consumer.results
        for _ in range(4):
            booth.client.send_frame(t1(), camera="door")
        booth.send(t1(), camera="booth")  # answered behind the stream frames
        for shown in list(viewer.pictures):
            assert_no_face_of(t1(), shown, finder)


def test_a_recogniser_that_raises_keeps_the_picture_in(tmp_path, test_models):
    """An exception inside the privacy check is a refusal, and the engine lives on."""
    with Booth(tmp_path, models=test_models, actor=None, fault="raising-recogniser") as booth:
        viewer = Viewer(booth)
        answer = booth.send(t1(), camera="booth", want="image")
        assert (answer.verdict.verdict, answer.verdict.reason) == ("refused", "guard-error")
        assert answer.picture is None
        booth.client.send_frame(t1(), camera="door")
        again = booth.send(np.ascontiguousarray(t1()[:, ::-1]), camera="booth")
        assert again.verdict.reason == "guard-error"
        assert booth.ask("ping").status == "ok"
        assert not booth.consumer.results
        assert not booth.consumer.pictures
        assert not viewer.pictures
        assert "recogniser failed" not in booth.log_text()


def test_a_missing_threshold_keeps_everything_in(tmp_path, test_models):
    """Models without calibrated bounds: refused, degraded, and said in info."""
    with Booth(tmp_path, models=test_models, actor=astronaut(), calibration="",
               consumer=False) as booth:  # fmt: skip
        viewer = Viewer(booth)
        answer = booth.send(t1(), camera="booth", want="image")
        assert (answer.verdict.verdict, answer.verdict.reason) == ("refused", "not-calibrated")
        assert answer.picture is None
        booth.client.send_frame(t1(), camera="door")
        overview = booth.ask("status").data
        assert overview["state"] == "degraded"
        assert overview["info"]["guard"]["calibrated"] is False
        assert overview["health"]["outbox"]["depth"] == 0
        assert not viewer.pictures
