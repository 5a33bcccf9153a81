"""What lies in the state folder and is not the database: key files, receipts, addresses."""

from __future__ import annotations

import os
import struct
import zlib
from base64 import b64encode
from random import Random
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fuzz import scratch
from fuzz.harness import Family, Parser
from fuzz.mutate import CANARY, INTEGERS, TEXTS, Pairs, change_bytes, changed, text

from edged.errors import OperatorError
from edged.transport import keyring, lan, outbox_rows, receipt_key, receipts, vault
from edged.transport.keyring import Pair
from edged.transport.outbox_rows import PurgeReceipt, Removed
from edged.transport.receipts import Notary, Receipt, Signed
from edged.transport.vault import Vault

_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_HOSTS = ("192.0.2.5", "[::1]", "127.0.0.1", "::1", "[::", "[fe80::1%eth0]", "", CANARY)
_MASTERS = (None, None, b"k" * 32, b"m" * 16, b"short")
_STATES = (0, 1, 1, 1, 2, 3, 4, 255)


class Keys(Family):
    """Receipts against a device's key, CURVE key files, the outbox's key file, the signing key."""

    name = "keys"
    refusals = (ValueError, OperatorError)
    silent = False
    """Errors name files; `feed` looks for keys in them."""

    def parsers(self) -> tuple[Parser, ...]:
        makes = "makes keys and writes them"
        return (
            Parser(receipts, but={"Notary": "signs", "Asked.of": "signs"}),
            Parser(outbox_rows, only=("Removed",)),
            Parser(keyring, only=("read_device", "read_camera_file", "cameras", "_read", "_pair",
                                  "is_key", "Roll")),
            Parser(vault, but={"Vault._create": makes, "Vault._make_ready": makes,
                               "Vault.mac": "reads nothing"}),
            Parser(receipt_key, but={"_write": makes}),
            Parser(lan, only=("parse_address", "is_local", "handed_in")),
        )  # fmt: skip

    def __init__(self) -> None:
        self._folder = scratch.folder()
        (self._folder / "cameras").mkdir()
        self._signer = Ed25519PrivateKey.generate()
        self._public = Notary(self._signer, "booth-1", "hall").public_key
        self._pair, self._other = Pair.fresh(), Pair.fresh()
        self._vaults = [self._vault(None), self._vault(b"k" * 32)]
        self._seeds = [self._seed(None), self._seed(b"k" * 32)]

    def close(self) -> None:
        scratch.drop(self._folder)

    def _vault(self, master: bytes | None) -> bytes:
        path = self._folder / "outbox.keys"
        path.unlink(missing_ok=True)
        made = Vault(path, master_key=master)
        slots = [made.allocate()[0] for _ in range(6)]
        made.destroy(slots[:2])
        made.close()
        again = Vault(path, master_key=master)
        again.allocate()
        data = path.read_bytes()[: 4096 + 12 * 64]
        again.close()
        return data

    def _seed(self, master: bytes | None) -> bytes:
        (self._folder / receipt_key.FILE).unlink(missing_ok=True)
        receipt_key.open_key(self._folder, master, lambda *_: None)
        return (self._folder / receipt_key.FILE).read_bytes()

    def make(self, rng: Random) -> Any:
        """(what, one thing that goes with it, bytes)."""
        draw = rng.random()
        if draw < 0.45:
            return "receipt", *self._receipt(rng)
        if draw < 0.65:
            return "curve", rng.choice((0o600, 0o600, 0o600, 0o644)), self._curve(rng)
        if draw < 0.82:
            return "vault", rng.choice(_MASTERS), self._changed_vault(rng)
        if draw < 0.87:
            return "seed", rng.choice(_MASTERS), self._changed_seed(rng)
        return "address", rng.random() < 0.7, self._address(rng)

    def feed(self, item: Any) -> bool:
        what, beside, data = item
        return bool(getattr(self, f"_feed_{what}")(beside, data))

    # -- receipts ------------------------------------------------------------------------

    def _receipt(self, rng: Random) -> tuple[str, bytes]:
        gone = tuple(Removed("s", "booth", n, n + 1) for n in range(rng.choice((0, 1, 3))))
        counts = dict.fromkeys(("rows", "pictures", "verdicts", "gaps", "keys", "at_ms"), 1)
        found = PurgeReceipt(**counts, wal_truncated=True, removed=gone)
        asked: dict[str, Any] = {"by": rng.choice(("all", "shot", "consent", "before"))}
        if asked["by"] in ("shot", "consent"):
            asked["digest"] = rng.choice(("ab" * 32, "é", ""))
            asked["salt"] = rng.choice(("00" * 16, "zz", "é"))
        plain = {
            **msgspec.to_builtins(found), "kind": "edged-purge-receipt", "v": 1, "id": "r1",
            "device": "booth-1", "site": "hall", "session": "s", "clock_synced": True,
            "asked": asked,
        }  # fmt: skip
        tree = Pairs((key, _pairs(value)) for key, value in plain.items())
        inner = changed(rng, tree, whole=0.5, rough=0.1)
        try:  # a receipt that the device itself signed, whatever is in it
            said = receipts._signed_bytes(msgspec.json.decode(inner, type=Receipt))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = inner
        signature = b64encode(self._signer.sign(said)).decode()
        if rng.random() < 0.1:
            signature = rng.choice((signature[:-1], signature[::-1], "", "é", signature + "\n"))
        others = (*TEXTS, "ed25519:AAAA", "ed25519:é")
        public = self._public if rng.random() < 0.93 else rng.choice(others)
        outer = b'{"receipt":%b,"public_key":%b,"signature":%b}' % (
            inner, msgspec.json.encode(public), msgspec.json.encode(signature),
        )  # fmt: skip
        if rng.random() < 0.1:
            outer = change_bytes(rng, outer, outer)
        return rng.choice((self._public,) * 9 + (public,)), outer

    def _feed_receipt(self, public: str, data: bytes) -> bool:
        found = receipts.verify(data, public)
        found.asked.names("s1")
        again = msgspec.to_builtins(Signed(found, public, ""))
        try:
            receipts.verify(again, public)
        except ValueError:
            return True
        raise AssertionError("a receipt without a signature is taken")

    # -- CURVE keys ----------------------------------------------------------------------

    def _curve(self, rng: Random) -> bytes:
        pair = rng.choice((self._pair, self._pair, self._other))
        body = keyring._text("x", pair.public, pair.secret if rng.random() < 0.8 else None)
        lines = body.splitlines(keepends=True)
        if rng.random() < 0.3:
            key = text(rng, _Z85, 39, 41) if rng.random() < 0.7 else "é" * 40
            name = rng.choice(("public-key", "secret-key", "server-key", "Public-Key"))
            lines.insert(rng.randint(0, len(lines)), f'    {name} = "{key}"\n')
        if rng.random() < 0.3:
            lines.insert(0, lines.pop())
        if rng.random() < 0.01:
            lines.insert(0, "#" * 5000 + "\n")
        data = "".join(lines).encode()
        return change_bytes(rng, data, data) if rng.random() < 0.5 else data

    def _feed_curve(self, mode: int, data: bytes) -> bool:
        device, camera = self._folder / keyring.DEVICE_KEY, self._folder / "cameras" / "booth.key"
        for path in (device, camera):
            path.write_bytes(data)
        device.chmod(mode)
        if not data:
            device.unlink()
        known = keyring.cameras(self._folder)
        assert all(keyring.is_key(key) for key in known.values())
        assert keyring.Roll(self._folder).camera_of(self._pair.public) in (None, "booth")
        try:
            keyring.read_camera_file(camera)
        except OperatorError as error:
            assert self._pair.secret.decode() not in str(error), "a secret is shown"
        pair = keyring.read_device(self._folder)
        assert mode == 0o600, "a secret that others may read is taken"
        # By its public half: X25519 ignores five bits of a secret, so that others have it, too.
        known = (self._pair.public, self._other.public)
        assert pair.public in known, "a pair that nobody made"
        return True

    # -- the outbox's keys ---------------------------------------------------------------

    def _changed_vault(self, rng: Random) -> bytes:
        data = bytearray(rng.choice(self._vaults))
        for _ in range(rng.choice((0, 1, 2, 4))):
            if rng.random() < 0.4:
                slot = 4096 + 64 * rng.randrange(12)
                body = struct.pack(">B3x40s", rng.choice(_STATES), rng.randbytes(40))
                check = zlib.crc32(body) if rng.random() < 0.8 else rng.getrandbits(32)
                data[slot : slot + 48] = body + check.to_bytes(4, "big")
            elif rng.random() < 0.4 and len(data) >= 72:
                magic, version, state, vault_id, key = struct.unpack_from(">8sHH16s40s", data)
                magic = rng.choice((magic, magic, b"EDGEDSIG"))
                version = rng.choice((version, version, 0, 2, 65_535))
                state = rng.choice((state, *_STATES, 65_535))
                body = struct.pack(">8sHH16s40s", magic, version, state, vault_id, key)
                data[:72] = body + zlib.crc32(body).to_bytes(4, "big")
            else:
                data = bytearray(change_bytes(rng, bytes(data), bytes(data)))
        return bytes(data)

    def _feed_vault(self, master: bytes | None, data: bytes) -> bool:
        path = self._folder / "outbox.keys"
        path.write_bytes(data)
        opened = Vault(path, master_key=master)
        try:
            for slot in (-1, *range(14), 2**40):
                key = opened.read(slot)
                assert key is None or len(key) == 32
                opened.state(slot)
            opened.sweep({3, 4})
            opened.release([0, 1])
            assert opened.read(3) is None or opened.destroy([3]) == 1
            assert opened.read(3) is None, "a destroyed key is read"
        finally:
            opened.close()
        return True

    # -- the signing key -----------------------------------------------------------------

    def _changed_seed(self, rng: Random) -> bytes:
        data = rng.choice(self._seeds)
        if rng.random() < 0.5:
            return change_bytes(rng, data, data) if rng.random() < 0.8 else data
        head = rng.choice((b"EDGEDSIG", b"EDGEDSIG", b"EDGEDKEY"))
        version, state = rng.choice((1, 1, 2)), rng.choice(_STATES)
        body = struct.pack(">8sHH40s", head, version, state, rng.randbytes(40))
        return body + zlib.crc32(body).to_bytes(4, "big")

    def _feed_seed(self, master: bytes | None, data: bytes) -> bool:
        (self._folder / receipt_key.FILE).write_bytes(data)
        events: list[str] = []
        master = None if master == b"short" else master
        try:
            receipt_key.open_key(self._folder, master, lambda name, *_: events.append(name))
        finally:
            for path in self._folder.glob("receipt.key.damaged*"):
                path.unlink()
        return not events

    # -- addresses -----------------------------------------------------------------------

    @staticmethod
    def _address(rng: Random) -> bytes:
        host = rng.choice(_HOSTS)
        port = rng.choice(("5555", "0", "65536", "-1", "\u0665", "99999999", "1e3", "", "5" * 3000))
        data = f"{host}:{port}".encode()
        if rng.random() < 0.3:
            data = str(rng.choice(INTEGERS)).encode()
        return change_bytes(rng, data, data) if rng.random() < 0.3 else data

    @staticmethod
    def _feed_address(listener: bool, data: bytes) -> bool:
        said = data.decode("utf-8", "replace")
        if not listener:
            found = lan.handed_in({lan.LISTENER_FD: said, "LISTEN_FDS": said,
                                    "LISTEN_PID": str(os.getpid())})  # fmt: skip
            assert len(found) <= 65
            return True
        host, port = lan.parse_address(said)
        assert lan.is_local(said) in (True, False)
        assert host
        assert 1 <= port <= 65_535
        return True


def _pairs(value: Any) -> Any:
    if isinstance(value, dict):
        return Pairs((key, _pairs(one)) for key, one in value.items())
    return [_pairs(one) for one in value] if isinstance(value, list | tuple) else value
