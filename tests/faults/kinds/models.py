"""Files that an engine starts from, damaged on the disk while it runs.

It goes on with what it has read; what it cannot read again at its next start it refuses with
the file's name, and works when the file is back.
"""

from __future__ import annotations

import shutil
import time
import uuid

from faults.kinds import Kind
from faults.pictures import NUMBERS, jpeg, picture

from edged.transport.client import FrameClient


def _lose(site, chance, path, *, spoil):
    kept = path.with_name(f".{path.name}.kept")
    shutil.copy2(path, kept)
    try:
        spoil(path, chance)
        time.sleep(chance.uniform(0.3, 1.0))  # the running engine does not mind
        assert site.booth.engine.poll() is None, "it goes on with what it has read"
        _refused(site, path)
    finally:
        kept.replace(path)
    site.restart_engine()


def _refused(site, path):
    """Start it, and see that it ends and says why."""
    site.booth.kill_engine()
    said = len(site.booth.log_text())
    site.booth.start_engine(wait=False)
    site.until(lambda: site.booth.engine.poll() is not None, 40, f"it refuses {path.name}")
    assert site.booth.engine.returncode > 0
    assert path.name in site.booth.log_text()[said:], f"it names {path.name}"


def _flip(path, chance):
    with path.open("r+b") as file:
        file.seek(chance.randrange(path.stat().st_size))
        file.write(chance.randbytes(64))


def _cut(path, chance):
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size))


def _remove(path, _chance):
    path.unlink()


def model(site, chance):
    """A model: some bytes, its end, or all of it."""
    folder = site.booth.folder / "models"
    name = chance.choice(("det_500m.onnx", "yunet_2023_mar.onnx"))
    _lose(site, chance, folder / name, spoil=chance.choice((_flip, _cut, _remove)))


def bounds(site, chance):
    """The guard's calibration: unreadable, it is refused; absent, no picture leaves."""
    path = site.booth.folder / "calibration" / "guard.toml"
    if chance.random() < 0.5:
        _lose(site, chance, path, spoil=_noise)
        return
    kept = path.with_name(".guard.toml.kept")
    path.rename(kept)
    try:
        site.booth.kill_engine()
        site.restart_engine()
        shot, number = str(uuid.uuid4()), chance.randrange(NUMBERS)
        site.ledger.sent(shot, number, "shots")
        with FrameClient(site.endpoint, timeout_s=30) as client:
            answer = client.send_shot(
                jpeg(picture(number)), camera="shots", shot=shot, want="image"
            )
        assert answer.verdict.verdict == "refused"
        assert answer.picture is None
    finally:
        kept.replace(path)
        site.booth.kill_engine()
        site.restart_engine()


def _noise(path, chance):
    path.write_bytes(chance.randbytes(200))


KINDS = (
    Kind("model file damaged", model),
    Kind("guard's calibration damaged", bounds, may_refuse=True, short=False),
)
