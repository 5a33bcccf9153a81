"""Memory and compute mode of the card."""

from __future__ import annotations

from doctor_kit import CARD_FILES, FakeHost, ids, only, setup

from edged.doctor.checks.gpu_memory import look


def found(root, used, mode="Default", mig="[N/A]"):
    row = f"0, NVIDIA GeForce RTX 4070, 580.65.06, 12282, {used}, {mig}, {mode}\n"
    return look(FakeHost(root, files=CARD_FILES, programs={"nvidia-smi": row}), setup())


def test_a_free_card_is_well(root):
    """What is free and what there is, in MB."""
    one = only(found(root, 1000))
    assert (one.id, one.level) == ("gpu-memory.free", "ok")
    assert one.data["used_mb"] == 1000


def test_a_full_card_warns_and_says_how_to_find_who(root):
    """The command lists the processes on it."""
    one = only(found(root, 11_000))
    assert (one.id, one.level) == ("gpu-memory.low", "warn")
    assert "query-compute-apps" in one.cure[0]


def test_a_card_that_lets_nobody_compute_is_told(root):
    """Its compute mode is set back."""
    one = only(found(root, 0, mode="Prohibited"))
    assert one.cure == ("sudo nvidia-smi -i 0 -c DEFAULT",)


def test_a_divided_cards_memory_says_nothing(root):
    """Each instance has its own."""
    assert ids(found(root, 12_000, mig="Enabled")) == {"gpu-memory.free": "ok"}


def test_without_nvidia_smi_there_is_nothing_to_say(root):
    """A Jetson has its memory in the check memory."""
    assert ids(look(FakeHost(root), setup())) == {}
