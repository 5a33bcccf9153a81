"""Shared libraries read as files: what they need, which GPUs they hold code for."""

from __future__ import annotations

import pytest
from native_kit import compile_library

from edged.runtime.libraries.elf import GpuCode, gpu_code, needed


@pytest.fixture(scope="module")
def library(program, tmp_path_factory):
    """Makes the fat library; `library("PTX")` with intermediate code, too."""
    folder = tmp_path_factory.mktemp("fat")

    def make(*defines):
        target = folder / f"libfat{len(defines)}.so.1"
        return compile_library(program("gcc"), "fatbin.c", target, *defines)

    return make


def test_sonames_are_read_from_the_file(library):
    """The loader's list, in its order, without loading anything."""
    assert "libc.so.6" in needed(library())


def test_machine_code_is_listed_by_gpu(library):
    """Entries of a fat binary name their compute capability."""
    assert gpu_code(library()) == GpuCode(frozenset({80, 89}))


def test_a_second_fat_binary_and_intermediate_code_are_found(library):
    """Also behind padding."""
    assert gpu_code(library("PTX")) == GpuCode(frozenset({80, 89, 90}), frozenset({90}))


@pytest.mark.parametrize(
    ("sm", "runs"), [(80, True), (86, True), (87, True), (89, True), (75, False), (90, False)]
)
def test_machine_code_runs_within_its_major_version(sm, runs):
    """From its own minor version on; never on an older or another major one."""
    assert GpuCode(frozenset({80, 89})).runs_on(sm) is runs


def test_orin_is_not_served_by_code_for_later_cards():
    """The aarch64 wheel of onnxruntime-gpu 1.31.1 holds 8.9, 9.0, 12.0 and 12.1 only."""
    wheel = GpuCode(frozenset({89, 90, 120, 121}))
    assert not wheel.runs_on(87)
    assert not wheel.runs_on(110)
    assert wheel.runs_on(121)


def test_intermediate_code_serves_later_gpus():
    """The driver compiles it; an earlier GPU cannot take it."""
    code = GpuCode(ptx=frozenset({90}))
    assert [code.runs_on(sm) for sm in (89, 90, 120)] == [False, True, True]
    assert str(GpuCode(frozenset({80}), frozenset({90}))) == "sm_80, compute_90"


@pytest.mark.parametrize("content", [b"", b"text", b"\x7fELF\x01\x01" + b"\0" * 100])
def test_what_is_no_library_is_refused(content, tmp_path):
    """Named, and nothing is guessed."""
    path = tmp_path / "libx.so"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"libx\.so is no 64-bit"):
        needed(path)


def test_a_cut_library_is_refused(library, tmp_path):
    """Half a file has no section table."""
    path = tmp_path / "libcut.so"
    path.write_bytes(library().read_bytes()[:2000])
    with pytest.raises(ValueError, match="damaged"):
        gpu_code(path)
