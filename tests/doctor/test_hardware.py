"""What kind of machine it is, and how bad a finding is on it."""

from __future__ import annotations

import pytest
from doctor_kit import CARD_FILES, ORIN_FILES, FakeHost, setup

from edged.doctor.hardware import cards, gravity, has_gpu, jetson


def wish(line):
    return setup(replace={'# [runtime]\n# require = "cuda"': f"[runtime]\n{line}"})


def test_a_card_is_found_on_the_bus_without_a_driver(root):
    """Its audio function is no card."""
    assert cards(FakeHost(root, files=CARD_FILES)) == ["0000:01:00.0"]
    assert has_gpu(FakeHost(root))


def test_a_machine_without_either_has_no_gpu(root):
    """Another vendor's card is none."""
    files = {
        "/sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086",
        "/sys/bus/pci/devices/0000:00:02.0/class": "0x030000",
    }
    host = FakeHost(root, files=files)
    assert cards(host) == []
    assert not has_gpu(host)
    assert jetson(host) is None


def test_a_board_is_known_by_its_release_file(root):
    """Release and revision become numbers that can be compared."""
    board = jetson(FakeHost(root, files=ORIN_FILES))
    assert board is not None
    assert board.linux == (36, 4, 3)
    assert board.supported
    assert board.model == "NVIDIA Jetson Orin Nano Developer Kit"


@pytest.mark.parametrize(
    ("line", "runtimes", "level"),
    [
        ('require = "cuda"', (), "fail"),
        ('require = "cuda"', ("tensorrt",), "note"),
        ('prefer = "tensorrt"', ("tensorrt",), "warn"),
        ('require = "cpu"', (), "note"),
        ("threads = 0", (), "warn"),
        ("threads = 0", ("cuda",), "note"),
    ],
)
def test_it_is_as_bad_as_what_was_asked_for(root, line, runtimes, level):
    """Required: it fails; preferred, or a GPU that lies idle: it warns; else a note."""
    assert gravity(FakeHost(root, files=CARD_FILES), wish(line), *runtimes) == level


def test_without_a_gpu_an_idle_one_is_no_warning(root):
    """Most test machines have none."""
    assert gravity(FakeHost(root), setup()) == "note"
