"""Real weights through graph surgery: opened for several faces, and proven."""

from __future__ import annotations

from graph_kit import of_file

from edged.runtime.graph.proof import is_batched, prove_batch


def test_a_real_recogniser_that_is_fixed_at_one_takes_several_faces(test_models):
    """MobileFaceNet's export of opset 18 names its batch of one in a reshape."""
    with of_file(test_models / "mobilefacenet_128d.onnx", "w600k_mbf") as session:
        assert is_batched(session)
        proof = prove_batch(session)
    assert proof.ok, proof
