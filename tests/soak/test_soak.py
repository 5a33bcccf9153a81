"""The soak's machinery on a short run, and its verdicts on runs that are made up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from soak.samples import Sample, Usage
from soak.verdict import judge, theil_sen

RUN = Path(__file__).with_name("run.py")
SEEDED = 7


def run_of(count=60, **changes):
    """Samples of a device that stays as it is, but for what changes by the share of the run."""
    rng = np.random.default_rng(SEEDED)
    change = dict.fromkeys(("rss_mb", "fds", "threads", "slower", "machine", "fps"), lambda _: 0)
    change |= changes
    samples = []
    for number in range(count):
        share = number / (count - 1)
        add = {name: function(share) for name, function in change.items()}
        busy = 1 + add["machine"]  # what slows the device and the control alike
        slow = busy * (1 + add["slower"])
        usage = Usage(500 + add["rss_mb"], 58 + add["fds"], 28 + add["threads"], 90.0)
        samples.append(
            Sample(
                at_s=30.0 * (number + 1), engine=usage, uplink=Usage(43.0, 15, 3, 1.0),
                sent_fps=12.0, shown_fps=12.0 + add["fps"], depth=2,
                frames_ms=[float(x) * slow for x in rng.gamma(8, 10, 360)],
                shots_ms=[float(x) * slow for x in rng.gamma(20, 20, 5)],
                control_ms=[float(x) * busy for x in rng.normal(100, 5, 18)],
            )
        )  # fmt: skip
    return samples


def broken(samples):
    return {one.what for one in judge(samples) if not one.held}


def test_a_device_that_stays_as_it_is_keeps_every_promise():
    """Memory that settles during the warm-up is no growth."""
    assert broken(run_of()) == set()
    assert broken(run_of(rss_mb=lambda share: 80 * min(1.0, share / 0.15))) == set()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"rss_mb": lambda share: 20 * share}, "engine memory"),
        ({"fds": lambda share: int(4 * share)}, "engine fds"),
        ({"threads": lambda share: int(share > 0.8)}, "engine threads"),
        ({"slower": lambda share: 0.3 * (share > 0.7)}, "shots p95"),
        ({"slower": lambda share: 0.3 * (share > 0.7)}, "frames p95"),
        ({"slower": lambda share: 0.12 * (share > 0.7)}, "frames p95"),
        ({"fps": lambda share: -4 * (share > 0.7)}, "frames shown"),
    ],
)
def test_each_kind_of_decline_is_called_out(change, found):
    """4 % of memory, one thread, three descriptors, a third slower or an eighth, fewer frames."""
    assert found in broken(run_of(**change))


def test_a_machine_that_slows_down_is_not_the_device_s_fault():
    """The control load beside each shot has slowed down with it."""
    assert broken(run_of(machine=lambda share: 2.0 * (share > 0.7))) == set()


def test_a_single_peak_does_not_bend_the_slope():
    """Theil-Sen: 10 MB an hour, with a peak of 500 MB in the middle."""
    points = [(x / 60, 500 + 10 * x / 60 + (500 if x == 30 else 0)) for x in range(60)]
    assert theil_sen(points) == pytest.approx(10.0)


@pytest.mark.usefixtures("test_models")
@pytest.mark.timeout(400)
def test_a_planted_leak_is_called_out(tmp_path):
    """20 seconds of the real thing, whose engine leaks from half time on: all of it is seen."""
    done = subprocess.run(
        [sys.executable, str(RUN), "--minutes", "0.34", "--sample-every-s", "1", "--leak",
         "--shot-every-s", "1", "--json", "--chart", str(tmp_path / "soak.png")],
        check=False, capture_output=True, text=True, timeout=380,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    bad = {one["what"] for one in told["findings"] if not one["held"]}
    assert {"engine memory", "engine fds", "engine threads"} <= bad
    assert "uplink memory" not in bad
    assert told["samples"][-1]["at_s"] > 20
    assert any(sample["frames_p95_ms"] for sample in told["samples"])
    assert any(sample["shots_ms"] for sample in told["samples"])
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
