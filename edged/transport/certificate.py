"""What the device's own certificate for the broker says of itself.

A broker that does not like it only hangs up (TLS 1.3 tells a client nothing in time), so
that the reasons which can be seen on this side are looked for here.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

SOON = dt.timedelta(days=14)
"""A certificate that ends within this is worth a warning."""


def trouble(path: Path, now: dt.datetime | None = None, *, soon: dt.timedelta = SOON) -> str:
    """What is wrong with a certificate by its dates, with what to do; empty for nothing.

    Args:
        path: PEM; the first certificate in it counts, as for TLS.
        now: aware; the clock's time when None.
        soon: say so when it ends within this.
    """
    from cryptography import x509  # noqa: PLC0415 - 10 MB, and only for devices that have one

    now = now or dt.datetime.now(dt.timezone.utc)
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return f"broker.tls.cert_file = {str(path)!r} cannot be read as PEM"
    last, first = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    what = f"the device's certificate (broker.tls.cert_file = {str(path)!r})"
    if now > last:
        return f"{what} expired on {last:%Y-%m-%d %H:%M} UTC: renew it"
    if now < first:
        return f"{what} begins on {first:%Y-%m-%d %H:%M} UTC: look at this device's clock"
    if last - now < soon:
        return f"{what} expires on {last:%Y-%m-%d %H:%M} UTC: renew it before"
    return ""
