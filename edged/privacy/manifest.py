"""Signs a JPEG with a C2PA manifest, by the library of the `provenance` extra.

The manifest says that the picture was *created* with its digital source type (CREATE
intent) by edged.  It has no ingredient, since that would be the camera's picture, and no
thumbnail, which is made of one.  It has no time stamp of an authority: the engine has no
network, and everything in the library that could want one is switched off; validity is
judged by the certificate's own dates.

One signer serves one thread at a time.  Knows bytes; knows no pixels.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from edged import __version__
from edged.errors import OperatorError
from edged.privacy.provenance import VOCABULARY, SourceType

INSTALL = "pip install 'edged[provenance]'"
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_SETTINGS = {
    "version": 1,
    "verify": {
        "verify_after_sign": True,
        "verify_trust": False,  # the trust list is the viewer's; ours may be any authority
        "remote_manifest_fetch": False,
        "ocsp_fetch": False,
    },
    "builder": {"thumbnail": {"enabled": False}},
}
_MANIFEST = json.dumps(
    {"claim_generator_info": [{"name": "edged", "version": __version__}], "format": "image/jpeg"}
)


class ManifestSigner:
    """Signs JPEGs with one certificate.

    Args:
        cert_file: PEM, the signer's certificate first, then those up to its root's issuer.
        key_file: PEM of its private key, not encrypted: EC P-256, P-384 or P-521, Ed25519
            or RSA (signed with PSS).

    Attributes:
        about: whose certificate it is, and until when, for `info`.

    Raises:
        OperatorError: the extra is absent, a file cannot be used, or they do not fit.
    """

    def __init__(self, cert_file: Path, key_file: Path) -> None:
        try:
            import c2pa  # noqa: PLC0415 - an extra; who does not sign does without it
        except ImportError as error:
            raise OperatorError(
                f"[provenance] wants signed pictures and the library is not there: {INSTALL}"
            ) from error
        leaf, chain, key, alg = _credentials(cert_file, key_file)
        self.about: dict[str, str] = {
            "signer": leaf.subject.rfc4514_string(),
            "issuer": leaf.issuer.rfc4514_string(),
            "not_after": f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
            "algorithm": alg,
        }
        self._c2pa: Any = c2pa
        signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(alg.encode(), chain, key, None))
        self._context = c2pa.Context.from_dict(_SETTINGS, signer=signer)
        kinds = c2pa.C2paDigitalSourceType
        self._kinds: dict[SourceType, Any] = {
            "compositeWithTrainedAlgorithmicMedia": kinds.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
            "algorithmicallyEnhanced": kinds.ALGORITHMICALLY_ENHANCED,
        }

    def __call__(self, jpeg: bytes, source: SourceType) -> bytes:
        """The JPEG with its manifest.

        Raises:
            c2pa.C2paError: the certificate is not (or not any more) good for it.
        """
        target = io.BytesIO()
        with self._c2pa.Builder(_MANIFEST, self._context) as builder:
            builder.set_intent(self._c2pa.C2paBuilderIntent.CREATE, self._kinds[source])
            builder.sign("image/jpeg", io.BytesIO(jpeg), target)
        return target.getvalue()

    def try_out(self, jpeg: bytes) -> None:
        """Sign a picture and read the manifest back, so that no visitor is the first.

        Raises:
            OperatorError: the certificate does not do, or the manifest is not what it should
                be.
        """
        for source in self._kinds:
            try:
                signed = self(jpeg, source)
                with self._c2pa.Reader("image/jpeg", io.BytesIO(signed)) as reader:
                    manifests = json.loads(reader.json())["manifests"]
            except self._c2pa.C2paError as error:
                raise OperatorError(
                    f"provenance.cert_file is not good for C2PA: {error}; it needs key usage "
                    "digitalSignature, an extended key usage such as emailProtection, its "
                    "issuer's certificate behind it, and a time in which it is valid"
                ) from error
            _check(manifests, source)


def _check(manifests: dict[str, Any], source: SourceType) -> None:
    """One manifest, made and not edited, with nothing of another picture.

    Raises:
        OperatorError: the library wrote something else than it was told.
    """
    made = [
        (action.get("action"), action.get("digitalSourceType"))
        for manifest in manifests.values()
        for assertion in manifest.get("assertions", ())
        for action in assertion.get("data", {}).get("actions", ())
    ]
    strange = any(m.get(key) for m in manifests.values() for key in ("ingredients", "thumbnail"))
    if len(manifests) != 1 or made != [("c2pa.created", VOCABULARY + source)] or strange:
        raise OperatorError(
            "this version of c2pa-python writes other manifests than edged relies on: install "
            "the one of requirements.lock"
        )


def _credentials(cert_file: Path, key_file: Path) -> tuple[x509.Certificate, bytes, bytes, str]:
    """The signer's certificate, all in PEM, the key in PKCS #8 PEM, and C2PA's name for its kind.

    Raises:
        OperatorError: with what to do; never with a byte of the key.
    """
    try:
        chain, pem = cert_file.read_bytes(), key_file.read_bytes()
    except OSError as error:
        raise OperatorError(
            f"{error.filename} cannot be read ({error.strerror}): look at its owner"
        ) from error
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise OperatorError(
            f"provenance.cert_file: {cert_file} holds no certificate in PEM"
        ) from error
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise OperatorError(
            f"provenance.key_file: {key_file} holds no private key in PEM, or an encrypted one; "
            "keep it as a systemd credential instead"
        ) from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        alg = _CURVES[key.curve.name]
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        alg = "ed25519"
    elif isinstance(key, rsa.RSAPrivateKey):
        alg = "ps256"
    else:
        raise OperatorError(f"provenance.key_file: {key_file} is of a kind that C2PA does not take")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        raise OperatorError(
            f"provenance: {key_file} is not the key of the first certificate in {cert_file}"
        )
    return leaf, chain, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), alg
