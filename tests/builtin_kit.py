"""What the built-in pack's tests share: sessions on the generated files and a swap."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import onnxruntime as ort

from edged.builtin.mask import inner_face_mask
from edged.builtin.pack import pack_bytes
from edged.builtin.swapper import emap
from edged.geometry import similarity, template


@lru_cache(maxsize=4)
def session(name: str) -> ort.InferenceSession:
    """An onnxruntime session on a generated file, one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(pack_bytes(name), options, providers=["CPUExecutionProvider"])


def crop(image, landmarks, name: str, size: int):
    """An aligned crop (size, size, 3) uint8 BGR and its (2, 3) matrix."""
    matrix = similarity(landmarks, template(name, size))
    return cv2.warpAffine(image, matrix, (size, size)), matrix


def planes(images, mean: float, scale: float):
    """(n, s, s, 3) uint8 BGR to (n, 3, s, s) float32 RGB, less the mean, over the scale."""
    rgb = np.stack(images)[..., ::-1].astype(np.float32)
    return np.ascontiguousarray(((rgb - mean) / scale).transpose(0, 3, 1, 2), np.float32)


def pictures(values):
    """(n, 3, s, s) float32 RGB 0..1 to (n, s, s, 3) uint8 BGR."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)[..., ::-1]


def embed(image, landmarks):
    """Unit embedding (512,) of one face by the built-in recogniser."""
    face, _ = crop(image, landmarks, "arcface_112", 112)
    vector = session("builtin_recogniser").run(None, {"input.1": planes([face], 127.5, 127.5)})[0][
        0
    ]
    return vector / np.linalg.norm(vector)


def latent(embedding):
    """What a host feeds the swapper: the embedding through the emap, at length 1."""
    mapped = embedding @ emap()
    return (mapped / np.linalg.norm(mapped)).astype(np.float32)


def swap(image, landmarks, embedding):
    """A copy of the picture with one face swapped and pasted."""
    face, matrix = crop(image, landmarks, "arcface_128", 128)
    made = session("builtin_swapper").run(
        None, {"target": planes([face], 0, 255), "source": latent(embedding)[None]}
    )[0]
    size = (image.shape[1], image.shape[0])
    back = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    layer = cv2.warpAffine(np.ascontiguousarray(pictures(made)[0]), matrix, size, flags=back)
    alpha = cv2.warpAffine(inner_face_mask(128), matrix, size, flags=back)[..., None]
    return np.rint(image + (layer - image.astype(np.float32)) * alpha).astype(np.uint8)


def likeness(one, other) -> float:
    """Correlation of two (112, 112, 3) crops' lightness between brows and chin.

    A plane is fitted and taken off each, so that light from one side does not count.
    """
    y, x = np.mgrid[38:104, 24:88]
    plane = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)
    flat = []
    for image in (one, other):
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[38:104, 24:88].astype(np.float64).ravel()
        flat.append(gray - plane @ np.linalg.lstsq(plane, gray, rcond=None)[0])
    return float(flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1]))
