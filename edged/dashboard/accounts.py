"""Who may look, who may act: a file of names and password hashes, and sessions in memory.

The hash is scrypt with OWASP's parameters (N = 2^17, r = 8, p = 1: 128 MB, about 0.3 s).
A session is a random token in a cookie; it ends after a time without use, and with the process.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from edged.errors import ConfigError
from edged.fresh_file import write_fresh
from edged.transport.topics import is_name

Role = Literal["viewer", "operator"]
"""A viewer looks; an operator gives commands, too."""

_COST = 2**17
_BLOCK = 8
_LANES = 1
_MEMORY_BYTES = 192 * 1024 * 1024
SESSION_S = 12 * 3600.0
"""A session ends after so long without a request."""
MAX_SESSIONS = 1000
FAILURES = 5
PAUSE_S = 30.0
"""After so many wrong passwords for a name it is not asked for so long."""
MAX_PASSWORD = 256


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the file.

    Attributes:
        role: what the user may do.
        salt, hash: of the password, base 64.
    """

    role: Role
    salt: str
    hash: str


@dataclass
class Session:
    """Somebody who has shown a password, or anybody where none is asked for."""

    user: str
    role: Role
    seen_s: float = 0.0

    @property
    def may_act(self) -> bool:
        """Whether commands are theirs to give."""
        return self.role == "operator"


def read_accounts(path: Path) -> dict[str, Account]:
    """The users of a file.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Account])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"--users {path}: is no file of users; make one with "
            f"`edged dashboard --users {path} --add-user NAME`"
        ) from error


def add_account(path: Path, name: str, password: str, role: Role) -> None:
    """Write a user into the file, in the place of one of that name.

    Raises:
        ConfigError: name, password or file do not do.
    """
    if not is_name(name):
        raise ConfigError("--add-user: is not a name of 1 to 32 small letters, digits and dashes")
    if not 10 <= len(password) <= MAX_PASSWORD:
        raise ConfigError("the password: 10 to 256 characters, please")
    accounts = read_accounts(path) if path.exists() else {}
    salt = secrets.token_bytes(16)
    accounts[name] = Account(role, _text(salt), _text(_scrypt(password, salt)))
    write_fresh(path, msgspec.json.format(msgspec.json.encode(accounts)), mode=0o600)


@dataclass
class Door:
    """Lets people in and knows them again.  From any thread.

    Args:
        accounts: by name; none means that anybody who gets here is a viewer.
        clock: monotonic seconds.
    """

    accounts: Mapping[str, Account]
    clock: Callable[[], float] = time.monotonic
    _sessions: dict[str, Session] = field(default_factory=dict)
    _failed: dict[str, tuple[int, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _hashing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def open(self) -> bool:
        """Whether nobody is asked for a password."""
        return not self.accounts

    def enter(self, name: str, password: str) -> str | None:
        """The token of a new session; None for a wrong name or password.

        Takes as long for a name that does not exist.  Blocks for the hash.
        """
        known = self.accounts.get(name)
        name = name if known is not None else ""
        with self._lock:
            count, until_s = self._failed.get(name, (0, 0.0))
            if self.clock() < until_s:
                return None
        salt = base64.b64decode(known.salt) if known is not None else bytes(16)
        wanted = base64.b64decode(known.hash) if known is not None else bytes(64)
        with self._hashing:  # one at a time: a crowd at the login must not take all memory
            good = len(password) <= MAX_PASSWORD and hmac.compare_digest(
                _scrypt(password, salt), wanted
            )
        with self._lock:
            if not good or known is None:
                count += 1
                until_s = self.clock() + PAUSE_S if count % FAILURES == 0 else 0.0
                self._failed[name] = (count, until_s)
                return None
            self._failed.pop(name, None)
            token = secrets.token_urlsafe(32)
            while len(self._sessions) >= MAX_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[token] = Session(name, known.role, self.clock())
            return token

    def session(self, token: str) -> Session | None:
        """Whose token this is; None when it is nobody's any more."""
        if self.open:
            return Session("", "viewer")
        with self._lock:
            found = self._sessions.get(token)
            if found is None:
                return None
            now_s = self.clock()
            if now_s - found.seen_s > SESSION_S:
                del self._sessions[token]
                return None
            found.seen_s = now_s
            return found

    def leave(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(token, None)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_LANES, maxmem=_MEMORY_BYTES, dklen=64
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
