"""Writes the stand-in files into a folder, named as the real files are.

Knows the builders and the folder's layout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnx

from edged.bench.standins import detector, landmarks, masks, recogniser, restorers, swapper


@dataclass(frozen=True)
class StandIns:
    """Where the files are.

    Attributes:
        folder: of `pack`, the restorers and the files outside the pack.
    """

    folder: Path

    @property
    def pack(self) -> Path:
        """Folder with the detector and the recogniser alone, as insightface loads packs."""
        return self.folder / "pack"

    @property
    def detector(self) -> Path:
        """SCRFD by contract."""
        return self.pack / "det_10g.onnx"

    @property
    def recogniser(self) -> Path:
        """ArcFace by contract."""
        return self.pack / "w600k_r50.onnx"

    @property
    def second_detector(self) -> Path:
        """YuNet by contract."""
        return self.folder / "yunet.onnx"

    @property
    def swapper(self) -> Path:
        """Inswapper by contract; outside the pack, which insightface cannot load it from."""
        return self.folder / "inswapper_128.onnx"

    @property
    def occluder(self) -> Path:
        """XSeg by contract."""
        return self.folder / "xseg_1.onnx"

    @property
    def parser(self) -> Path:
        """BiSeNet by contract."""
        return self.folder / "bisenet_resnet_34.onnx"

    def landmarks(self, name: str) -> Path:
        """One of :data:`edged.bench.standins.landmarks.WIDTHS`."""
        return self.folder / f"{name}.onnx"

    def restorer(self, name: str) -> Path:
        """One of :data:`edged.bench.standins.restorers.CONTRACTS`."""
        return self.folder / f"{name}.onnx"


def write_standins(folder: Path) -> StandIns:
    """Build every stand-in, about 4 MB in all.

    Raises:
        OSError: the folder cannot be written to.
    """
    places = StandIns(folder)
    places.pack.mkdir(parents=True, exist_ok=True)
    builders: dict[Path, Callable[[], onnx.ModelProto]] = {
        places.detector: detector.scrfd,
        places.second_detector: detector.yunet,
        places.recogniser: recogniser.build,
        places.swapper: swapper.build,
        places.occluder: masks.xseg,
        places.parser: masks.bisenet,
    }
    builders |= {
        places.restorer(name): partial(restorers.build, name) for name in restorers.CONTRACTS
    }
    builders |= {
        places.landmarks(name): partial(landmarks.build, name) for name in landmarks.WIDTHS
    }
    for path, build in builders.items():
        path.write_bytes(build().SerializeToString(deterministic=True))
    return places
