"""A GPU that is slow to come is waited for; one that is not there is not."""

from __future__ import annotations

import pytest

from edged.runtime.driver import Driver, Gpu
from edged.runtime.driver_wait import awaited, hardware_here

ABSENT = Driver("", (), problem="there is no /dev/nvidia0", cure="wait")
READY = Driver("12.6", (Gpu(0, "Orin", "87", 8000, integrated=True),))


def card(root, vendor="0x10de", kind="0x030000"):
    """A PCI device below a root."""
    folder = root / "sys/bus/pci/devices/0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(vendor + "\n")
    (folder / "class").write_text(kind + "\n")
    return root


class Slow:
    """A driver that answers well from the n-th question on."""

    def __init__(self, good_from):
        self.asked, self._good_from = 0, good_from

    def __call__(self):
        self.asked += 1
        return READY if self.asked >= self._good_from else ABSENT


def wait(ask, root, wait_s=60.0):
    """The answer and what was told, without sleeping."""
    told = []
    return awaited(wait_s, told.append, ask=ask, root=root, pause=lambda _: None), told


def test_it_asks_again_until_the_gpu_is_ready(tmp_path):
    """And says why it waits."""
    found, told = wait(Slow(3), card(tmp_path))
    assert found is READY
    assert told == ["waiting for the GPU: there is no /dev/nvidia0"] * 2


def test_time_is_up_at_some_point(tmp_path):
    """Then the last answer counts, with its cure."""
    ask = Slow(10**9)
    found, _ = wait(ask, card(tmp_path), wait_s=0.0)
    assert found is ABSENT
    assert ask.asked == 1


@pytest.mark.parametrize(("vendor", "kind"), [("0x8086", "0x030000"), ("0x10de", "0x040300")])
def test_other_hardware_is_not_waited_for(tmp_path, vendor, kind):
    """Another maker's graphics, or the card's sound device alone."""
    ask = Slow(2)
    found, told = wait(ask, card(tmp_path, vendor, kind))
    assert (found, told, ask.asked) == (ABSENT, [], 1)


def test_a_jetson_has_its_gpu_without_pci(tmp_path):
    """Told by its own release file."""
    assert not hardware_here(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R36")
    assert hardware_here(tmp_path)
