"""The settings of the broker's link and what can happen on it.

Values only, so that the configuration can fill the settings and the uplink's state
machine can be fed in tests without a broker library.  The connection itself is in
:mod:`edged.transport.broker`.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

import msgspec

from edged.errors import ConfigError
from edged.transport.topics import is_name
from edged.transport.wire import NAME

Protocol = Literal["5", "3.1.1"]
Ending = Literal["closed", "garbled", "keepalive", "taken-over", "leaving"]


class TlsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the broker's identity is checked, and ours shown.

    Attributes:
        ca_file: PEM of the authorities to trust; None trusts the system's.
        cert_file, key_file: PEM of the device's own certificate (mutual TLS).
        server_name: name in the broker's certificate, when it is not the host.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str = ""


class UplinkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything the uplink is told.

    Attributes:
        site, device: names in the topics; the device's name is also the client id.
        host, port: of the broker.
        tls: None speaks plain TCP, which is refused off the loopback address.
        username, password_file: the file is read at every connection, so that it can
            be replaced without a restart; a trailing newline is not part of it.
        keepalive_s: silence after which either side gives the connection up is 1.5
            times this.
        session_expiry_s: how long the broker keeps our session (MQTT 5).
        will_delay_s: how long the broker waits before it says that we are gone
            (MQTT 5), so that a restart of this process is not an outage.
        max_packet_bytes: assumed limit of a broker that names none on 3.1.1.
        inflight_rows: rows published and not yet acknowledged.
        connect_timeout_s: for TCP and TLS, each; twice this for CONNACK.
        reconnect_min_s, reconnect_max_s: bounds of the jittered back-off.
        engine_silent_s: silence of the engine after which we say `degraded`; must be
            longer than the period of its health document.
        clock: "check" asks the kernel whether the clock is synchronised; "trust"
            believes it, for a site that knows its clocks agree.
    """

    site: str
    device: str
    host: str = "127.0.0.1"
    port: int = 1883
    tls: TlsSettings | None = None
    username: str = ""
    password_file: Path | None = None
    keepalive_s: int = 20
    session_expiry_s: int = 7 * 86_400
    will_delay_s: int = 3
    max_packet_bytes: int = 2_000_000
    inflight_rows: int = 8
    connect_timeout_s: float = 5.0
    reconnect_min_s: float = 0.5
    reconnect_max_s: float = 30.0
    engine_silent_s: float = 15.0
    clock: Literal["check", "trust"] = "check"


def check_settings(settings: UplinkSettings) -> None:
    """Refuse settings that would not be safe or cannot work.

    Raises:
        ConfigError: with every problem.
    """
    problems = [
        f"device.{what} = {name!r}: a name is of the form {NAME}"
        for what, name in (("site", settings.site), ("name", settings.device))
        if not is_name(name)
    ]
    if settings.tls is None and not is_loopback(settings.host):
        problems.append(
            f"broker.tls: required, because broker.host = {settings.host!r} is not a loopback "
            "address; add the table [broker.tls]"
        )
    tls = settings.tls or TlsSettings()
    if (tls.cert_file is None) != (tls.key_file is None):
        problems.append("broker.tls: cert_file and key_file are given together or not at all")
    files = {
        "broker.password_file": settings.password_file,
        "broker.tls.ca_file": tls.ca_file,
        "broker.tls.cert_file": tls.cert_file,
        "broker.tls.key_file": tls.key_file,
    }
    problems += [
        f"{name} = {str(path)!r}: there is no such file"
        for name, path in files.items()
        if path is not None and not path.is_file()
    ]
    if problems:
        raise ConfigError(*problems)


def is_loopback(host: str) -> bool:
    """Whether an address can only be this machine: `localhost`, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# -- what happens on the link ---------------------------------------------------------


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """CONNACK with success.

    Attributes:
        session_present: the broker has kept our session.
        protocol: the version that it accepted.
        max_packet_bytes: its limit of a whole packet; 0 when it named none.
    """

    session_present: bool
    protocol: Protocol
    max_packet_bytes: int = 0


class Refused(msgspec.Struct, frozen=True):
    """No connection came about.

    Attributes:
        why: "version" (this MQTT version is not spoken here), "credentials",
            "unreachable" (TCP), "tls", "closed" (ended before CONNACK), "silent" (no
            CONNACK) or "other".
        hint: own words for the log.
    """

    why: Literal["version", "credentials", "unreachable", "tls", "closed", "silent", "other"]
    hint: str = ""


class Lost(msgspec.Struct, frozen=True):
    """An established connection ended.

    Attributes:
        why: "closed" (the other side ended it), "garbled" (bytes changed on the way, as TLS
            notices, or what came is no MQTT), "keepalive" (silence), "taken-over"
            (another client used our id), "leaving" (the broker shuts down).
    """

    why: Ending


class Acked(msgspec.Struct, frozen=True):
    """PUBACK.

    Attributes:
        token: of the publish.
        code: MQTT 5 reason code, 0 on 3.1.1; 128 and above are refusals.
    """

    token: int
    code: int = 0


class Subscribed(msgspec.Struct, frozen=True):
    """SUBACK."""

    granted: bool


class Arrived(msgspec.Struct, frozen=True):
    """A message from the broker: hostile until checked."""

    topic: str
    payload: bytes
    retained: bool = False
    repeated: bool = False


BrokerEvent = Connected | Refused | Lost | Acked | Subscribed | Arrived


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """A message for the broker.

    Attributes:
        token: comes back in :class:`Acked`.
        media_type: of the payload; on MQTT 5 its content type.
        row_id: id of a picture's result, an MQTT 5 user property.
    """

    topic: str
    payload: bytes
    token: int
    retain: bool = False
    media_type: str = "application/json"
    row_id: str = ""

    def packet_bytes(self) -> int:
        """Upper bound of the packet's size with all properties, bytes."""
        # fixed header 5, topic length 2, packet id 2, property length 4, content type 3,
        # user property 5 and its name
        overhead = 5 + 2 + 2 + 4 + 3 + len(self.media_type) + 5 + 2 + len(self.row_id)
        return overhead + len(self.topic) + len(self.payload)
