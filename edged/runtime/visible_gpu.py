"""Which GPU the libraries of CUDA see; a variable of the environment decides."""

from __future__ import annotations

import os


def show_gpu(index: int) -> None:
    """Let this process and its children see one GPU, which is number 0 for all of them.

    An environment that names GPUs already has the last word.
    """
    if index:
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", str(index))
