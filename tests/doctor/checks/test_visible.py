"""Environment variables that hide the GPU."""

from __future__ import annotations

import pytest
from doctor_kit import CARD_FILES, FakeHost, ids, only, setup

from edged.doctor.checks.visible import look


def found(root, **env):
    return look(FakeHost(root, files=CARD_FILES, env=env), setup())


def test_an_environment_that_says_nothing_is_well(root):
    """CUDA then sees every GPU."""
    assert ids(found(root)) == {"visible.open": "ok"}


@pytest.mark.parametrize(
    "env",
    [
        {"CUDA_VISIBLE_DEVICES": ""},
        {"CUDA_VISIBLE_DEVICES": "-1"},
        {"NVIDIA_VISIBLE_DEVICES": "void"},
    ],
)
def test_a_variable_that_hides_every_gpu_is_unset(root, env):
    """The cure names the variable."""
    one = only(found(root, **env))
    assert (one.id, one.level) == ("visible.hidden", "warn")
    assert one.cure == (f"unset {next(iter(env))}",)


def test_a_container_without_compute_is_told(root):
    """The toolkit passes only the libraries that were asked for."""
    one = only(found(root, NVIDIA_DRIVER_CAPABILITIES="graphics,utility"))
    assert one.id == "visible.no-compute"
    assert ids(found(root, NVIDIA_DRIVER_CAPABILITIES="compute,utility")) == {"visible.open": "ok"}


def test_a_chosen_device_is_a_fact(root):
    """One GPU of several may be meant."""
    assert "device 1 alone" in only(found(root, CUDA_VISIBLE_DEVICES="1")).what
