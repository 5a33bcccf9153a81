"""Who may reach which socket of a running engine."""

from __future__ import annotations

import stat

import pytest
from booth import Booth


@pytest.mark.parametrize(("opened", "mode"), [("false", 0o600), ("true", 0o660)])
def test_a_group_may_send_and_watch_and_nothing_else(tmp_path, opened, mode):
    """`frames.open_to_group` opens two sockets; commands and results stay the owner's."""
    extra = f"\n[frames]\nopen_to_group = {opened}\n"
    with Booth(tmp_path, extra=extra, consumer=False) as booth:
        found = {
            path.name: stat.S_IMODE(path.stat().st_mode) for path in booth.run_dir.glob("*.sock")
        }
    assert found == {
        "frames.sock": mode, "view.sock": mode, "control.sock": 0o600, "egress.sock": 0o600
    }  # fmt: skip
