"""Fetches one address into one file: resumable, bounded, and never trusting a length.

What has arrived stays in a `.part` file, so that Ctrl-C, a cut connection or a power cut
costs only what was under way.  A part is continued only if the server says that the file
is still the same one (`If-Range`).  Knows HTTP and files; knows nothing of models.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import json
import logging
import os
import random
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from edged import __version__
from edged.errors import LinkError, ModelError, OperatorError
from edged.store.http import OPENER, check_url, explain, host

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with bytes there and bytes expected (0 when unknown)."""

CHUNK_BYTES = 1 << 18
DISK_RESERVE_BYTES = 64 << 20
"""Left free on the disk: a full disk stops more than a download."""

_GAIN_BYTES = 1 << 16
"""A try that brings less brought nothing: a server that drips must come to an end."""
_GONE = frozenset({401, 403, 404, 410, 451})
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_HTTP_PARTIAL, _HTTP_BAD_RANGE = 206, 416


@dataclass(frozen=True)
class Patience:
    """How long a download is given.

    Attributes:
        timeout_s: silence after which a connection is given up.
        attempts: tries in a row that bring nothing.
        pause_s: before the second try; doubles, with jitter.
        slowest_bytes_per_s: a server that drips less than this is given up.
        window_s: over which that is measured.
    """

    timeout_s: float = 30.0
    attempts: int = 5
    pause_s: float = 1.0
    slowest_bytes_per_s: float = 1024.0
    window_s: float = 60.0


@dataclass(frozen=True)
class Wanted:
    """One download.

    Attributes:
        url: https, or http to this machine.
        size_bytes: what the file must have; 0 when unknown.
        limit_bytes: never more than this, whatever the server says.
        same: the content is known by a hash, so that a part may be continued even if
            the server cannot say whether the file changed.
    """

    url: str
    size_bytes: int
    limit_bytes: int
    same: bool


def part_path(target: Path, url: str) -> Path:
    """The file that holds what has arrived from this address so far."""
    tag = hashlib.sha256(url.encode()).hexdigest()[:8]
    return target.with_name(f".{target.name}.{tag}.part")


def fetch(wanted: Wanted, part: Path, progress: Progress, patience: Patience) -> None:
    """Downloads into `part`, continuing what is there.

    Raises:
        LinkError: the server cannot be reached or does not have the file; a retry later
            continues.
        ModelError: what it sends cannot be the file.
        OperatorError: no room on the disk.
    """
    check_url(wanted.url)
    with _open(part) as file:
        misses = 0
        while True:
            before = file.tell()
            try:
                if _round(wanted, part, file, progress, patience):
                    file.flush()
                    os.fsync(file.fileno())
                    return
                trouble = "the connection ended early"
            except (OSError, http.client.HTTPException) as error:
                if getattr(error, "errno", None) in _DISK_FULL:
                    raise OperatorError(f"{part}: the disk is full; make room") from error
                trouble = explain(error)
            misses = 0 if file.tell() >= before + _GAIN_BYTES else misses + 1
            if misses >= patience.attempts:
                raise LinkError(
                    f"{host(wanted.url)}: {trouble}; {file.tell()} bytes are kept, run the same "
                    "command again to continue"
                )
            log.info("download from %s interrupted: %s", host(wanted.url), trouble)
            time.sleep(patience.pause_s * 2**misses * random.uniform(0.5, 1.0))  # noqa: S311


def forget(part: Path) -> None:
    """Removes what is left of a download: the part, and what is noted of it."""
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)


