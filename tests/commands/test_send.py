"""`edged send` against a running frame server."""

from __future__ import annotations

import json
import threading

import cv2
import frames_kit as kit
import numpy as np
import pytest
import typer
from frames_kit import SHOT, serving
from typer.testing import CliRunner

from edged.commands.send import read_photo, send
from edged.errors import FrameError, LinkError
from edged.transport.limits import FrameLimits
from edged.transport.wire import ConsentEntry, OutgoingPicture, answer
from edged.verdicts import Reason, Verdict


@pytest.fixture
def app():
    made = typer.Typer()
    made.command()(send)
    return made


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "visitor.jpg"
    path.write_bytes(kit.jpeg())
    return path


def run(app, *arguments: object):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_photo_is_sent_and_its_verdict_is_shown(app, photo, tmp_path):
    """One photo is one shot, with scene and consents; its line names verdict and id."""
    with serving(tmp_path) as rig:
        said = run(
            app,
            photo,
            "--endpoint",
            rig.endpoint,
            "--scene",
            "masks",
            "--consent",
            "a",
            "--consent",
            "b@10,20,30.5,40",
            "--consent",
            "c@5,6",
            "--id",
            SHOT,
        )
        assert said.exit_code == 0, said.output
        assert f"visitor.jpg: queued (ok): Done. [{SHOT}]" in said.output
        header = rig.pipeline.seen[0].header
        assert (header.scene, header.want) == ("masks", "verdict")
        assert header.consent == (
            ConsentEntry("a"),
            ConsentEntry("b", box_px=(10, 20, 30.5, 40)),
            ConsentEntry("c", point_px=(5, 6)),
        )


@pytest.mark.parametrize("wrong", ["", "a b", "a@", "a@1,2,3", "a@3,2,1,4", "a@x,y", "a@nan,1"])
def test_a_consent_of_another_form_is_explained(app, photo, wrong):
    """Before anything is sent."""
    said = run(app, photo, "--consent", wrong)
    assert said.exit_code == 2
    assert "REF@X1,Y1,X2,Y2" in said.output


def test_pictures_are_saved_under_their_photos_names(app, photo, tmp_path):
    """With -o and several photos each picture goes to the folder, as JSON says."""
    other = tmp_path / "other.png"
    other.write_bytes(kit.png())
    with serving(tmp_path, run=False) as rig:

        def engine() -> None:
            while (one := rig.mailbox.take()) is not None:
                rig.server.answer(
                    one.ticket, answer(Verdict.QUEUED, Reason.OK), OutgoingPicture(b"jpeg", 1, 1)
                )

        thread = threading.Thread(target=engine)
        thread.start()
        said = run(app, photo, other, "--endpoint", rig.endpoint, "-o", tmp_path / "out", "--json")
        rig.mailbox.close()
        thread.join()
    assert said.exit_code == 0, said.output
    records = [json.loads(line) for line in said.output.splitlines()]
    assert [one["saved"] for one in records] == [
        str(tmp_path / "out" / "visitor.jpg"),
        str(tmp_path / "out" / "other.jpg"),
    ]
    assert (tmp_path / "out" / "other.jpg").read_bytes() == b"jpeg"


def test_failure_of_one_photo_gives_exit_code_65(app, photo, tmp_path):
    """A refused or failed shot is shown with its sentence, the others go on."""
    with serving(tmp_path) as rig:
        said = run(app, photo, photo, "--endpoint", rig.endpoint, "--scene", "opera")
    assert said.exit_code == FrameError.exit_code
    assert said.output.count("failed (unknown-scene)") == 2


def test_limit_of_the_rate_is_waited_for(app, photo, tmp_path):
    """More photos than the rate allows all get through."""
    limits = FrameLimits(shots_per_s=20, shots_burst=1)
    with serving(tmp_path, limits=limits) as rig:
        said = run(app, *[photo] * 4, "--endpoint", rig.endpoint)
        assert said.output.count("queued") == 4


def test_missing_engine_is_a_link_error(app, photo, tmp_path):
    """Without an engine the command ends with the error that says how to start one."""
    said = run(app, photo, "--endpoint", f"ipc://{tmp_path}/none.sock", "--timeout", "0.2")
    assert isinstance(said.exception, LinkError)
    assert "edged run" in str(said.exception)


@pytest.mark.parametrize("extra", [("--id", SHOT), ("--want", "raw")])
def test_contradictions_are_usage_errors(app, photo, extra):
    """One id for two photos, and an unknown wish, are refused before anything is sent."""
    assert run(app, photo, photo, *extra).exit_code == 2


def test_other_formats_are_decoded_first(tmp_path):
    """A BMP is sent as pixels; a text file is an error that says what to do."""
    image = kit.picture()
    cv2.imwrite(str(tmp_path / "a.bmp"), image)
    assert np.array_equal(read_photo(tmp_path / "a.bmp"), image)
    (tmp_path / "a.txt").write_text("no picture")
    for content in ("no picture", ""):
        (tmp_path / "a.txt").write_text(content)
        with pytest.raises(FrameError, match="convert it to JPEG"):
            read_photo(tmp_path / "a.txt")
