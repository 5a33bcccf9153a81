"""`edged doctor` on the machine that runs the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import msgspec
import pytest

from edged.commands.doctor import _as_seen_by, doctor
from edged.config.starter import starter
from edged.doctor.box import User
from edged.doctor.checks import ALL
from edged.doctor.finding import GROUPS, Group, Level
from edged.doctor.report import FAILED, WARNED

QUICK = "system,python,config,guard"


class CheckRow(msgspec.Struct, forbid_unknown_fields=True):
    """One of `checks`."""

    id: str
    group: Group
    title: str
    level: Level
    took_ms: float


class FindingRow(msgspec.Struct, forbid_unknown_fields=True):
    """One of `findings`."""

    id: str
    check: str
    group: Group
    level: Level
    what: str
    where: str
    advice: str
    cure: list[str]
    data: dict[str, object]


class ConfigRow(msgspec.Struct, forbid_unknown_fields=True):
    """The value of `config`."""

    path: str
    state: str


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """The whole document."""

    v: int
    edged: str
    config: ConfigRow
    user: str
    counts: dict[Level, int]
    exit_code: int
    checks: list[CheckRow]
    findings: list[FindingRow]


@pytest.fixture
def edged(tmp_path):
    """`edged(*words)`: the command in an empty folder with a state of its own."""

    def run(*words, **more):
        env = {name: value for name, value in os.environ.items() if name != "EDGED_CONFIG"}
        return subprocess.run(
            [sys.executable, "-m", "edged", "doctor", *words],
            check=False, capture_output=True, text=True, timeout=110, cwd=tmp_path,
            env={**env, "STATE_DIRECTORY": str(tmp_path / "state"), "COLUMNS": "80", **more},
        )  # fmt: skip

    return run


def quick(edged, *words):
    """With checks that start no process."""
    return edged(*words, *(word for name in QUICK.split(",") for word in ("--only", name)))


def test_the_whole_document_has_its_form(edged):
    """Every check runs on this very machine, and the document is what its docstring says."""
    done = edged("--json")
    document = msgspec.json.decode(done.stdout, type=Document)
    assert [row.id for row in document.checks] == [check.id for check in ALL]
    assert [row.id for row in document.findings if row.id.endswith((".error", ".timeout"))] == []
    assert document.exit_code == done.returncode
    assert sum(document.counts.values()) == len(document.findings)
    assert {row.id.partition(".")[0] for row in document.findings} <= {c.id for c in ALL}


def test_without_a_terminal_there_is_the_result_alone(edged):
    """No progress, no colour; the summary names the exit code."""
    done = quick(edged)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert f"Exit code {done.returncode}." in done.stdout


def test_errors_of_the_configuration_fail_and_leave_out_what_asks_it(edged, tmp_path):
    """Each error is one finding with its key, and 71 is the exit code."""
    path = tmp_path / "edged.toml"
    path.write_text(starter("booth").replace("[cameras.booth]", "[camera.booth]"))
    done = quick(edged, "--json", "--config", str(path))
    document = json.loads(done.stdout)
    assert done.returncode == FAILED
    failed = [one["id"] for one in document["findings"] if one["level"] == "fail"]
    assert set(failed) == {"config.error"}
    assert len(failed) >= 2
    assert "guard.left-out" in [one["id"] for one in document["findings"]]


def test_it_runs_where_nothing_of_ours_loads(edged, tmp_path):
    """Without numpy, OpenCV, ONNX, ZeroMQ and onnxruntime there are findings, no traceback."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in {'numpy', 'cv2', 'onnx', 'onnxruntime', 'zmq', 'paho'}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Gone())\n"
    )
    done = edged("--json", PYTHONPATH=str(tmp_path))
    document = msgspec.json.decode(done.stdout, type=Document)
    assert "Traceback" not in done.stderr
    assert done.returncode == FAILED
    failed = {row.id: row.what for row in document.findings if row.level == "fail"}
    assert "opencv.broken" in failed
    assert any("numpy" in row.what for row in document.findings if row.check == "packages")


def test_only_takes_checks_and_groups(edged):
    """Both are names for `--only`, and `--list` says what would be looked at."""
    listed = json.loads(edged("--list", "--json", "--only", "network", "--only", "clock").stdout)
    assert [row["id"] for row in listed["checks"]] == ["clock", "broker"]


def test_an_unknown_check_gets_a_suggestion(edged):
    """`--only gaurd` asks whether guard was meant, and ends with 2."""
    done = edged("--only", "gaurd")
    assert done.returncode == 2
    assert '"guard"' in done.stderr


def test_a_user_that_is_not_there_is_a_mistake_of_the_caller(edged):
    """It ends with 2, before anything is looked at."""
    done = edged("--user", "nobody-of-this-name")
    assert done.returncode == 2
    assert done.stdout == ""


def test_another_users_state_folder_is_looked_at(tmp_path, monkeypatch):
    """Its home tells where; what the environment names goes before."""
    monkeypatch.setenv("STATE_DIRECTORY", "")
    _as_seen_by(User("edged", 4711, frozenset()))
    assert os.environ["STATE_DIRECTORY"] == "/var/lib/edged"
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    _as_seen_by(User("daemon", 4711, frozenset()))
    assert os.environ["STATE_DIRECTORY"] == str(tmp_path)


def test_the_help_names_the_exit_codes():
    """What `--help` says of exit codes is what the report gives."""
    assert f"{FAILED} when something does" in (doctor.__doc__ or "")
    assert f"--strict {WARNED} when" in (doctor.__doc__ or "").replace("\n    ", " ")


def test_no_name_means_two_things():
    """`--only NAME` is a group or a check, and no two checks share a name."""
    names = [*(check.id for check in ALL), *GROUPS]
    assert len(names) == len(set(names))
