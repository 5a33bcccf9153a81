"""Isolation modes tried for real."""

from __future__ import annotations

from edged.privacy import trial
from edged.privacy.trial import access, try_mode


def test_a_mode_that_is_given_has_proof():
    """`off` is given everywhere, and the process inside says what it sees."""
    found = try_mode("off")
    assert found.given
    assert found.reason == ""
    assert found.proof["netns"].startswith("net:[")


def test_a_node_that_can_be_opened_less_well_inside_is_lost(monkeypatch, tmp_path):
    """What could not be opened outside either is no loss."""
    open_node, shut_node = tmp_path / "open", tmp_path / "shut"
    for node in (open_node, shut_node):
        node.touch()
    monkeypatch.setattr(trial, "gpu_nodes", lambda: [str(open_node), str(shut_node)])
    assert try_mode("off").lost == ()
    outside = {str(open_node): "rwx", str(shut_node): access(str(shut_node))}
    monkeypatch.setattr(trial, "access", outside.__getitem__)
    assert try_mode("off").lost == (str(open_node),)


def test_a_process_that_does_not_end_is_given_up(monkeypatch):
    """The mode then counts as not given."""
    monkeypatch.setattr(trial, "TRIAL_S", 0.001)
    found = try_mode("off")
    assert not found.given
    assert "no answer" in found.reason
