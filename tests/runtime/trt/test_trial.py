"""A plan is tried in a process of its own: whatever it does to that one, ours lives."""

import msgspec
import pytest

from edged.errors import EngineError
from edged.runtime.trt import trial
from edged.runtime.trt.trial import FILE, Report
from edged.runtime.trt.trial_child import count_layers


@pytest.mark.usefixtures("child_gpu")
class TestTrials:
    """On the fake TensorRT over a driver in host memory, in the trial's process."""

    def test_a_good_plan_loads_and_runs(self, plan):
        """The report tells its size and what TensorRT made of it."""
        file = plan()
        assert trial.run(file, "swapper") == Report(
            plan_bytes=file.stat().st_size, layers=2, half_layers=1
        )

    @pytest.mark.parametrize(
        ("do", "words"),
        [
            ("crash", "ended by SIGSEGV"),
            ("no run", "no kernel"),
            ("no context", "no context"),
            ("open output", "no fixed extents"),
        ],
    )
    def test_a_bad_plan_is_a_report(self, plan, do, words):
        """A crash, a refusal and a failed run are told apart."""
        assert words in trial.run(plan(do), "swapper").problem

    def test_a_damaged_plan_is_a_report(self, plan):
        """TensorRT's own words are in it."""
        file = plan()
        file.write_bytes(b"\0\1\2")
        assert "Magic tag does not match" in trial.run(file, "swapper").problem

    def test_a_plan_that_is_not_there_is_a_report(self, tmp_path):
        """No process is started for it."""
        assert "cannot be read" in trial.run(tmp_path / "none.plan", "swapper").problem

    def test_without_a_report_the_plan_is_tried(self, plan):
        """The error says what happened and what to do."""
        trial.require(plan(), "swapper")
        with pytest.raises(EngineError, match=r"swapper.*signal 11.*edged engines build swapper"):
            trial.require(plan("crash"), "swapper")

    def test_good_news_beside_the_plan_are_believed(self, plan):
        """A start of the daemon is not slowed by what the build has shown."""
        file = plan("crash")
        good = Report(plan_bytes=file.stat().st_size)
        file.with_name(FILE).write_bytes(msgspec.json.encode(good))
        trial.require(file, "swapper")

    @pytest.mark.parametrize(
        "left", [Report(plan_bytes=1), Report(plan_bytes=15, problem="x"), None]
    )
    def test_other_news_are_not(self, plan, left):
        """Of another plan, bad, or no report at all: it is tried again."""
        file = plan("crash")
        assert file.stat().st_size == 15
        file.with_name(FILE).write_bytes(msgspec.json.encode(left) if left else b"half a rep")
        with pytest.raises(EngineError, match="signal 11"):
            trial.require(file, "swapper")

    def test_a_build_leaves_the_report(self, plan):
        """As JSON beside the plan, bad news as well."""
        file = plan("no run")
        said = trial.write(file, "swapper")
        assert msgspec.json.decode(file.with_name(FILE).read_bytes(), type=Report) == said
        assert "no kernel" in said.problem


def test_layers_are_counted_by_what_they_put_out():
    """Inputs in half precision do not make a layer one of half precision."""
    text = (
        '{"Layers": ["name only", {"Outputs": [{"Format/Datatype": "Half"}]},'
        ' {"Inputs": [{"Format/Datatype": "FP16"}], "Outputs": [{"Format/Datatype": "FP32"}]}]}'
    )
    assert count_layers(text) == (3, 1)


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}"])
def test_a_description_of_another_form_counts_as_none(text):
    """Its form is TensorRT's own and may change."""
    assert count_layers(text) == (0, 0)
