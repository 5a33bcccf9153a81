"""Packs: one archive, several models, each checked."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest
from model_server import serving
from typer.testing import CliRunner

from edged.bench.standins import detector, landmarks, recogniser
from edged.commands.models import app
from edged.errors import ConfigError, ModelError
from edged.recipe import list_packs, list_recipes
from edged.resources import data_folder

FILES = {
    "det_10g": detector.scrfd(),
    "w600k_r50": recogniser.build(),
    "2d106det": landmarks.build("2d106det"),
    "1k3d68": landmarks.build("1k3d68"),
}
FILES = {name: model.SerializeToString(deterministic=True) for name, model in FILES.items()}
HASHES = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
ARCHIVE = "80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f"
CONFIG = """\
[device]
name = "a"
[cameras.c]
scene = "s"
[scenes.s]
mode = "disguise"
identities = ["i"]
[identities.i]
photos = ["builtin:character"]
[models]
folder = "models"
recipes = ["recipes"]
mirror = "{mirror}"
"""
LICENCE = ("--accept-licence", "buffalo_l")


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            out.writestr(f"buffalo_l/{name}.onnx", data)
    return buffer.getvalue()


@pytest.fixture
def server():
    with serving() as how:
        how.files = {"buffalo_l.zip": zipped({**FILES, "genderage": b"x"})}
        yield how


@pytest.fixture
def folder(tmp_path, monkeypatch, server):
    """The shipped recipes and pack of buffalo_l, with the hashes of stand-ins; det_10g has none."""
    ours = tmp_path / "recipes"
    (ours / "packs").mkdir(parents=True)
    recipes = list_recipes()
    for name in FILES:
        pin = "unpinned" if name == "det_10g" else HASHES[name]
        _write(ours / f"{name}.toml", recipes[name], pin)
    pack = _shipped("packs/buffalo_l.toml").replace(ARCHIVE, "unpinned")
    (ours / "packs" / "buffalo_l.toml").write_text(pack)
    (tmp_path / "edged.toml").write_text(CONFIG.format(mirror=server.url))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _shipped(name):
    return (data_folder("engines") / name).read_text()


def _write(path, recipe, pin):
    """A shipped recipe with another hash and no size."""
    text = _shipped(path.name).replace(recipe.sha256, pin).replace(ARCHIVE, "unpinned")
    lines = [line for line in text.splitlines() if not line.startswith("size_bytes")]
    path.write_text("\n".join(lines))


@pytest.fixture
def run(folder):
    """Runs `edged models ...` in the folder."""
    assert folder.is_dir()
    return lambda *words: CliRunner().invoke(app, words)


def test_every_pack_of_the_field_is_listed_with_its_members(run):
    """For people and for scripts, with what is pinned and what is not."""
    shown = run("list").stdout
    data = {one["id"]: one for one in json.loads(run("list", "--json").stdout)}
    for pack in ("buffalo_l", "buffalo_m", "buffalo_s", "antelopev2"):
        assert pack in shown
        assert data[pack]["kind"] == "pack"
        assert "genderage.onnx" in data[pack]["left_out"]
    assert "det_2.5g (unpinned)" in shown
    assert data["antelopev2"]["unpinned"] == ["scrfd_10g_bnkps", "glintr100"]
    assert "buffalo_l" in data["2d106det"]["packs"]


def test_a_pack_is_fetched_once_and_each_file_checked(run, folder, server):
    """One request, four models by their hashes, the rest of the archive left and said so."""
    done = run("pull", "buffalo_l", *LICENCE, "--trust", HASHES["det_10g"], "--json")
    assert done.exit_code == 0, done.output
    states = {one["id"]: one["state"] for one in json.loads(done.stdout)}
    assert states == dict.fromkeys(FILES, "ready")
    for name, data in FILES.items():
        assert (folder / "models" / f"{name}.onnx").read_bytes() == data
    assert [path for path, _ in server.requests if path.endswith(".zip")] == ["/buffalo_l.zip"]
    assert "genderage.onnx was left out" in done.stderr
    assert not (folder / "models" / ".archives").exists()
    assert not (folder / "models" / "genderage.onnx").exists()
    assert run("verify", "buffalo_l").exit_code == 0
    assert "4 of 4" in run("list").stdout


def test_an_unpinned_member_is_asked_about_and_the_others_come(run, folder, server):
    """The hash is shown; saying it later needs no second download of the archive."""
    done = run("pull", "buffalo_l", *LICENCE)
    assert isinstance(done.exception, ModelError)
    assert done.output.count(HASHES["det_10g"]) >= 1
    assert done.output.count("Compare it with a source that you trust") == 1
    assert not (folder / "models" / "det_10g.onnx").exists()
    assert (folder / "models" / "1k3d68.onnx").is_file()
    again = run("pull", "buffalo_l", *LICENCE, "--trust", HASHES["det_10g"])
    assert again.exit_code == 0, again.output
    assert [path for path, _ in server.requests if path.endswith(".zip")] == ["/buffalo_l.zip"]


def test_a_download_that_was_cut_is_continued(run, server, folder):
    """The archive resumes where it stopped."""
    size = len(server.files["buffalo_l.zip"])
    server.cuts = [size // 2] + [0] * 20
    trust = ("--trust", HASHES["det_10g"])
    assert run("pull", "buffalo_l", *LICENCE, *trust).exit_code != 0
    assert list((folder / "models" / ".archives").glob("*.part"))
    server.cuts = []
    assert run("pull", "buffalo_l", *LICENCE, *trust).exit_code == 0
    assert server.requests[-1][1] == f"bytes={size // 2}-"


def test_a_member_with_another_hash_is_not_taken(run, server, folder):
    """The pinned ones are held to their pins inside an unpinned archive, too."""
    server.files["buffalo_l.zip"] = zipped({**FILES, "w600k_r50": FILES["det_10g"]})
    done = run("pull", "buffalo_l", *LICENCE, "--trust", HASHES["det_10g"])
    assert isinstance(done.exception, ModelError)
    assert "w600k_r50" in str(done.exception)
    assert not (folder / "models" / "w600k_r50.onnx").exists()
    assert (folder / "models" / "det_10g.onnx").is_file()


def test_a_pack_needs_its_licence(run, server):
    """Each member's terms are shown; nothing is fetched."""
    done = run("pull", "buffalo_l")
    assert isinstance(done.exception, ModelError)
    assert "InsightFace non-commercial research" in done.output
    assert server.requests == []


def test_a_pack_with_an_unknown_member_is_refused(tmp_path):
    """With a near name."""
    (tmp_path / "packs").mkdir()
    text = _shipped("packs/buffalo_l.toml").replace('"det_10g"', '"det_10"')
    (tmp_path / "packs" / "buffalo_l.toml").write_text(text)
    with pytest.raises(ConfigError, match="did you mean"):
        list_packs(list_recipes(), [tmp_path])


def test_an_archive_left_by_a_looser_source_is_checked_before_it_vouches(run, folder, server):
    """A file of the pinned archive's name is not believed for its name."""
    rubbish = zipped({**FILES, "det_10g": FILES["det_10g"] + b"\0"})
    archives = folder / "models" / ".archives"
    archives.mkdir(parents=True)
    (archives / "buffalo_l.zip").write_bytes(rubbish)
    pin = hashlib.sha256(server.files["buffalo_l.zip"]).hexdigest()
    path = folder / "recipes" / "packs" / "buffalo_l.toml"
    path.write_text(path.read_text().replace("unpinned", pin))
    done = run("pull", "buffalo_l", *LICENCE)
    assert done.exit_code == 0, done.output
    assert (folder / "models" / "det_10g.onnx").read_bytes() == FILES["det_10g"]
