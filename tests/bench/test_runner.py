"""What `edged bench` promises of its report; never how long anything takes."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from edged.bench import peer
from edged.bench.floor import Floor, Work
from edged.bench.frames import ALL_CASES, Case, make_scene, parse_cases
from edged.bench.ours import Ours
from edged.bench.peer import Peer
from edged.bench.recorded import record
from edged.bench.runner import Plan, one_thread, run
from edged.bench.standins.pack import write_standins
from edged.cli import main
from edged.errors import ConfigError

FOUR = Case(1920, 1080, 4)
"""Faces below 40 % of the frame's height: larger ones get close looks in every frame, whose
small canvas the stand-ins answer coarsely."""

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:insightface")

CASE_KEYS = {
    "width", "height", "faces", "host_ms", "session_ms", "guard_host_ms", "paste_ms", "floor_ms",
    "floor_bytes_ms",
    "end_to_end_p50_ms", "end_to_end_p95_ms", "insightface", "stages_ms",
}  # fmt: skip
"""Written out here so that a renamed field is noticed."""


@pytest.fixture(scope="module")
def standins(tmp_path_factory):
    return write_standins(tmp_path_factory.mktemp("standins"))


def test_json_has_the_documented_form(capsys):
    """`edged bench --json` prints one object of exactly the documented keys."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--json", "--runs", "2", "--cases", "720p:1"])
    assert not ended.value.code
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"machine", "versions", "cases"}
    assert document["machine"]["threads"] == 1
    assert document["versions"]["insightface"] != "absent"
    (case,) = document["cases"]
    assert set(case) == CASE_KEYS
    assert (case["width"], case["height"], case["faces"]) == (1280, 720, 1)
    assert set(case["insightface"]) == {"host_ms", "session_ms", "paste_ms"}
    assert {"detect", "embed", "swap", "paste", "guard"} <= set(case["stages_ms"])


def test_report_says_nothing_of_the_host(monkeypatch):
    """No host name, user or path is in a report that people paste into issues."""
    monkeypatch.setenv("HOSTNAME", "booth-17")
    report = msgspec.json.encode(run(Plan((Case(1280, 720, 1),), runs=1)).report).decode()
    import getpass
    import platform

    assert platform.node() not in report or len(platform.node()) < 3
    assert f'"{getpass.getuser()}"' not in report
    assert "/" not in report.replace("t1.jpg", "")


def test_all_subjects_find_the_same_faces(standins):
    """edged, the floor and insightface swap the same boxes: none wins by doing less."""
    scene = make_scene(FOUR)
    wanted = _sorted(scene.boxes)
    with one_thread(), Ours(standins, scene.source) as ours:
        ours.process(scene.frame)  # a full look, with close ones
        outcome = ours.process(scene.frame)
        floor = Floor(scene.frame, record(scene.frame, standins, FOUR.faces))
        found = {
            "edged": np.array([note.box_px for note in outcome.faces], np.float32),
            "floor": floor.run(),
            "insightface": np.array(
                [f.bbox for f in Peer(standins, scene.source).app.get(scene.frame)]
            ),
        }
    assert all(note.action == "swapped" for note in outcome.faces)
    for subject, boxes in found.items():
        assert boxes.shape == wanted.shape, subject
        assert np.abs(_sorted(boxes) - wanted).max() <= 2.0, subject


def test_restorer_and_occluder_do_their_work_on_both_sides(standins):
    """No peer has that work; every face is restored, and looked at for what is before it."""
    work = Work(restore=True, occlusion=True)
    report = run(Plan((FOUR,), runs=1, work=work)).report
    assert report.machine["work"] == "swap+restore+occlusion"
    (case,) = report.cases
    assert case.insightface is None
    assert {"mask", "restore"} <= set(case.stages_ms)
    scene = make_scene(FOUR)
    with one_thread(), Ours(
        standins, scene.source, restorer=("gfpgan_1.4", standins.restorer("gfpgan_1.4")),
        occlusion=True,
    ) as ours:  # fmt: skip
        outcome = ours.process(scene.frame)
    assert [touch.kind for touch in outcome.touches] == ["anew"] * FOUR.faces


@pytest.mark.parametrize("tensors", [True, False])
def test_the_floor_pastes_what_is_asked_for(standins, tensors):
    """A restorer's crop lies over the swapper's, and an occluder lets less of both through."""
    scene = make_scene(Case(1280, 720, 1))
    recorded = record(scene.frame, standins, 1)
    x1, y1, x2, y2 = scene.boxes[0].astype(int)
    changed = {}
    for work in (Work(), Work(restore=True), Work(restore=True, occlusion=True)):
        floor = Floor(scene.frame, recorded, work, tensors=tensors)
        floor.run()
        inside = floor.frame[y1:y2, x1:x2].astype(int) - scene.frame[y1:y2, x1:x2]
        changed[work.name] = np.abs(inside).mean()
    assert len({round(value, 2) for value in changed.values()}) == 3
    assert changed["swap+restore"] > changed["swap+restore+occlusion"]


def test_a_swapped_face_is_the_character(standins):
    """The stand-in swap is a swap: the picture that leaves holds the source's pattern."""
    scene = make_scene(Case(1280, 720, 1))
    other = Peer(standins, scene.source)
    (before,) = other.app.get(scene.frame)
    after = other.swapper.get(scene.frame, before, other.source, paste_back=True)
    (seen,) = other.app.get(after)
    source = other.source.normed_embedding
    assert seen.normed_embedding @ source > 0.5 > before.normed_embedding @ source


def test_meter_is_taken_off_again():
    """The hook on onnxruntime lasts as long as its block, also when the block fails."""
    from onnxruntime import InferenceSession

    plain = InferenceSession.run
    with peer.metered():
        assert InferenceSession.run is not plain
    assert InferenceSession.run is plain
    with pytest.raises(KeyError), peer.metered():
        raise KeyError
    assert InferenceSession.run is plain


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("all", [c.name for c in ALL_CASES]),
        ("1080p", ["1080p:1", "1080p:4"]),
        ("4k:4, 720p:1", ["4k:4", "720p:1"]),
        ("1080p,1080p:1", ["1080p:1", "1080p:4"]),
    ],
)
def test_cases_are_read(text, names):
    """A size means both of its cases, and a case is measured once."""
    assert [c.name for c in parse_cases(text)] == names


def test_every_unknown_case_is_named():
    """All wrong words of --cases are reported in one go, with those that exist."""
    with pytest.raises(ConfigError) as caught:
        parse_cases("1080p,8k,vga")
    assert len(caught.value.problems) == 2
    assert all("1080p:4" in problem for problem in caught.value.problems)


def _sorted(boxes):
    rows = np.asarray(boxes, np.float32)
    return rows[np.lexsort((np.rint(rows[:, 0] / 50), np.rint(rows[:, 1] / 50)))]
