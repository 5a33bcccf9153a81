"""What marking an outgoing picture costs: source type, label, C2PA by kind of key.

    pytest -s tests/bench/test_marks.py

prints the figures; they gate nothing.  What is asserted is size, which no other load changes.
"""

from __future__ import annotations

import statistics
import time

import c2pa_kit
import cv2
import numpy as np
import pytest
from photos import astronaut
from shots import say

from edged.privacy.egress import seal
from edged.privacy.guard import Passed
from edged.privacy.manifest import ManifestSigner
from edged.privacy.provenance import Marker, xmp_segment
from edged.stages.label import Labeller

RUNS = 30
ID = "0b8b5d8e-5a0c-4f0e-9a57-6a2f7f6b1c11"
EDITED = "compositeWithTrainedAlgorithmicMedia"
XMP_MAX_BYTES, MANIFEST_MAX_BYTES = 600, 6000


def picture():
    large = cv2.resize(astronaut(), (1920, 1080), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large, np.uint8)


def took_ms(work) -> str:
    """Shortest and median time of some runs."""
    found = []
    for _ in range(RUNS):
        start = time.perf_counter_ns()
        work()
        found.append((time.perf_counter_ns() - start) / 1e6)
    return f"{min(found):.2f} ms at best, {statistics.median(found):.2f} ms median"


def test_source_type_and_label():
    """A few hundred bytes, and a label that costs next to nothing."""
    image, faces = picture(), [np.array([100 * n, 90, 100 * n + 80, 200]) for n in range(4)]
    labeller = Labeller()
    say(f"encode and source type: {took_ms(lambda: seal_of(image, Marker()))}")
    say(f"label: {took_ms(lambda: labeller(image, 'AI-edited', faces, 'booth'))}")
    assert len(xmp_segment(EDITED)) < XMP_MAX_BYTES


@pytest.mark.parametrize("alg", ["es256", "ed25519", "ps256"])
def test_signing(tmp_path, alg):
    """The library's own check of what it signed included."""
    c2pa_kit.c2pa()
    signer = ManifestSigner(*c2pa_kit.certificates(tmp_path / alg, alg))
    jpeg = seal_of(picture(), Marker()).jpeg
    more = len(signer(jpeg, EDITED)) - len(jpeg)
    say(f"C2PA, {alg}: {took_ms(lambda: signer(jpeg, EDITED))}, {more} bytes on {len(jpeg)}")
    assert 0 < more < MANIFEST_MAX_BYTES


def seal_of(image, marker):
    return seal(Passed(image), result_id=ID, quality=90, swapped=True, marker=marker)
