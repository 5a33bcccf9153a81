"""Which runtime serves: required, preferred or the best, each with its reason."""

from __future__ import annotations

import pytest

from edged.errors import EngineError
from edged.runtime.choice import ORDER, Refusal, Served, Wish, choose, summary
from edged.runtime.libraries import Finding

NO_DRIVER = Refusal.of([Finding("no-driver", "no CUDA driver", "install one")])


def offering(*names, why=NO_DRIVER):
    """Only these runtimes work, the CPU in FP32."""
    served = {name: Served("fp32" if name == "cpu" else "fp16-planned") for name in names}
    return lambda name: served.get(name, why)


def test_a_required_runtime_serves_or_stops_the_start():
    """The error names it, the reason and the cure; no other one is tried."""
    assert choose(Wish(require="cuda"), offering("cuda", "tensorrt")).name == "cuda"
    with pytest.raises(EngineError, match=r"cuda is required.*no CUDA driver; install one"):
        choose(Wish(require="cuda"), offering("cpu"))


def test_a_preferred_runtime_gives_way_to_the_next_best_and_says_so():
    """Marked as not wished for, with the reason for people and for machines."""
    choice = choose(Wish(prefer="tensorrt"), offering("cuda", "cpu"))
    assert (choice.name, choice.wished, choice.slug) == ("cuda", False, "tensorrt-no-driver")
    assert "tensorrt is preferred, cuda serves" in choice.reason
    assert "install one" in choice.reason


def test_a_preferred_runtime_that_works_is_as_wished():
    """Nothing is wrong then."""
    choice = choose(Wish(prefer="cuda"), offering(*ORDER))
    assert (choice.name, choice.wished, choice.slug) == ("cuda", True, "")


@pytest.mark.parametrize(
    ("works", "best"),
    [(ORDER, "tensorrt"), (("cpu", "cuda"), "cuda"), (("cpu", "tensorrt-rtx"), "tensorrt-rtx")],
)
def test_without_a_wish_the_best_that_works_serves(works, best):
    """In the order of preference, and why not a better one."""
    choice = choose(Wish(), offering(*works))
    assert (choice.name, choice.wished) == (best, True)
    assert ("not tensorrt" in choice.reason) == (best != "tensorrt")


def test_better_ones_that_lack_the_same_are_named_together():
    """The first reason of each is enough where nobody asked for one."""
    found = [Finding("no-driver", "no CUDA driver", "install one"), Finding("x", "y", "z")]
    choice = choose(Wish(), offering("cpu", why=Refusal.of(found)))
    assert choice.reason == (
        "cpu is the best here; not tensorrt, tensorrt-rtx, cuda: no CUDA driver; install one"
    )


def test_the_precision_is_the_one_that_serves():
    """Half precision is said of nothing that runs in FP32."""
    assert choose(Wish(prefer="cuda"), offering("cuda", "cpu")).precision == "fp16-planned"
    assert choose(Wish(prefer="cuda"), offering("cpu")).precision == "fp32"


def test_a_model_that_is_required_and_absent_is_named():
    """The operator learns which engine to build."""
    stale = Refusal("engine-absent", "no engine of gfpgan was built; run `edged engines build`")
    with pytest.raises(EngineError, match=r"model gfpgan: .*edged engines build"):
        choose(Wish(require="tensorrt"), offering(why=stale), model_id="gfpgan")


def test_when_nothing_works_the_last_reason_is_told():
    """Not even onnxruntime is installed."""
    with pytest.raises(EngineError, match="no runtime can be had"):
        choose(Wish(prefer="cuda"), offering())


def test_the_device_tells_of_a_model_that_strays():
    """One engine that is stale degrades the device that prefers its runtime."""
    device = choose(Wish(prefer="cuda"), offering("cuda", "cpu"))
    stale = choose(
        Wish(prefer="cuda"), offering("cpu", why=Refusal("engine-stale", "is stale")), model_id="r"
    )
    found = summary(device, {"swapper": device, "r": stale})
    assert (found.name, found.wished, found.slug) == ("mixed", False, "cuda-engine-stale")
    assert "r runs on cpu" in found.reason
    assert found.precision == "mixed"


def test_models_that_agree_change_nothing():
    """But the precision, which is theirs."""
    device = choose(Wish(), lambda name: Served() if name == "cuda" else NO_DRIVER)
    one = choose(Wish(), offering("cuda", "cpu"))
    found = summary(device, {"a": one, "b": one})
    assert (found.reason, found.precision) == (device.reason, "fp16-planned")


def test_the_device_bears_no_name_of_a_runtime_that_serves_nothing():
    """TensorRT works here, and every model still runs on the CPU."""
    device = choose(Wish(), offering(*ORDER))
    absent = Refusal("engine-absent", "was not built")
    one = choose(Wish(), offering("cpu", why=absent), model_id="m")
    found = summary(device, {"m": one})
    assert (device.name, found.name, found.precision) == ("tensorrt", "cpu", "fp32")
    assert "m runs on cpu" in found.reason
