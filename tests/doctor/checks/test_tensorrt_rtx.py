"""TensorRT-RTX, by the reasons that the runtime itself gives."""

from __future__ import annotations

from doctor_kit import CARD_FILES, ORIN_FILES, FakeHost, ids, only, setup

from edged.doctor.checks.tensorrt_rtx import look
from edged.runtime.libraries import Finding

ABSENT = Finding("no-rtx-plugin", "the plugin is not installed", "run: pip install 'edged[rtx]'")
WRONG = Finding("wrong-sm", "the card is too old", "use runtime tensorrt or cuda")


def found(root, *why, files=CARD_FILES):
    return list(look(FakeHost(root, files=files, why={"tensorrt-rtx": why}), setup()))


def test_a_plugin_that_loads_is_well(root):
    """No reason is the proof."""
    assert ids(found(root)) == {"tensorrt-rtx.works": "ok"}


def test_an_absent_plugin_is_one_extra_away(root):
    """A note, because there are other ways to use a card."""
    one = only(found(root, ABSENT))
    assert (one.id, one.level) == ("tensorrt-rtx.no-rtx-plugin", "note")
    assert one.cure == ("/opt/e/bin/python -m pip install 'edged[rtx]'",)


def test_a_cure_that_is_no_command_is_advice(root):
    """It is shown as a sentence."""
    one = only(found(root, WRONG))
    assert (one.cure, one.advice) == ((), "Use runtime tensorrt or cuda.")


def test_a_jetson_has_nothing_to_say(root):
    """There is no such plugin for it."""
    assert found(root, ABSENT, files=ORIN_FILES) == []
