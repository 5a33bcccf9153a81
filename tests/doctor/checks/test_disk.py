"""Folders of models, engines and outbox."""

from __future__ import annotations

import pytest
from doctor_kit import FakeHost, ids, setup

from edged.doctor.box import User
from edged.doctor.checks.disk import look, mounted


def host(root, **more):
    return FakeHost(root, files={"/proc/mounts": "/dev/sda1 / ext4 rw 0 0\n"}, **more)


@pytest.fixture(autouse=True)
def open_root(root):
    """Anybody may write here, unless a test says otherwise."""
    root.chmod(0o777)


def test_room_that_lasts_is_well(root):
    """One line for all folders."""
    assert ids(look(host(root), setup())) == {"disk.room": "ok"}


def test_a_full_disk_warns_for_what_is_too_large_for_it(root):
    """100 MB are too little for engines and for the outbox's limit."""
    found = list(look(host(root, free_bytes=lambda _folder: 100 << 20), setup()))
    assert [one.id for one in found if one.level == "warn"] == ["disk.full", "disk.full"]
    assert found[0].data["free_mb"] == 100


def test_what_the_outbox_holds_already_counts_as_room(root, state):
    """A disk that the outbox itself has filled is no news."""
    folder = root / str(state / "outbox").lstrip("/")
    folder.mkdir(parents=True)
    with (folder / "outbox.db").open("wb") as file:
        file.truncate(2 << 30)  # sparse
    found = look(host(root, free_bytes=lambda _folder: 100 << 20), setup())
    assert [one.where for one in found if one.id == "disk.full"] == [str(state / "engines")]


def test_an_outbox_in_memory_warns(root):
    """Tmpfs loses everything that waits when the power goes."""
    memory = FakeHost(root, files={"/proc/mounts": "tmpfs / tmpfs rw 0 0\n"})
    assert ids(look(memory, setup()))["disk.fleeting"] == "warn"


def test_a_folder_that_another_user_may_not_write_to_fails(root):
    """Judged by owner and mode, because the doctor may run as root."""
    root.chmod(0o755)
    found = ids(look(host(root, user=User("kiosk", 4711, frozenset({4711}))), setup()))
    assert found == {"disk.read-only": "fail"}


def test_a_read_only_file_system_fails(root):
    """Whoever asks."""
    frozen = FakeHost(root, files={"/proc/mounts": "/dev/sda1 / ext4 ro 0 0\n"})
    assert ids(look(frozen, setup())) == {"disk.read-only": "fail"}


def test_the_nearest_mount_counts(root, tmp_path):
    """/var/lib is not /var/library."""
    mounts = "/dev/a / ext4 rw 0 0\n/dev/b /var/lib xfs rw 0 0\n"
    host = FakeHost(root, files={"/proc/mounts": mounts})
    assert mounted(host, tmp_path.parent / "x")[0] == "ext4"
    assert mounted(host, tmp_path.__class__("/var/lib/edged"))[0] == "xfs"
    assert mounted(host, tmp_path.__class__("/var/library"))[0] == "ext4"
