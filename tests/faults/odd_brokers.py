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
    """A broker whose configuration can be changed while it runs."""

    def reload(self):
        """Let it read its access rules, passwords and certificates again."""
        os.kill(self.pid, signal.SIGHUP)


class ThatLimits(Changeable):
    """A broker that gets another limit of its packets with a restart."""

    def restart_with_limit(self, max_packet_bytes):
        """Kill it and start it with this limit; 0 means none."""
        conf = self._folder / "mosquitto.conf"
        lines = [line for line in conf.read_text().splitlines() if "max_packet_size" not in line]
        if max_packet_bytes:
            lines.append(f"max_packet_size {max_packet_bytes}")
        conf.write_text("\n".join([*lines, ""]))
        self.restart()


class ThatForbids(Changeable):
    """A broker with access rules."""

    def __init__(self, folder: Path):
        super().__init__(folder, acl=_rules())

    def deny(self, *topics):
        """Take publishing and reading of these filters from everybody; none: allow all."""
        (self._folder / "acl").write_text(_rules(*topics))
        self.reload()


class ThatKnowsWords(Changeable):
    """A broker that knows the device by a password, and lets people without a name in."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self.word_file = folder / "device-word"  # the device's copy
        self.word_file.write_text(WORD)
        passwords = folder / "passwords"
        passwords.touch(0o600)
        command = ["mosquitto_passwd", "-b", str(passwords), DEVICE, WORD]
        subprocess.run(command, check=True, capture_output=True)
        super().__init__(folder, extra=f"password_file {passwords}")


class ThatProvesItself(Changeable):
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
        self.reload()


def _rules(*denied):
    lines = [f"topic deny {topic}" for topic in denied]
    return "\n".join([*lines, "topic readwrite #", ""])