def _open(part: Path) -> IO[bytes]:
    """The part, for appending, held by this process alone."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("ab")
    except OSError as error:
        raise OperatorError(f"{part.parent} cannot be written to: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise LinkError(f"another process is downloading {part}; wait for it") from error
    return file


def _round(
    wanted: Wanted, part: Path, file: IO[bytes], progress: Progress, patience: Patience
) -> bool:
    """One request; True when the file is complete, False when it ended early."""
    have = _resumable(wanted, part, file)
    if have and have == wanted.size_bytes:
        return True
    request = urllib.request.Request(wanted.url, headers=_headers(have, part))  # noqa: S310
    try:
        response = OPENER.open(request, timeout=patience.timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == _HTTP_BAD_RANGE and have:
                # Either all of it is here, or the part is longer than the file.
                if have == wanted.size_bytes or have == _total(error.headers.get("Content-Range")):
                    return True
                _restart(file)
                return False
            if error.code in _GONE:
                raise LinkError(f"{wanted.url}: the server answers {error.code}") from None
            raise
    with response:
        total = _begin(response, have, file, wanted)
        _note_path(part).write_text(json.dumps({"validator": _validator(response)}))
        _receive(response, file, replace(wanted, size_bytes=total), progress, patience)
    if total:
        return file.tell() == total
    return True  # no length, and the chunked body came to its end


def _headers(have: int, part: Path) -> dict[str, str]:
    headers = {"User-Agent": f"edged/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        validator = _read_note(part)
        if validator:
            headers["If-Range"] = validator
    return headers


def _resumable(wanted: Wanted, part: Path, file: IO[bytes]) -> int:
    """Bytes that can be continued from; a part that cannot is emptied."""
    have = file.seek(0, os.SEEK_END)
    too_long = have > (wanted.size_bytes or wanted.limit_bytes)
    if have and (too_long or not (wanted.same or _read_note(part))):
        _restart(file)
        return 0
    return have


def _begin(response: Any, have: int, file: IO[bytes], wanted: Wanted) -> int:
    """Settles where the body goes and how long the file will be (0: unknown)."""
    length = response.headers.get("Content-Length", "")
    body = int(length) if length.isascii() and length.isdecimal() else 0
    if response.status == _HTTP_PARTIAL:
        given = response.headers.get("Content-Range", "")
        if not given.startswith(f"bytes {have}-"):
            _restart(file)
            raise http.client.HTTPException("the server sent another part than was asked for")
        total = _total(given) or (have + body if body else 0)
    else:
        _restart(file)
        have, total = 0, body
    if total > wanted.limit_bytes or (wanted.size_bytes and total not in (0, wanted.size_bytes)):
        raise ModelError(
            f"{host(wanted.url)} offers {total} bytes, the recipe says "
            f"{wanted.size_bytes or f'at most {wanted.limit_bytes}'}; this is another file"
        )
    total = total or wanted.size_bytes
    free = shutil.disk_usage(Path(file.name).parent).free
    if total - have + DISK_RESERVE_BYTES > free:
        raise OperatorError(
            f"{Path(file.name).parent}: {(total - have) >> 20} MiB are needed and {free >> 20} "
            "MiB are free; make room or set models.folder to another disk"
        )
    return total


def _receive(
    response: Any, file: IO[bytes], wanted: Wanted, progress: Progress, patience: Patience
) -> None:
    limit = wanted.size_bytes or wanted.limit_bytes
    began, counted = time.monotonic(), 0
    progress(file.tell(), wanted.size_bytes)
    while block := response.read1(CHUNK_BYTES):
        if file.tell() + len(block) > limit:
            _restart(file)
            raise ModelError(f"{host(wanted.url)} sends more than {limit} bytes: another file")
        file.write(block)
        counted += len(block)
        progress(file.tell(), wanted.size_bytes)
        spent = time.monotonic() - began
        if spent > patience.window_s:
            if counted < patience.slowest_bytes_per_s * spent:
                raise TimeoutError("slower than can be waited for")
            began, counted = time.monotonic(), 0


def _restart(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _note_path(part: Path) -> Path:
    return part.with_suffix(".note")


def _read_note(part: Path) -> str:
    """What the server called the version of the file that the part is of, if anything."""
    try:
        note = json.loads(_note_path(part).read_text())
        return str(note["validator"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _validator(response: Any) -> str:
    """The strong ETag, else the date of change (RFC 9110, 13.1.5)."""
    tag = response.headers.get("ETag", "")
    strong = tag if tag and not tag.startswith("W/") else ""
    return str(strong or response.headers.get("Last-Modified", ""))


def _total(content_range: str | None) -> int:
    """The length in `bytes 5-9/10` or `bytes */10`, 0 when there is none."""
    tail = (content_range or "").rpartition("/")[2]
    return int(tail) if tail.isascii() and tail.isdecimal() else 0
