"""`edged run`, `edged engine` and `edged uplink` up to the point where pictures begin."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edged.config.starter import starter
from edged.privacy.launch import launched

ROOT = Path(__file__).parents[2]
IMAGE_CODE = ("numpy", "cv2", "onnxruntime", "sqlite3", "edged.pipeline", "edged.transport.outbox")


def environment(tmp_path, **more):
    kept = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "EDGED_RUN_DIR")}
    return {**kept, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state"), **more}


def edged(tmp_path, *words, **options):
    options.setdefault("env", environment(tmp_path))
    return subprocess.run(
        [sys.executable, "-m", "edged", *words, "--run-dir", str(tmp_path / "run")],
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
        cwd=tmp_path,
        **options,
    )


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "edged.toml"
    text = starter("test").replace("1883", str(free_port()))
    path.write_text(text)
    return path


@pytest.fixture
def broken(config):
    """A configuration that is well-formed and names a photo that is not there."""
    text = config.read_text()
    assert "[identities." in text
    lines = ['photos = ["gone.jpg"]' if n.startswith("photos") else n for n in text.splitlines()]
    config.write_text("\n".join(lines))
    assert "gone.jpg" in config.read_text()
    return config


def need(mode):
    done = subprocess.run(launched(mode, [sys.executable, "-c", ""]), check=False, cwd=ROOT)
    if done.returncode:
        assert not os.environ.get("CI"), f"{mode} must be possible where CI runs"
        pytest.skip(f"this machine gives no {mode}")


@pytest.mark.parametrize("command", ["run", "engine", "uplink"])
def test_a_wrong_configuration_ends_with_78(tmp_path, command):
    """Each of the three says every problem at once and ends with 78."""
    path = tmp_path / "edged.toml"
    path.write_text('[devise]\nname = "x"\n[broker]\nport = "x"\n')
    done = edged(tmp_path, command, "--config", str(path))
    assert done.returncode == 78
    assert "devise" in done.stderr
    assert "broker.port" in done.stderr


def test_an_engine_in_a_shell_leaves_the_network_by_itself(tmp_path, broken):
    """`edged engine` becomes a process in a namespace before it looks at anything else."""
    need("namespace")
    done = edged(tmp_path, "engine", "--config", str(broken))
    assert "isolation: namespace" in done.stderr
    assert done.returncode == 78
    assert "photos[0]" in done.stderr


def test_an_engine_under_a_service_manager_checks_and_refuses(tmp_path, broken):
    """Under systemd the unit must give the isolation: without it the engine ends with 71."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        env = environment(tmp_path, NOTIFY_SOCKET=str(tmp_path / "manager"))
        done = edged(tmp_path, "engine", "--config", str(broken), env=env)
        assert done.returncode == 71
        assert 'asks for "namespace", this process has "off"' in done.stderr
        assert "PrivateNetwork=yes" in done.stderr
        manager.settimeout(10)
        told = b""
        while b"PrivateNetwork=yes" not in told:
            told = manager.recv(65536)
        assert told.startswith(b"STATUS=isolation:")


def test_run_stops_everything_at_a_final_error_of_the_engine(tmp_path, broken):
    """The engine's configuration error is the end of `edged run`: its code, its message."""
    need("namespace")
    done = edged(tmp_path, "run", "--config", str(broken))
    assert done.returncode == 78
    assert "isolation: namespace" in done.stderr
    assert "engine: ended with exit code 78; a new start would not help" in done.stderr
    assert "photos[0]" in done.stderr
    assert not list((tmp_path / "run").glob("*.notify"))


def test_the_uplink_process_has_no_image_code(tmp_path, config):
    """`edged uplink` reports readiness without numpy, OpenCV, a runtime or a database."""
    sitecustomize = tmp_path / "sitecustomize.py"  # runs in the uplink's own interpreter
    sitecustomize.write_text(
        "import atexit, sys\n"
        f"atexit.register(lambda: print('LOADED', [m for m in {IMAGE_CODE} if m in sys.modules]))\n"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        manager.settimeout(30)
        words = ["-m", "edged", "uplink", "--config", str(config), "--run-dir"]
        with subprocess.Popen(
            [sys.executable, *words, str(tmp_path / "run")],
            env=environment(
                tmp_path,
                NOTIFY_SOCKET=str(tmp_path / "manager"),
                PYTHONPATH=f"{tmp_path}:{ROOT}",
            ),
            stdout=subprocess.PIPE,
            text=True,
        ) as uplink:
            while b"READY=1" not in manager.recv(4096):
                pass
            uplink.send_signal(signal.SIGTERM)
            out, _ = uplink.communicate(timeout=30)
    assert uplink.returncode == 0
    assert out.strip().endswith("LOADED []")
