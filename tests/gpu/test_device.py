"""A whole device on a real GPU: its engines accepted, its pictures the CPU's, its walls closed."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest
from booth import Booth
from device_kit import device
from mosquitto import wait_for
from photos import astronaut

from edged.builtin.pack import write_pack
from edged.config import load
from edged.daemon.assemble import assemble
from edged.pipeline.parts import Job
from edged.privacy.guard import Passed

BUILD_S = 900
RUNTIME = '[runtime]\nrequire = "{}"\n[engines]\nfolder = "engines"\n'
MOST_LEVELS = 8
"""A grey level for each paste, and what a swap and a restoration in FP32 differ by on a GPU."""
USUAL_LEVELS = 0.1
BUILTIN = {"builtin_recogniser", "builtin_swapper"}


def build(config):
    """What `edged engines build` says."""
    done = subprocess.run(
        [sys.executable, "-m", "edged", "engines", "build", "--config", str(config), "--json"],
        check=False, capture_output=True, text=True, timeout=BUILD_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def shown(file, runtime):
    """What a device makes of the astronaut, on the runtime that it requires."""
    config = load(file)
    with ExitStack() as stack:
        kit = assemble(config, stack)
        assert (kit.choice.name, kit.choice.wished) == (runtime, True)

        def on_device():
            kit.residency(astronaut())
            return kit.residency.runtime == runtime

        if runtime != "cpu":  # TensorRT's picture engines are looked for in the background
            wait_for(on_device, 60, "the frame stays on the GPU")
        job = Job("booth", "hide", config.scenes["hide"], whole=True)
        return kit.pipeline.process(astronaut(), job)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    write_pack(folder)
    return folder


@pytest.fixture(scope="module")
def configured(backend, pack, tmp_path_factory):
    """(configuration file, what building its engines said) of a device on the GPU."""
    file = tmp_path_factory.mktemp("device") / "edged.toml"
    file.write_text(device(pack, RUNTIME.format(backend.name)))
    return file, build(file)


@pytest.mark.timeout(BUILD_S)
def test_every_engine_is_accepted(backend, configured):
    """Built in a process of its own, tried in another, held against FP32."""
    _, papers = configured
    assert {paper["model"] for paper in papers} == BUILTIN
    assert all(paper["accepted"] for paper in papers), papers
    assert all(paper["depends"]["runtime"] == backend.name for paper in papers), papers


@pytest.mark.timeout(BUILD_S)
def test_a_shot_is_the_cpu_s_but_for_rounding(backend, configured, pack, tmp_path):
    """The same faces, the same ruling; the frame stays on the GPU."""
    cpu = tmp_path / "cpu.toml"
    cpu.write_text(device(pack, RUNTIME.format("cpu")))
    outcomes = [shown(cpu, "cpu"), shown(configured[0], backend.name)]
    assert [type(outcome.ruling) for outcome in outcomes] == [Passed, Passed]
    assert outcomes[0].faces == outcomes[1].faces
    here, there = (outcome.ruling.image.astype(int) for outcome in outcomes)
    difference = np.abs(here - there)
    assert difference.max() <= MOST_LEVELS
    assert difference.mean() <= USUAL_LEVELS
    assert np.abs(here - astronaut()).max() > 50, "somebody was swapped"


@pytest.mark.timeout(BUILD_S)
def test_the_engine_serves_on_the_gpu_from_inside_its_walls(backend, tmp_path):
    """The daemon itself, without a network: `info` names the GPU, `health` watches it."""
    nobody = SimpleNamespace(port=9)  # as a broker: results wait in the outbox
    booth = Booth(
        tmp_path, broker=nobody, consumer=False, isolation="namespace",
        extra=RUNTIME.format(backend.name),
    )  # fmt: skip
    build(booth.config)
    with booth:
        answers = [booth.send(astronaut(), camera="booth") for _ in range(3)]
        assert [one.verdict.verdict for one in answers] == ["queued"] * 3, answers
        said = booth.ask("status").data
    info, health = said["info"], said["health"]
    assert info["isolation"]["mode"] == "namespace"
    assert info["runtime"]["name"] == backend.name
    assert {info["models"][one]["runtime"]["name"] for one in BUILTIN} == {backend.name}
    assert health["gpu_memory_used_mb"] > 0
    assert not {"runtime", "models", "guard"} & set(health["troubles"]), health["troubles"]
