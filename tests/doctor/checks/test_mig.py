"""Instances of a divided GPU."""

from __future__ import annotations

import pytest
from doctor_kit import FakeHost, ids, only, setup

from edged.doctor.checks.mig import look

ROW = "0, NVIDIA H100, 580.65.06, 81559, 0, {mig}, Default\n"
GPU = "GPU 0: NVIDIA H100 (UUID: GPU-1)\n"
ONE = "  MIG 1g.10gb     Device  0: (UUID: MIG-aaaa)\n"
TWO = "  MIG 3g.40gb     Device  1: (UUID: MIG-bbbb)\n"


def found(root, listed, mig="Enabled", chosen=""):
    host = FakeHost(
        root, programs={"nvidia-smi": ROW.format(mig=mig), "nvidia-smi -L": GPU + listed},
        env={"CUDA_VISIBLE_DEVICES": chosen} if chosen else {},
    )  # fmt: skip
    return look(host, setup())


@pytest.mark.parametrize("mig", ["Disabled", "[N/A]"])
def test_an_undivided_gpu_has_nothing_to_say(root, mig):
    """Most cards have no MIG at all."""
    assert ids(found(root, "", mig)) == {}


def test_a_divided_gpu_without_instances_gives_cuda_nothing(root):
    """The cure lists the profiles, or switches MIG off."""
    one = only(found(root, ""))
    assert one.id == "mig.empty"
    assert one.cure[-1] == "sudo nvidia-smi -i 0 -mig 0"


def test_one_instance_is_well(root):
    """There is no choice."""
    one = only(found(root, ONE))
    assert (one.id, one.level) == ("mig.chosen", "ok")
    assert one.data["instances"] == [{"profile": "1g.10gb", "uuid": "MIG-aaaa"}]


def test_several_instances_are_a_choice(root):
    """The first one is taken unless a variable names another."""
    assert ids(found(root, ONE + TWO)) == {"mig.first": "note"}
    assert ids(found(root, ONE + TWO, chosen="MIG-bbbb")) == {"mig.chosen": "ok"}


def test_an_instance_that_is_gone_is_told(root):
    """Instances that are made again have new names."""
    assert list(ids(found(root, ONE, chosen="MIG-old"))) == ["mig.wrong"]
