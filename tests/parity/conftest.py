"""The unmodified insightface package and edged's stages on the same ONNX files."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from graph_kit import of_file

from edged.bench.standins.pack import write_standins
from edged.runtime.onnx import OnnxSession
from edged.stages.embed import Embedder
from edged.stages.scrfd import Scrfd

insightface = pytest.importorskip("insightface")


@dataclass
class Pair:
    """One pack, loaded by both."""

    app: Any
    detector: Scrfd
    embedder: Embedder


def load_pair(folder: Path, detector: str, recogniser: str, stack: ExitStack) -> Pair:
    """Both sides on a folder with exactly one detector and one recogniser."""
    with contextlib.redirect_stdout(io.StringIO()):
        app = insightface.app.FaceAnalysis(
            name=str(folder),
            allowed_modules=["detection", "recognition"],
            providers=["CPUExecutionProvider"],
        )
    app.prepare(ctx_id=-1, det_size=(640, 640))

    def session(name: str, recipe_id: str) -> OnnxSession:
        return stack.enter_context(of_file(folder / name, recipe_id, name))

    return Pair(
        app,
        Scrfd(session(detector, detector.removesuffix(".onnx"))),
        Embedder(session(recogniser, "w600k_r50")),
    )


@pytest.fixture(scope="session")
def standins(tmp_path_factory):
    """The stand-in files."""
    return write_standins(tmp_path_factory.mktemp("standins"))


@pytest.fixture(scope="session")
def standin_pair(standins) -> Iterator[Pair]:
    """Stand-in SCRFD and recogniser."""
    with ExitStack() as stack:
        yield load_pair(standins.pack, "det_10g.onnx", "w600k_r50.onnx", stack)


@pytest.fixture(scope="session")
def real_pair(test_models, tmp_path_factory) -> Iterator[Pair]:
    """The real det_500m and a real recogniser, alone in a folder as insightface wants it."""
    folder = tmp_path_factory.mktemp("real")
    for name in ("det_500m.onnx", "mobilefacenet_128d.onnx"):
        (folder / name).symlink_to(test_models / name)
    with ExitStack() as stack:
        yield load_pair(folder, "det_500m.onnx", "mobilefacenet_128d.onnx", stack)


@pytest.fixture(autouse=True)
def _quiet():
    """scikit-image warns at every estimate that insightface makes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
