"""The topics of a device."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.transport.topics import Topics

TOPICS = Topics("lab", "box-1")


def test_names() -> None:
    """All topics are below `edged/<site>/<device>/`."""
    assert TOPICS.status == TOPICS.doc("status") == "edged/lab/box-1/status"
    assert TOPICS.image("cam") == "edged/lab/box-1/image/cam"
    assert TOPICS.result("cam") == "edged/lab/box-1/result/cam"
    assert TOPICS.gap("cam") == "edged/lab/box-1/gap/cam"
    assert TOPICS.reply("ping") == "edged/lab/box-1/reply/ping"


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "Box", "x" * 33, "a\n"])
def test_bad_names(name) -> None:
    """A name that would change the topics is refused."""
    with pytest.raises(ValueError, match="the device's name"):
        Topics("lab", name)


def test_command() -> None:
    """A command's topic gives its name, and no other topic gives any."""
    assert TOPICS.command_of(TOPICS.command("rotate-identity")) == "rotate-identity"
    for topic in ("edged/lab/box-2/cmd/ping", "edged/lab/box-1/cmd/ping/x", "ping/", "x"):
        assert TOPICS.command_of(topic) is None


@given(st.text())
def test_foreign_topics(topic) -> None:
    """No text but the nine names of commands is taken for one."""
    found = TOPICS.command_of(f"edged/lab/box-1/cmd/{topic}")
    assert found is None or found == topic
