"""The run folder: where it is, and that nobody else can have prepared it."""

from __future__ import annotations

import os

import pytest

from edged.errors import OperatorError
from edged.transport import rundir


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGED_RUN_DIR", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(rundir, "SYSTEM_RUN_DIR", tmp_path / "run-edged")


def test_order_of_places(monkeypatch, tmp_path):
    """The variable wins, then the system's folder, then the session's, then a private one."""
    assert rundir.default_run_dir().name == f"edged-{os.getuid()}"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert rundir.default_run_dir() == tmp_path / "edged"
    (tmp_path / "run-edged").mkdir()
    assert rundir.default_run_dir() == tmp_path / "run-edged"
    monkeypatch.setenv("EDGED_RUN_DIR", str(tmp_path / "mine"))
    assert rundir.default_run_dir() == tmp_path / "mine"


def test_folder_is_made_for_its_owner_alone(tmp_path):
    """A new run folder has mode 0700 whatever the umask, and making it again is fine."""
    before = os.umask(0)
    try:
        made = rundir.make_run_dir(tmp_path / "a" / "edged")
    finally:
        os.umask(before)
    assert made.stat().st_mode & 0o777 == 0o700
    assert rundir.make_run_dir(made) == made


def test_link_file_or_open_folder_is_refused(tmp_path):
    """A folder that others can write to, a link and a file are refused, with the cure."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o770)
    for name in ("link", "open"):
        with pytest.raises(OperatorError, match="--run-dir"):
            rundir.make_run_dir(tmp_path / name)
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="--run-dir"):
        rundir.make_run_dir(tmp_path / "file")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_folder_of_another_user_is_refused(tmp_path):
    """A private folder that belongs to somebody else is refused."""
    (tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(tmp_path / "theirs", 12345, 12345)
    with pytest.raises(OperatorError, match="another user"):
        rundir.make_run_dir(tmp_path / "theirs")
