"""Whether pictures can be signed: the library, and a certificate that has not run out.

Data: cert_file, days_left, issuer.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from cryptography import x509

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.pip import pip
from edged.doctor.setup import Setup

PACKAGE = "c2pa-python"
SOON_DAYS = 30.0
"""A certificate is ordered and brought to a far-away booth in less."""


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Nothing where no certificate is configured: pictures then bear the source type alone."""
    path = setup.config.provenance.cert_file
    if path is None:
        return
    if host.package(PACKAGE) is None:
        yield Finding(
            "provenance.missing",
            "fail",
            f"pictures are to be signed and {PACKAGE} is not installed",
            where=PACKAGE,
            cure=(pip(host, "install", f"'{PACKAGE}>=0.38'"),),
        )
    text = host.text(path)
    if text is None:
        return  # the check of the configuration says so
    try:
        leaf = x509.load_pem_x509_certificates(text.encode())[0]
    except ValueError:
        yield Finding(
            "provenance.certificate", "fail", f"{path} holds no certificate in PEM", str(path)
        )
        return
    now = datetime.fromtimestamp(host.now_s(), timezone.utc)
    days_left = (leaf.not_valid_after_utc - now).total_seconds() / 86_400
    data = {
        "cert_file": str(path),
        "days_left": round(days_left, 1),
        "issuer": leaf.issuer.rfc4514_string(),
    }
    if now < leaf.not_valid_before_utc:
        level, word = "fail", f"is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    elif days_left <= 0:
        level, word = "fail", f"ran out on {leaf.not_valid_after_utc:%Y-%m-%d}"
    elif days_left < SOON_DAYS:
        level, word = "warn", f"runs out in {days_left:.0f} days"
    else:
        level, word = "ok", f"is valid for {days_left:.0f} days"
    yield Finding(
        "provenance.dates",
        level,  # type: ignore[arg-type]  # one of four literals
        f"the certificate that signs pictures {word}",
        where=str(path),
        advice=""
        if level == "ok"
        else "Order a new one; until it is here, `provenance.on_failure` decides whether pictures "
        "leave unsigned.",
        data=data,
    )


CHECK = Check(
    "provenance", "privacy", "whether outgoing pictures can be signed", look, configured=True
)
