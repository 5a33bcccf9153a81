"""Who may log in: hashes on disk, sessions in memory, patience with guessers."""

from __future__ import annotations

import json
import stat

import pytest

from edged.dashboard import accounts
from edged.dashboard.accounts import FAILURES, PAUSE_S, SESSION_S, Door, add_account, read_accounts
from edged.errors import ConfigError


class Clock:
    """Stands until it is moved."""

    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture(autouse=True)
def _cheap(monkeypatch):
    """The real cost is 0.3 s a try."""
    monkeypatch.setattr(accounts, "_COST", 2**4)


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users.json"
    add_account(path, "ann", "correct horse", "operator")
    add_account(path, "ben", "battery staple", "viewer")
    return path


def door_of(path, clock=None):
    return Door(read_accounts(path), clock or Clock())


def test_the_file_holds_no_password_and_is_its_owners(users):
    """Salted, so that equal passwords do not look equal."""
    text = users.read_text()
    assert "horse" not in text
    assert stat.S_IMODE(users.stat().st_mode) == 0o600
    add_account(users, "eve", "correct horse", "viewer")
    found = json.loads(users.read_text())
    assert found["ann"]["hash"] != found["eve"]["hash"]


def test_the_right_password_opens_a_session_of_its_role(users):
    """And the token is the key to it."""
    door = door_of(users)
    ann, ben = door.enter("ann", "correct horse"), door.enter("ben", "battery staple")
    assert (door.session(ann).may_act, door.session(ben).may_act) == (True, False)
    assert door.session("guess") is None


@pytest.mark.parametrize(
    ("name", "password"),
    [("ann", "battery staple"), ("ann", ""), ("nobody", "correct horse"), ("", ""),
     ("ann", "x" * 100_000)],
)  # fmt: skip
def test_anything_else_opens_nothing(users, name, password):
    """A wrong password, a wrong name, one that would cost time."""
    assert door_of(users).enter(name, password) is None


def test_guessing_is_slowed_and_forgiven(users):
    """After some failures even the right password must wait, and only for a while."""
    clock = Clock()
    door = door_of(users, clock)
    for _ in range(FAILURES):
        assert door.enter("ann", "wrong password") is None
    assert door.enter("ann", "correct horse") is None
    assert door.enter("ben", "battery staple")
    clock.now_s += PAUSE_S
    assert door.enter("ann", "correct horse")


def test_a_session_ends_when_unused_or_left(users):
    """Each use makes it longer."""
    clock = Clock()
    door = door_of(users, clock)
    token = door.enter("ann", "correct horse")
    clock.now_s += SESSION_S - 1
    assert door.session(token)
    clock.now_s += SESSION_S - 1
    assert door.session(token)
    clock.now_s += SESSION_S + 1
    assert door.session(token) is None
    token = door.enter("ann", "correct horse")
    door.leave(token)
    assert door.session(token) is None


def test_without_users_everybody_is_a_viewer():
    """Nobody can act whom nobody knows."""
    assert Door({}).session("").may_act is False


@pytest.mark.parametrize("password", ["short", "x" * 300])
def test_a_password_has_a_length(tmp_path, password):
    """Nothing is written otherwise."""
    with pytest.raises(ConfigError, match="10 to 256"):
        add_account(tmp_path / "users.json", "ann", password, "viewer")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", '{"ann": {}}', '{"ann": {"role": "king"}}', "\xff"])
def test_a_file_of_something_else_is_named(tmp_path, text):
    """With how to make one."""
    path = tmp_path / "users.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="--add-user"):
        read_accounts(path)
