"""Calibration files: form, merging, and bounds that cannot switch the guard off."""

from __future__ import annotations

import pytest

from edged.calibration import SITE_GUARD, Bounds, Calibration, guard_files, load
from edged.errors import ConfigError
from edged.resources import data_folder

TEXT = """
[recognisers.r]
identity_max = {identity}
measured_on = "pairs"
[swappers.s]
coarse_max = {coarse}
untouched_max = {untouched}
measured_on = "swaps"
"""


def write(path, identity="0.4", coarse="0.5", untouched="0.1"):
    path.write_text(TEXT.format(identity=identity, coarse=coarse, untouched=untouched))
    return path


def test_a_measured_pair_has_its_bounds(tmp_path):
    """Recogniser and swapper bring their own figures."""
    table = load(write(tmp_path / "a.toml"))
    assert table.bounds("r", "s") == Bounds(0.4, 0.5, 0.1)


@pytest.mark.parametrize("pair", [("r", "other"), ("other", "s"), ("s", "r")])
def test_a_pair_that_was_not_measured_has_none(tmp_path, pair):
    """One of the two is not enough."""
    assert load(write(tmp_path / "a.toml")).bounds(*pair) is None


def test_a_later_file_wins_entry_by_entry(tmp_path):
    """An operator's recogniser takes the place of ours, and our swapper stays."""
    own = tmp_path / "b.toml"
    own.write_text('[recognisers.r]\nidentity_max = 0.3\nmeasured_on = "own"\n')
    table = load(write(tmp_path / "a.toml"), own)
    assert table.bounds("r", "s") == Bounds(0.3, 0.5, 0.1)


def test_bounds_of_the_device_go_before_the_sites_and_ours(tmp_path):
    """The device's own file lies beside its model folder."""
    files = guard_files(tmp_path / "models")
    assert files[0] == data_folder("calibration") / "guard.toml"
    assert files[1:] == (SITE_GUARD, tmp_path / "calibration" / "guard.toml")


def test_an_absent_file_is_passed_over(tmp_path):
    """No file, no bounds, no error."""
    assert load(tmp_path / "none.toml") == Calibration()


@pytest.mark.parametrize("value", ["nan", "inf", "1.0", "2.0", "0.0", "-0.5", '"high"'])
@pytest.mark.parametrize("which", ["identity", "coarse", "untouched"])
def test_a_bound_that_nothing_could_fail_is_refused(tmp_path, which, value):
    """NaN, or 1 and more, would let every face pass."""
    path = write(tmp_path / "a.toml", **{which: value})
    with pytest.raises(ConfigError, match=r"a\.toml"):
        load(path)


@pytest.mark.parametrize(
    "text", ["[recognisers", "[recognizers.r]\n", "[recognisers.r]\nidentity_max=0.4\n"]
)
def test_a_file_of_another_form_is_named(tmp_path, text):
    """No TOML, an unknown table and a missing field are errors of the configuration."""
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"wrong\.toml"):
        load(path)


def test_a_file_that_is_no_text_is_named(tmp_path):
    """Bytes that are no UTF-8 are an error of the configuration."""
    path = tmp_path / "wrong.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"wrong\.toml"):
        load(path)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 5000, "x" * 2_000_000])
def test_a_file_that_attacks_its_reader_is_named(tmp_path, text):
    """Deep nesting, a giant integer and a giant file are errors of the configuration."""
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"wrong\.toml"):
        load(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    """A mode that forbids reading is an error with a remedy, not a traceback."""
    path = write(tmp_path / "shut.toml")

    def denied(*_args, **_more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", denied)
    with pytest.raises(ConfigError, match="mode or owner"):
        load(path)


def test_the_shipped_bounds_are_of_the_builtin_pack():
    """What ships is calibrated for the pack that ships."""
    table = load(data_folder("calibration") / "guard.toml")
    assert table.bounds("builtin_recogniser", "builtin_swapper") is not None
