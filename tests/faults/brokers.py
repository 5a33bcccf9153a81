"""How the broker of a site is set up: name -> what stands there and how the device finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from faults.odd_brokers import DEVICE, Changeable, ThatProvesItself
from mosquitto import Mosquitto

CLOCK = "clock"
"""File in the broker's folder: what tests/fakes/clock adds to the wall clock."""
FAKE_CLOCK = Path(__file__).parents[1] / "fakes" / "clock"


@dataclass
class Setup:
    """One broker, not yet started.

    Attributes:
        broker: it.
        consumer_port: where the consumer connects, in plain text; the broker's own by default.
        config: more lines of edged.toml, by the section they belong in.
        environment: more variables for engine and uplink.
    """

    broker: Mosquitto
    consumer_port: int = 0
    config: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.consumer_port = self.consumer_port or self.broker.port


def plain(folder: Path) -> Setup:
    """The device has a password, everybody is let in, and nothing is kept over a kill."""
    broker = Changeable(folder)
    lines = f'username = "{DEVICE}"\npassword_file = "{broker.word_file}"'
    return Setup(broker, config={"broker": lines})


def memory(folder: Path) -> Setup:
    """Sessions are kept, as far as they were saved: every second."""
    return Setup(Mosquitto(folder, persistence=True, extra="autosave_interval 1"))


def tls(folder: Path) -> Setup:
    """The device comes by TLS, the consumer without; the device's wall clock can be set."""
    broker = ThatProvesItself(folder)
    (folder / CLOCK).write_bytes(bytes(8))
    return Setup(
        broker,
        consumer_port=broker.plain_port,
        config={"broker.tls": f'ca_file = "{broker.tls / "ca.pem"}"'},
        environment={"PYTHONPATH": str(FAKE_CLOCK), "EDGED_TEST_CLOCK": str(folder / CLOCK)},
    )


SETUPS: dict[str, Callable[[Path], Setup]] = {"plain": plain, "memory": memory, "tls": tls}
