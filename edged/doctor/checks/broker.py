"""Whether the configured broker can be reached, and is who it should be.

Connects over TCP, and over TLS where that is configured, sends nothing and hangs up.  No
password is read.

Data: host, port, tls, expires_in_days.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.setup import Setup
from edged.errors import ConfigError
from edged.transport.link import is_loopback

PATIENCE_S = 5.0
"""For TCP and for TLS, each."""
SOON_DAYS = 14
"""A certificate that ends within this is worth a warning."""


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """A broker that is away only delays; one that cannot be trusted never gets anything."""
    from edged.transport.dial import explain, tls_context  # noqa: PLC0415 - loads paho

    broker = setup.config.broker
    where = f"{broker.host}:{broker.port}"
    local = is_loopback(broker.host)
    data: dict[str, Any] = {"host": broker.host, "port": broker.port, "tls": broker.tls is not None}
    try:
        context = tls_context(broker.tls) if broker.tls else None
        days = connect(broker.host, broker.port, context)
    except ConfigError as error:
        yield Finding("broker.files", "fail", str(error), where, data=data)
        return
    except OSError as error:  # ssl.SSLError and socket.gaierror are such
        refused = explain(error, setup.config.uplink)
        trusted = refused.why != "tls"
        yield Finding(
            f"broker.{refused.why}",
            "warn" if trusted else "fail",
            refused.hint,
            where,
            advice=_advice(local=local, trusted=trusted),
            cure=("sudo apt install mosquitto",)
            if local and trusted and host.which("mosquitto") is None
            else (),
            data=data,
        )
        return
    data["expires_in_days"] = days
    if days is not None and days < SOON_DAYS:
        yield Finding(
            "broker.expires",
            "warn",
            f"the broker's certificate ends in {days} days",
            where,
            advice="Its operator must renew it, or the device falls silent then.",
            data=data,
        )
    else:
        how = "over TLS, with a trusted certificate" if context else "without TLS"
        yield Finding("broker.reached", "ok", f"{where} answers {how}", data=data)


def _advice(*, local: bool, trusted: bool) -> str:
    if not trusted:
        return "Nothing is sent to a broker that cannot be trusted; results wait in the outbox."
    waits = "Results wait in the outbox until it is there."
    return waits if not local else f"{waits} The configuration names a broker on this machine."


def connect(host: str, port: int, context: ssl.SSLContext | None) -> int | None:
    """Reach out and hang up.

    Returns:
        days that the certificate is still good for, None without TLS.

    Raises:
        OSError: no connection, or no trust.
    """
    with socket.create_connection((host, port), timeout=PATIENCE_S) as plain:
        if context is None:
            return None
        plain.settimeout(PATIENCE_S)
        with context.wrap_socket(plain, server_hostname=host) as secured:
            end = (secured.getpeercert() or {}).get("notAfter")
    if not isinstance(end, str):
        return None
    return int((ssl.cert_time_to_seconds(end) - time.time()) // 86_400)


CHECK = Check(
    "broker", "network", "reaching the broker, with TLS", look, timeout_s=15, configured=True
)
