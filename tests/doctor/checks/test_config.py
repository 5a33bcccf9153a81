"""edged.toml, and the files that it names."""

from __future__ import annotations

from doctor_kit import FakeHost, ids, setup

from edged.config.starter import starter
from edged.doctor.checks.config import look
from edged.doctor.setup import read_setup


def found(root, path):
    return list(look(FakeHost(root), read_setup(path)))


def test_a_right_file_is_well_and_its_warnings_are_notes(root, tmp_path):
    """The starter runs, and says that the built-in pack is for trying out."""
    path = tmp_path / "edged.toml"
    path.write_text(starter("booth"))
    assert ids(found(root, path)) == {"config.warning": "note", "config.valid": "ok"}


def test_every_error_is_a_finding(root, tmp_path):
    """None of them waits for the one before it to be mended."""
    path = tmp_path / "edged.toml"
    path.write_text(starter("booth").replace("site =", "sight =") + "\n[x]\n")
    wrong = found(root, path)
    assert [one.id for one in wrong] == ["config.error", "config.error"]
    assert any("did you mean" in one.what for one in wrong)
    assert wrong[-1].cure == (f"edged config check {path}",)


def test_a_named_file_that_is_not_there_is_an_error(root, tmp_path):
    """Only the usual places may be empty."""
    assert ids(found(root, tmp_path / "none.toml")) == {"config.error": "fail"}


def test_no_file_at_all_is_a_note(root, tmp_path, monkeypatch):
    """The defaults are looked at."""
    monkeypatch.delenv("EDGED_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    (one,) = found(root, None)
    assert (one.id, one.level) == ("config.absent", "note")
    assert one.cure == ("edged config init edged.toml",)


def test_a_file_that_it_names_and_nobody_can_read_fails(root, tmp_path):
    """A photo, a certificate, a password file."""
    missing = setup(replace={'["builtin:character"]': f'["{tmp_path}/nobody.jpg"]'})
    assert ids(look(FakeHost(root), missing))["config.file"] == "fail"


def test_a_credential_of_a_unit_is_no_failure_outside_of_it(root):
    """Systemd gives it to the unit alone."""
    asking = setup(
        replace={'host = "127.0.0.1"': 'host = "127.0.0.1"\nusername = "booth"\n'
                 'password_file = "$CREDENTIALS_DIRECTORY/broker-password"'}
    )  # fmt: skip
    assert ids(look(FakeHost(root), asking))["config.file"] == "warn"
