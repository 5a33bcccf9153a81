"""All devices of a broker: messages in, an ordered picture out.  No I/O, no clock of its own.

Bounded: a hostile broker can invent device names without end, and pictures are large.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from edged.fleet.alerts import Alert, alerts
from edged.fleet.device import Device
from edged.fleet.messages import read

MAX_DEVICES = 20_000
MAX_PICTURES_BYTES = 128 * 1024 * 1024
"""Of all pictures together; the least recent give way."""

_STATES = ("offline", "degraded", "unknown", "paused", "online")
"""Order among devices of equal severity."""


class Fleet:
    """What is known of every device.  One thread at a time.

    Args:
        max_devices, max_pictures_bytes: bounds.

    Attributes:
        devices: by address (`site/name`).
        unread: messages that were none of a device, or not sound.
        left_out: messages of devices beyond the bound.
    """

    def __init__(
        self, max_devices: int = MAX_DEVICES, max_pictures_bytes: int = MAX_PICTURES_BYTES
    ) -> None:
        self.devices: dict[str, Device] = {}
        self.unread = 0
        self.left_out = 0
        self._max_devices = max_devices
        self._max_bytes = max_pictures_bytes
        self._sizes: dict[tuple[str, str], int] = {}  # (address, camera), least recent first
        self._bytes = 0

    def feed(self, topic: str, payload: bytes, now_s: float) -> Device | None:
        """Take one message; the device that it changed, or None.

        Args:
            topic: as it came from the broker.
            payload: likewise.
            now_s: monotonic time, s.
        """
        heard = read(topic, payload)
        if heard is None:
            if not payload and len(levels := topic.split("/")) == 4 and levels[3] == "status":
                self.forget("/".join(levels[1:3]))  # its retained word was taken back: it is gone
            self.unread += bool(payload)
            return None
        address = f"{heard.site}/{heard.device}"
        device = self.devices.get(address)
        if device is None:
            if len(self.devices) >= self._max_devices:
                self.left_out += 1
                return None
            device = self.devices[address] = Device(heard.site, heard.device)
        device.take(heard, now_s)
        if isinstance(heard.body, bytes):
            self._make_room((address, heard.name), len(heard.body))
        return device

    def forget(self, address: str) -> None:
        """Leave a device out of the picture until it speaks again."""
        self.devices.pop(address, None)
        for key in [key for key in self._sizes if key[0] == address]:
            self._bytes -= self._sizes.pop(key)

    def states(self) -> Counter[str]:
        """How many devices are in which state."""
        return Counter(device.state for device in self.devices.values())

    def ranked(self, now_s: float) -> list[tuple[Device, list[Alert]]]:
        """All devices with their alerts, who needs help most first."""
        both = [(device, alerts(device, now_s)) for device in self.devices.values()]
        return sorted(both, key=need)

    def all_alerts(self, now_s: float) -> Iterator[tuple[Device, Alert]]:
        """Every alert of every device, worst devices first."""
        for device, found in self.ranked(now_s):
            for alert in found:
                yield device, alert

    def _make_room(self, key: tuple[str, str], size_bytes: int) -> None:
        self._bytes += size_bytes - self._sizes.pop(key, 0)
        self._sizes[key] = size_bytes
        while self._bytes > self._max_bytes and len(self._sizes) > 1:
            (address, camera), freed = next(iter(self._sizes.items()))
            del self._sizes[address, camera]
            self._bytes -= freed
            picture = self.devices[address].pictures.get(camera)
            if picture is not None:
                picture.jpeg = b""


def need(item: tuple[Device, list[Alert]]) -> tuple[int, int, int, str]:
    """Sort key: who needs help most comes first."""
    device, found = item
    worst = max((alert.severity for alert in found), default=0)
    return (-worst, -len(found), _STATES.index(device.state), device.address)
