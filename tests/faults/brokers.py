"""How the broker of a site is set up: name -> what stands there and how the device finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from faults.odd_brokers import ThatForbids, ThatKnowsWords, ThatLimits, ThatProvesItself
from mosquitto import Mosquitto

CLOCK = "clock"
"""File in the broker's folder, see :func:`clock`."""


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
    """Everybody is let in, and nothing is kept over a kill."""
    return Setup(Mosquitto(folder))


def memory(folder: Path) -> Setup:
    """Sessions are kept, as far as they were saved: every second."""
    return Setup(Mosquitto(folder, persistence=True, extra="autosave_interval 1"))


def limits(folder: Path) -> Setup:
    """Its limit of packets can be changed."""
    return Setup(ThatLimits(folder))


def forbids(folder: Path) -> Setup:
    """Its access rules can be changed."""
    return Setup(ThatForbids(folder))


def words(folder: Path) -> Setup:
    """The device has a password."""
    broker = ThatKnowsWords(folder)
    lines = f'username = "booth-1"\npassword_file = "{broker.word_file}"'
    return Setup(broker, config={"broker": lines})


def tls(folder: Path) -> Setup:
    """The device comes by TLS, the consumer without."""
    broker = ThatProvesItself(folder)
    config = {"broker.tls": f'ca_file = "{broker.tls / "ca.pem"}"'}
    return Setup(broker, consumer_port=broker.plain_port, config=config)


def clock(folder: Path) -> Setup:
    """Engine and uplink have a wall clock that can be set: see tests/fakes/clock."""
    broker = Mosquitto(folder)
    (folder / CLOCK).write_bytes(bytes(8))
    fake = Path(__file__).parents[1] / "fakes" / "clock"
    environment = {"PYTHONPATH": str(fake), "EDGED_TEST_CLOCK": str(folder / CLOCK)}
    return Setup(broker, environment=environment)


SETUPS: dict[str, Callable[[Path], Setup]] = {
    "plain": plain, "memory": memory, "limits": limits, "forbids": forbids, "words": words,
    "tls": tls, "clock": clock,
}  # fmt: skip
