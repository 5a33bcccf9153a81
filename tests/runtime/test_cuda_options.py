"""Options of the CUDA provider, looked at before onnxruntime sees them."""

from __future__ import annotations

import pytest

from edged.runtime.cuda_options import CudaSettings, option_findings


def test_an_option_of_another_provider_is_told_from_one_of_this():
    """The often-copied fp16_enable is TensorRT's; FP16 is in the graph."""
    (wrong,) = option_findings({"fp16_enable": "1", "use_tf32": "0"})
    assert wrong.slug == "unknown-option"
    assert "FP16 is in the graph" in wrong.cure


def test_a_misspelt_option_is_met_with_the_right_one():
    """As everywhere in the configuration."""
    (wrong,) = option_findings({"cudnn_conv_algo_serach": "HEURISTIC"})
    assert "did you mean cudnn_conv_algo_search?" in wrong.problem


@pytest.mark.parametrize("name", ["device_id", "user_compute_stream", "enable_cuda_graph"])
def test_what_edged_sets_itself_is_refused(name):
    """Two words on one thing."""
    (wrong,) = option_findings({name: "1"})
    assert wrong.slug == "own-option"


def test_the_operator_s_options_reach_the_provider():
    """Over our defaults, beside the bound of memory."""
    settings = CudaSettings(memory_mb=512, options={"cudnn_conv_algo_search": "HEURISTIC"})
    told = settings.provider_options(7, graphs=True, half=False)
    assert told["cudnn_conv_algo_search"] == "HEURISTIC"
    assert told["gpu_mem_limit"] == str(512 << 20)
    assert (told["user_compute_stream"], told["enable_cuda_graph"]) == ("7", "1")
    assert told["use_tf32"] == "0"
    assert "prefer_nhwc" not in told


def test_half_precision_gets_the_tensor_cores():
    """Which the provider gives with TF32 alone; what the operator says wins."""
    told = CudaSettings().provider_options(7, graphs=True, half=True)
    assert (told["use_tf32"], told["prefer_nhwc"]) == ("1", "1")
    plain = CudaSettings(options={"use_tf32": "0", "prefer_nhwc": "0"})
    told = plain.provider_options(7, graphs=True, half=True)
    assert (told["use_tf32"], told["prefer_nhwc"]) == ("0", "0")


def test_settings_that_change_numbers_are_part_of_an_engine_s_identity():
    """A bound of memory is not."""
    assert CudaSettings(memory_mb=100, graphs=False).numbers == {}
    assert CudaSettings(tf32=True, options={"b": "2", "a": "1"}).numbers == {
        "TF32": "on", "provider options": "a=1, b=2",
    }  # fmt: skip
