"""Model files and their hashes."""

from __future__ import annotations

import hashlib

import pytest
from doctor_kit import FakeHost, ids, setup

from edged.doctor.checks.model_files import look

WORDS = b"the weights of a detector"
PIN = hashlib.sha256(WORDS).hexdigest()
RECIPE = """\
id = "other"
title = "Another detector"
kind = "detector"
family = "haar"
file = "other.onnx"
verified = "no"
sha256 = "{pin}"

[licence]
name = "MIT"
commercial = true
vendor = "somebody"

[[sources]]
url = "https://example.org/other.onnx"
"""


@pytest.fixture
def configured(tmp_path):
    """`configured(pin)`: a detector with this hash, beside the built-in models."""

    def make(pin=PIN):
        folder = tmp_path / "recipes"
        folder.mkdir()
        (folder / "other.toml").write_text(RECIPE.format(pin=pin))
        return setup(f'[models]\ndetectors = ["other"]\nrecipes = ["{folder}"]\n')

    return make


def place(configured, words=WORDS):
    folder = configured.config.models.folder
    folder.mkdir(parents=True)
    (folder / "other.onnx").write_bytes(words)
    return folder


def test_the_built_in_pack_needs_no_file(root):
    """It is made at the first start."""
    assert ids(look(FakeHost(root), setup())) == {"model-files.right": "ok"}


def test_the_right_file_is_well_and_nothing_is_written(root, configured):
    """It is read and hashed, and no note is left in somebody else's folder."""
    models = configured()
    folder = place(models)
    assert ids(look(FakeHost(root), models)) == {"model-files.right": "ok"}
    assert [path.name for path in folder.iterdir()] == ["other.onnx"]


def test_an_absent_file_fails_with_the_command_that_gets_it(root, configured):
    """The built-in ones are still well."""
    found = {one.id: one for one in look(FakeHost(root), configured())}
    assert found["model-files.absent"].level == "fail"
    assert found["model-files.absent"].cure == ("edged models pull other",)


def test_another_file_fails(root, configured):
    """By its hash, whatever its name says."""
    models = configured()
    place(models, b"something else")
    found = {one.id: one for one in look(FakeHost(root), models)}
    assert found["model-files.damaged"].level == "fail"
    assert found["model-files.damaged"].cure[-1] == "edged models pull other"


def test_a_file_that_no_source_vouches_for_warns(root, configured):
    """Its hash is shown, for a person to compare."""
    models = configured("unpinned")
    place(models)
    found = {one.id: one for one in look(FakeHost(root), models)}
    one = found["model-files.unverified"]
    assert one.level == "warn"
    assert PIN in one.advice
