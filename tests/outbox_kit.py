"""Makes results, pictures and clocks for tests of the outbox and of what stands on it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edged.transport import outbox_put
from edged.transport import vault as vault_module
from edged.transport.outbox import Outbox
from edged.transport.outbox_store import seal
from edged.transport.wire import FaceNote, GuardNote, OutgoingPicture, ReplyDoc, ResultDoc


def picture(size_bytes: int = 3000, seed: int | None = None) -> OutgoingPicture:
    """Bytes like a JPEG's: no 16 of them in a row are found elsewhere."""
    body = random.Random(seed).randbytes(size_bytes - 4)
    return OutgoingPicture(b"\xff\xd8" + body + b"\xff\xd9", 64, 48)


def result(
    image: OutgoingPicture,
    camera: str = "booth",
    result_id: str = "",
    consents: tuple[str, ...] = (),
) -> ResultDoc:
    """The document of a picture."""
    faces = tuple(
        FaceNote(box_px=(1, 2, 30, 40), action="slot", slot=i, consent=ref)
        for i, ref in enumerate(consents)
    )
    return ResultDoc(
        ts_ms=1_760_000_000_000,
        clock_synced=True,
        id=result_id or str(uuid.uuid4()),
        camera=camera,
        scene="poster",
        mode="portrait",
        faces=faces,
        guard=GuardNote(
            families=("scrfd", "yunet"),
            looks=8,
            faces_in=len(faces),
            swapped=len(faces),
            filled=0,
            refilled=0,
            verified_by="w600k_mbf",
        ),
        latency_ms={"total": 12.5},
        engines={},
        builtin=False,
        image=image.note,
    )


def put(
    outbox: Outbox, camera: str = "booth", size_bytes: int = 3000, consents: tuple[str, ...] = ()
) -> str:
    """Put one new shot and give its id."""
    shot_id = str(uuid.uuid4())
    image = picture(size_bytes)
    outbox.put(
        result(image, camera, shot_id, consents), image, shot_id=shot_id, payload=shot_id.encode()
    )
    return shot_id


def fill(outbox: Outbox, count: int, cameras: Sequence[str] = ("booth",)) -> None:
    """Many small results of cameras in turns, in one transaction."""
    vault_module._BATCH, usual = 4096, vault_module._BATCH  # fewer waits for the disk
    try:
        _fill(outbox, count, cameras)
    finally:
        vault_module._BATCH = usual
    outbox._turns.begin(outbox._store)


def _fill(outbox: Outbox, count: int, cameras: Sequence[str]) -> None:
    store, image = outbox._store, picture(200)
    doc = result(image)
    with store.transaction():
        for number in range(count):
            place = outbox_put._next_place(store, cameras[number % len(cameras)])
            one = msgspec.structs.replace(
                doc, id=str(uuid.UUID(int=number)), camera=place.camera, seq=place.seq,
                session=place.session,
            )  # fmt: skip
            slot, key = store.vault.allocate()
            sealed = (
                seal(key, b"doc", msgspec.json.encode(one), place),
                seal(key, b"picture", image.jpeg, place),
            )
            row = outbox_put._write_row(store, place, slot, len(sealed[0]) + len(sealed[1]), b"")
            outbox_put._write_body(store, row, sealed, [])
            store.used_bytes += len(sealed[0]) + len(sealed[1])


def ok_reply(request_id: str, **data: object) -> ReplyDoc:
    """A reply of success."""
    return ReplyDoc(id=request_id, ts_ms=1, status="ok", data=data)


class Clock:
    """A wall clock and a steady clock that move when a test says so."""

    def __init__(self, wall_s: float = 1_760_000_000.0) -> None:
        self.wall_s, self.steady_s = wall_s, 1000.0

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self.wall_s

    def steady(self) -> float:
        """Seconds since some time."""
        return self.steady_s

    def pass_s(self, seconds: float) -> None:
        """Time goes by."""
        self.wall_s += seconds
        self.steady_s += seconds

    def set_by_s(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.wall_s += seconds


def files_with(folder: Path, needle: bytes) -> list[str]:
    """Names of the files of a folder that hold these bytes."""
    return [path.name for path in sorted(folder.iterdir()) if needle in path.read_bytes()]
