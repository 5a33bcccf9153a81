"""Certificates that C2PA takes, and what is read back from signed pictures."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEYS = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "es512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ps256": lambda: rsa.generate_private_key(65537, 2048),
}


def c2pa():
    """The library; without it the test is skipped, but not in CI, which installs it."""
    if os.environ.get("CI") == "true":
        import c2pa as library

        return library
    return pytest.importorskip("c2pa", reason="the extra `provenance` is not installed")


def certificates(
    folder: Path, alg: str = "es256", *, days: float = 1.0, usage: bool = True
) -> tuple[Path, Path]:
    """(chain, key) files of a signer under a test authority.

    Args:
        folder: made.
        alg: of the signer's key.
        days: that it is valid; a negative number makes one that is over.
        usage: whether it may sign, by its extensions.
    """
    folder.mkdir(parents=True)
    root_key, key = KEYS["es256"](), KEYS[alg]()
    root = _certificate("test root", "test root", root_key, root_key.public_key(), ca=True)
    leaf = _certificate(
        "test signer", "test root", root_key, key.public_key(), ca=False, days=days, usage=usage
    )
    chain = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (leaf, root))
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "cert.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(pem)
    return folder / "cert.pem", folder / "key.pem"


def _certificate(subject, issuer, signer, public, *, ca, days=1.0, usage=True):
    now = dt.datetime.now(dt.timezone.utc)
    begin = min(now, now + dt.timedelta(days=days)) - dt.timedelta(hours=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
        )
        .add_extension(x509.BasicConstraints(ca, None), True)
    )
    if usage:
        flags = (not ca, False, False, False, False, ca, ca, False, False)
        made = made.add_extension(x509.KeyUsage(*flags), True)
        if not ca:
            kind = [ExtendedKeyUsageOID.EMAIL_PROTECTION]
            made = made.add_extension(x509.ExtendedKeyUsage(kind), False)
    return made.sign(signer, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "edged tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def read(jpeg: bytes) -> dict:
    """The manifest store of a picture, as the library reads it, with its verdict as "state"."""
    with c2pa().Reader("image/jpeg", io.BytesIO(jpeg)) as reader:
        return {**json.loads(reader.json()), "state": reader.get_validation_state()}
