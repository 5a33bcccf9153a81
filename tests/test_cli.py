"""The command line: lazy, complete, documented, and quiet about errors."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
import typer

from edged import __version__, cli, errors

SLOW = ("cv2", "numpy", "onnx", "onnxruntime", "zmq", "paho", "cryptography", "msgspec")


def leaves() -> list[tuple[str, ...]]:
    """Every command that can be run, sub-commands included, as its words."""
    found: list[tuple[str, ...]] = []
    for name in cli.COMMANDS:
        command = cli.load(name)
        below = getattr(command, "commands", {})
        found += [(name, sub) for sub in below] or [(name,)]
    return found


def edged(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edged", *words], capture_output=True, text=True, check=False
    )


def test_help_lists_every_command():
    """`edged --help` names all commands of the table."""
    shown = edged("--help").stdout
    assert [name for name in cli.COMMANDS if f" {name} " not in shown] == []


def test_every_command_has_help():
    """Each command and sub-command says what it does."""
    tops = [cli.load(name) for name in cli.COMMANDS]
    below = [sub for top in tops for sub in getattr(top, "commands", {}).values()]
    assert [each.name for each in [*tops, *below] if not (each.help or "").strip()] == []


def test_every_command_is_in_the_readme(checkout):
    """A command that the README does not show does not exist for most people."""
    readme = (checkout / "README.md").read_text(encoding="utf-8")
    absent = [" ".join(words) for words in leaves() if f"edged {' '.join(words)}" not in readme]
    assert absent == []


def test_start_up_is_lazy():
    """`edged --help` loads no picture code, no runtime, no socket library."""
    probe = (
        "import sys\n"
        "from edged.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {SLOW!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version():
    """`edged --version` prints name and version."""
    assert edged("--version").stdout.strip() == f"edged {__version__}"


def test_a_mistyped_command_gets_a_suggestion():
    """`edged sedn` asks whether `send` was meant, and ends with 2."""
    done = edged("sedn")
    assert done.returncode == 2
    assert "'send'" in done.stderr


def raising(error: BaseException) -> typer.models.CommandFunctionType:
    def command() -> None:
        raise error

    return command


def run_with(monkeypatch, error: BaseException) -> int:
    """Exit code of a command that raises `error`."""
    module = importlib.import_module("edged.errors")
    monkeypatch.setattr(module, "fails", raising(error), raising=False)
    monkeypatch.setitem(cli.COMMANDS, "fails", cli.Entry("edged.errors", "fails", "Fail."))
    with pytest.raises(SystemExit) as end:
        cli.main(["fails"])
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    "error",
    [
        errors.ConfigError("device.name = 3: must be text [not a number]"),
        errors.ModelError("det_10g is not here; run `edged models pull det_10g`"),
        errors.FrameError("bad-image", "cannot be decoded"),
        errors.OperatorError("no namespace"),
    ],
)
def test_errors_become_message_and_exit_code(monkeypatch, capsys, error):
    """What edged raises on purpose ends as its own message, unaltered, and its exit code."""
    assert run_with(monkeypatch, error) == error.exit_code
    shown = capsys.readouterr().err
    assert shown == f"edged: {error}\n"


def test_ctrl_c_ends_with_130_and_no_traceback(monkeypatch, capsys):
    """An interrupted command says nothing more."""
    assert run_with(monkeypatch, KeyboardInterrupt()) == 130
    assert "Traceback" not in capsys.readouterr().err
