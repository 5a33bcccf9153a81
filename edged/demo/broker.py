"""A broker for the demo: mosquitto where it is installed, else the embedded amqtt.

Listens on the loopback, on a port that is free, and keeps nothing on disk.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from edged.demo.children import Child, accepts, free_port
from edged.errors import OperatorError

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
"""


@dataclass(frozen=True)
class Broker:
    """A running broker.

    Attributes:
        name: "mosquitto" or "amqtt (embedded)".
        port: on 127.0.0.1.
        mqtt5: whether it speaks MQTT 5.
        child: its process.
    """

    name: str
    port: int
    mqtt5: bool
    child: Child


def start_broker(folder: Path, *, embedded: bool = False) -> Broker:
    """Start whichever is there.

    Args:
        folder: for its files.
        embedded: do not look for mosquitto.

    Raises:
        OperatorError: neither is there, or it did not come up.
    """
    port = free_port()
    # Debian keeps daemons where a user's PATH does not look.
    daemons = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    found = None if embedded else shutil.which("mosquitto", path=daemons)
    log = folder / "broker.log"
    if found:
        config = folder / "mosquitto.conf"
        config.write_text(_MOSQUITTO.format(port=port), encoding="utf-8")
        child = Child("mosquitto", [found, "-c", str(config)], log)
        broker = Broker("mosquitto", port, True, child)
    elif importlib.util.find_spec("amqtt"):
        words = [sys.executable, "-m", "edged.demo.embedded", str(port)]
        child = Child("the embedded broker", words, log)
        broker = Broker("amqtt (embedded)", port, False, child)
    else:
        raise OperatorError(
            "the demo needs a broker: apt install mosquitto, or pip install 'edged[demo]'"
        )
    try:
        broker.child.wait_until(lambda: accepts(port), 15.0)
    except OperatorError:
        broker.child.stop()
        raise
    return broker
