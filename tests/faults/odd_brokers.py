"""Brokers that a fault turns against the device, and back, while they run."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
from pathlib import Path

from certificates import Authority
from mosquitto import Mosquitto, free_port

WORD = "open sesame"
DEVICE = "booth-1"
HOST = "127.0.0.1"


class Changeable(Mosquitto):
    """A broker that can change its mind: it limits, forbids and asks for a password.

    People without a name are let in, such as the consumer.

    Attributes:
        word_file: the device's copy of its password.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self.word_file = folder / "device-word"
        self.word_file.write_text(WORD)
        passwords = folder / "passwords"
        passwords.touch(0o600)
        command = ["mosquitto_passwd", "-b", str(passwords), DEVICE, WORD]
        subprocess.run(command, check=True, capture_output=True)
        super().__init__(folder, acl=_rules(), extra=f"password_file {passwords}")

    def restart_with_limit(self, max_packet_bytes):
        """Kill it and start it with this limit; 0 means none."""
        conf = self._folder / "mosquitto.conf"
        lines = [line for line in conf.read_text().splitlines() if "max_packet_size" not in line]
        if max_packet_bytes:
            lines.append(f"max_packet_size {max_packet_bytes}")
        conf.write_text("\n".join([*lines, ""]))
        self.restart()

    def deny(self, *topics):
        """Take publishing and reading of these filters from everybody; none: allow all."""
        (self._folder / "acl").write_text(_rules(*topics))
        _read_again(self)


class ThatProvesItself(Mosquitto):
    """A broker with a certificate for the device and a plain door for the consumer."""

    def __init__(self, folder: Path):
        self._authority = Authority()
        self.tls = self._authority.folder(folder / "tls", HOST)
        self.plain_port = free_port()
        super().__init__(folder, tls=self.tls, extra=f"listener {self.plain_port} {HOST}")

    def show(self, *, expired):
        """Show a certificate that ended yesterday, or a good one, to new connections."""
        name = "expired" if expired else "good"
        made = self._folder / name
        if not made.exists():
            ended = -dt.timedelta(days=1) if expired else dt.timedelta(days=1)
            self._authority.folder(made, HOST, lasts=ended)
        for part in ("cert.pem", "key.pem"):
            shutil.copy(made / part, self.tls / part)
        _read_again(self)


def _rules(*denied):
    lines = [f"topic deny {topic}" for topic in denied]
    everything = [*lines, "topic readwrite #"]
    return "\n".join([*everything, f"user {DEVICE}", *everything, ""])


def _read_again(broker):
    """Access rules, passwords and certificates."""
    os.kill(broker.pid, signal.SIGHUP)
