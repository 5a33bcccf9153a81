"""What `edged bench --models synthetic` promises of its report; never how long anything takes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edged.bench import sizes
from edged.bench.frames import Case
from edged.bench.networks import Wish
from edged.bench.openings import opening
from edged.bench.paired import Paired
from edged.bench.synthetic.subjects import feeds, subject
from edged.cli import main
from edged.errors import ConfigError, EngineError
from edged.recipe import Batch
from edged.runtime.precision.metrics import Bound
from edged.runtime.precision.plan import write_plan
from edged.runtime.precision.search import find_plan
from edged.runtime.session import Meter

NARROW = 0.03
KEYS = {"machine", "versions", "runtime", "weights", "networks", "models", "frames"}
MODEL_KEYS = {"recipe", "precision", "gmac", "batched", "note", "batches"}
BATCH_KEYS = {"faces", "p50_ms", "p95_ms", "gmac_per_s", "resident_p50_ms"}
FRAME_KEYS = {
    "precision", "width", "height", "faces", "p50_ms", "p95_ms", "session_ms", "host_ms",
    "host_share", "resident", "planned",
}  # fmt: skip
"""Written out here so that a renamed field is noticed."""


def _bench(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--models", "synthetic", *words])
    return ended.value.code, capsys.readouterr()


def test_json_has_the_documented_form(capsys):
    """One object on stdout: the networks asked for at each batch, and each frame."""
    code, said = _bench(
        capsys, "--json", "--runs", "1", "--width", str(NARROW), "--threads", "1",
        "--recipes", "w600k_r50,det_10g", "--batches", "2,1", "--cases", "720p:1",
    )  # fmt: skip
    assert not code
    document = json.loads(said.out)
    assert set(document) == KEYS
    assert document["runtime"] == {"name": "cpu"}
    assert document["weights"].startswith("random (stand-in)")
    recogniser, detector = document["models"]
    assert set(recogniser) == MODEL_KEYS
    assert [batch["faces"] for batch in recogniser["batches"]] == [1, 2]
    assert set(recogniser["batches"][0]) == BATCH_KEYS
    assert [batch["faces"] for batch in detector["batches"]] == [1]
    (frame,) = document["frames"]
    assert set(frame) == FRAME_KEYS
    assert (frame["height"], frame["faces"]) == (720, 1)
    assert 0 < frame["host_share"] < 1


def test_a_runtime_that_is_not_here_is_an_error_with_the_cure(capsys):
    """No figure of the CPU is given in the place of one that cannot be had."""
    code, said = _bench(capsys, "--runtime", "cuda", "--width", str(NARROW))
    assert code == EngineError.exit_code
    assert "cuda" in said.err
    assert "run:" in said.err or "install" in said.err
    assert not said.out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--recipes", "simswap"), "simswap"),
        (("--batches", "0"), "from 1 to 64"),
        (("--runtime", "vulkan"), "vulkan"),
        (("--cases", "8k"), "8k"),
        (("--no-binding",), "only --runtime cuda with --no-graphs"),
    ],
)
def test_what_cannot_be_measured_is_said_first(capsys, words, hint):
    """A wrong option ends the command before any network is built."""
    code, said = _bench(capsys, *words)
    assert code == ConfigError.exit_code
    assert hint in said.err


def test_stand_ins_take_no_other_runtime(capsys):
    """The default bench runs on the CPU and does not pass for another."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--runtime", "cuda"])
    assert ended.value.code == ConfigError.exit_code
    assert "--models synthetic" in capsys.readouterr().err


def test_tables_say_what_the_weights_are(capsys):
    """A person reads that these are stand-ins, their width and the runtime."""
    code, said = _bench(
        capsys, "--runs", "1", "--width", str(NARROW), "--recipes", "det_10g", "--cases", "none",
        "--threads", "1",
    )  # fmt: skip
    assert not code
    assert "det_10g" in said.out
    assert "Stand-in networks, width 0.03, on cpu" in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 80


class _Half:
    """The CPU as a runtime that computes FP16: opens both graphs and counts them."""

    def __init__(self):
        self.opened = []
        self._cpu = opening("cpu", threads=1)

    def opening(self):
        from edged.bench.openings import Opening

        return Opening("half", {"GPU": "none"}, half=True, open=self._open)

    def _open(self, model, model_id, batch, meter):
        kinds = {tensor.data_type for tensor in model.graph.initializer}
        self.opened.append((model_id, 10 in kinds, batch.max))
        return self._cpu.open(model, model_id, batch, meter)


