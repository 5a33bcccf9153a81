"""A file is put in its place whole or not at all."""

from __future__ import annotations

import resource
import signal

import pytest

from edged.fresh_file import destroy, write_fresh


def test_it_makes_the_folder_and_keeps_to_the_mode(tmp_path):
    """And leaves nothing else there."""
    path = tmp_path / "new" / "keys"
    write_fresh(path, b"secret", mode=0o600)
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """Whole, and nothing half written beside it."""
    path = tmp_path / "plan.toml"
    write_fresh(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            write_fresh(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_destroyed_is_overwritten_first(tmp_path):
    """Whoever still has it open reads zeros."""
    path = tmp_path / "keys"
    path.write_bytes(b"secret" * 1000)
    with path.open("rb") as still:
        destroy(path)
        assert still.read() == bytes(6000)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(tmp_path):
    """Whoever may put a link there may not choose what root overwrites."""
    other = tmp_path / "other"
    other.write_bytes(b"others'")
    (tmp_path / "keys").symlink_to(other)
    with pytest.raises(OSError, match="symbolic"):
        destroy(tmp_path / "keys")
    assert other.read_bytes() == b"others'"
