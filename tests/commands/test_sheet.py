"""`edged sheet` as a person meets it."""

from __future__ import annotations

import json
import stat

import cv2
import numpy as np
import pytest
import typer
from photos import astronaut, t1
from PIL import Image as Pil
from typer.testing import CliRunner

from edged.commands.sheet import sheet
from edged.config import loads
from edged.config.starter import starter
from edged.errors import ConfigError
from edged.sheets import proofs
from edged.sheets.layout import WIDTH_PX, draw, save
from edged.sheets.proofs import Proof, Proofs
from edged.sheets.variants import AS_IT_IS, Variant

app = typer.Typer()
app.command()(sheet)


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """No configuration and no state folder of this machine."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("EDGED_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.chdir(tmp_path)


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def few(monkeypatch, *labels):
    """Only these variants, for time."""
    whole = proofs.variants
    monkeypatch.setattr(
        proofs, "variants", lambda *a: [v for v in whole(*a) if v.label in labels]
    )  # fmt: skip


def test_a_sheet_is_made_for_its_owners_eyes(tmp_path, monkeypatch):
    """Without a configuration the built-in pack's; mode 0600; no metadata; the warning is said."""
    few(monkeypatch, AS_IT_IS, "mask: box", "without builtin_restorer")
    photo = tmp_path / "me.png"
    cv2.imwrite(str(photo), astronaut())
    done = run(photo)
    assert done.exit_code == 0, done.output
    path = tmp_path / "sheets/me-sheet.png"
    assert done.stdout.splitlines()[0] == "sheets/me-sheet.png"
    assert "never publish" in done.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with Pil.open(path) as drawn:
        assert drawn.width == WIDTH_PX
        assert dict(drawn.getexif()) == {}
        assert drawn.info == {}
    assert [p.name for p in path.parent.iterdir()] == ["me-sheet.png"]


def test_jpeg_sheets_have_no_metadata_either(tmp_path, monkeypatch):
    """What the photo's file said of place and camera is not in the sheet."""
    few(monkeypatch, AS_IT_IS)
    exif = Pil.Exif()
    exif[0x010F] = "secret-camera"
    Pil.fromarray(astronaut()[:, :, ::-1]).save(tmp_path / "me.jpg", exif=exif, comment=b"secret")
    done = run(tmp_path / "me.jpg", "--scene", "hide", "--jpeg", "--json", "-o", tmp_path / "s")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "sheets": [str(tmp_path / "s/me-sheet.jpg")], "variants": ["hide"],
    }  # fmt: skip
    data = (tmp_path / "s/me-sheet.jpg").read_bytes()
    assert b"secret" not in data
    assert b"Exif" not in data


@pytest.mark.parametrize(
    "what", ["0", "/dev/video0", "rtsp://cam/1", "film.mp4", "photos", "no.png"]
)
def test_cameras_and_folders_are_refused(tmp_path, what):
    """A sheet is made of pictures that a person named one by one."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "film.mp4").write_bytes(b"x")
    done = run(what)
    assert isinstance(done.exception, ConfigError)
    assert "name one by one" in str(done.exception)
    assert not (tmp_path / "sheets").exists()


def test_an_unknown_scene_is_refused(tmp_path):
    """With those that there are."""
    cv2.imwrite(str(tmp_path / "me.png"), astronaut())
    assert "hide, poster" in str(run(tmp_path / "me.png", "--scene", "no").exception)


def made(tmp_path, photo, *, uncalibrated=False, names=("hide",)):
    config = loads(starter("booth-1"), tmp_path / "edged.toml")
    if uncalibrated:
        own = tmp_path / "state/calibration"
        own.mkdir(parents=True)
        (own / "guard.toml").write_text(
            "[swappers.builtin_swapper]\ncoarse_max = 0.01\nuntouched_max = 0.01\n"
            'measured_on = "a test"\n'
        )
    with Proofs(config, names, lambda *_: None) as loaded:
        return loaded.of(photo, "photo")


def test_what_the_guard_would_fill_can_be_seen_and_is_said(tmp_path, monkeypatch):
    """A bound that no swap meets: the proof shows the swap all the same, and says so."""
    few(monkeypatch, AS_IT_IS)
    (proof,) = made(tmp_path, astronaut(), uncalibrated=True)
    assert proof.note == "1 filled"
    (x1, y1, x2, y2), *_ = proof.boxes or [(180, 60, 270, 190)]
    swapped = proof.image[y1:y2, x1:x2]
    assert swapped.std() > 20  # a face, and no grey patch
    assert np.abs(swapped.astype(int) - astronaut()[y1:y2, x1:x2]).mean() > 5


def test_scenes_are_made_as_the_daemon_makes_them(tmp_path, monkeypatch):
    """A disguise swaps in place, a portrait fills the template's slot; both pass the guard."""
    few(monkeypatch, AS_IT_IS)
    hide, poster = made(tmp_path, t1(), names=("hide", "poster"))
    assert hide.image.shape == t1().shape
    assert len(hide.boxes) >= 1
    assert poster.image.shape != t1().shape
    assert len(poster.boxes) == 1
    assert (hide.kept_in, poster.kept_in) == ("", "")


def test_a_photo_without_faces_gives_a_sheet_that_says_so(tmp_path, monkeypatch):
    """Nothing to show close, and the reason in its place."""
    few(monkeypatch, AS_IT_IS)
    wall = np.full((300, 400, 3), 120, np.uint8)
    proof = made(tmp_path, wall)[0]
    assert (proof.image, proof.note) == (None, "kept in: no-face")
    drawn = draw(wall, "wall.png", [proof], 2, "footer")
    assert drawn.width == WIDTH_PX


def test_a_face_at_the_edge_is_cut_with_paper(tmp_path):
    """A close-up that reaches beyond the picture is no error and no mirror."""
    photo = astronaut()
    scene = loads(starter("booth-1"), tmp_path / "edged.toml").scenes["hide"]
    variant = Variant("hide", AS_IT_IS, "hide", scene)
    proof = Proof(variant, photo, ((-20, -30, 80, 90), (470, 480, 560, 600)), "", 0)
    drawn = draw(photo, "x" * 200, [proof], 2, "y" * 900)
    save(drawn, tmp_path / "a.png")
    assert cv2.imread(str(tmp_path / "a.png")).shape[1] == WIDTH_PX