def _plan(recipe_id, folder):
    """A plan of the narrow network, within no bound at all."""
    import hashlib

    from edged.bench.synthetic import build

    raw = build(recipe_id, width=NARROW).SerializeToString(deterministic=True)
    made = subject(recipe_id, seed=0, width=NARROW, plans=None)
    inputs = [dict(feeds(made.fp32.model, made.recipe, 1))]
    report = find_plan(made.fp32.model, inputs, inputs, bound=Bound())
    write_plan(
        report.plan(recipe_id, hashlib.sha256(raw).hexdigest(), "one drawn crop"),
        folder / f"{recipe_id}.toml",
    )


def test_planned_networks_are_timed_beside_fp32(tmp_path):
    """With a plan that fits there are two rows, one of them of an FP16 graph."""
    _plan("w600k_r50", tmp_path)
    half = _Half()
    wish = Wish(("w600k_r50",), seed=0, width=NARROW, runs=1, batches=(1, 4), plans=tmp_path)
    report = sizes.run(wish, half.opening())
    assert [model.precision for model in report.models] == ["fp32", "fp16-planned"]
    assert half.opened == [("w600k_r50", False, 4), ("w600k_r50", True, 4)]
    assert all(batch.resident_p50_ms for model in report.models for batch in model.batches)


def test_a_plan_of_another_network_is_not_used_and_said(tmp_path):
    """Another seed is another network: only FP32 is measured, with the reason."""
    _plan("w600k_r50", tmp_path)
    wish = Wish(("w600k_r50",), seed=1, width=NARROW, runs=1, batches=(1,), plans=tmp_path)
    (only,) = sizes.run(wish, _Half().opening()).models
    assert only.precision == "fp32"
    assert "another model file" in only.note


def test_a_missing_plan_is_said_with_the_command_that_makes_it(tmp_path):
    """FP32 alone, and how to get FP16 beside it."""
    wish = Wish(("w600k_r50",), seed=0, width=NARROW, runs=1, batches=(1,), plans=tmp_path)
    (only,) = sizes.run(wish, _Half().opening()).models
    assert "edged calibrate precision w600k_r50 --models synthetic" in only.note


def test_the_whole_pipeline_runs_the_large_networks_too(tmp_path):
    """Detector, recogniser, swapper and restorer are opened twice: the large and the small."""
    half = _Half()
    wish = Wish((), seed=0, width=NARROW, runs=1, batches=(1,), plans=tmp_path)
    (frame,) = sizes.run(wish, half.opening(), [Case(1280, 720, 1)]).frames
    ids = [model_id for model_id, _, _ in half.opened]
    assert {ids.count(i) for i in ("det_10g", "w600k_r50", "inswapper_128", "gfpgan_1.4")} == {2}
    assert ids.count("yunet") == 1
    assert frame.session_ms < frame.p50_ms


def test_the_whole_pipeline_can_keep_its_frames_on_the_device(tmp_path):
    """By the same picture graphs as the daemon; here the device is host memory."""
    half = _Half()
    wish = Wish((), seed=0, width=NARROW, runs=1, batches=(1,), plans=tmp_path)
    case = [Case(1280, 720, 1)]
    (frame,) = sizes.run(wish, half.opening(), case, resident=True).frames
    assert frame.resident
    assert {"picture-cropper", "picture-paster-1"} <= {model_id for model_id, _, _ in half.opened}


def test_a_frame_names_the_networks_that_ran_by_plan(tmp_path):
    """One plan is no claim for the other networks; a plan of another seed is none at all."""
    _plan("w600k_r50", tmp_path)
    for seed, wanted in ((0, [[], ["w600k_r50"]]), (1, [[]])):
        wish = Wish((), seed=seed, width=NARROW, runs=1, batches=(1,), plans=tmp_path)
        frames = sizes.run(wish, _Half().opening(), [Case(1280, 720, 1)]).frames
        assert [frame.planned for frame in frames] == wanted


def test_a_pair_runs_both_and_answers_with_the_small_one():
    """Both sessions see the feeds; what comes back is the stand-in's."""
    made = subject("w600k_r50", seed=0, width=NARROW, plans=None)
    other = subject("w600k_r50", seed=1, width=NARROW, plans=None)
    inputs = feeds(made.fp32.model, made.recipe, 2)
    cpu = opening("cpu", threads=1)
    small, large = Meter(), Meter()
    with (
        cpu.open(made.fp32.model, "w600k_r50", Batch(), small) as answering,
        cpu.open(other.fp32.model, "w600k_r50", Batch(), large) as costly,
    ):
        pair = Paired(answering, costly)
        (together,) = pair.run(inputs)
        (alone,) = answering.run(inputs)
        assert np.array_equal(together, alone)
        resident = pair.run_resident({k: pair.upload(v) for k, v in inputs.items()})
        assert np.array_equal(pair.download(resident[0]), alone)
    assert large.runs == 2
