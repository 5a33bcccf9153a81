"""Which runtimes can work here, and why not: findings, each with its cure.

Nothing here loads a library of NVIDIA's into this process.
"""

from __future__ import annotations

from edged.runtime.libraries.cuda import cuda_findings
from edged.runtime.libraries.finding import Finding, without_folders
from edged.runtime.libraries.gpu import gpu_findings
from edged.runtime.libraries.rtx import rtx_findings
from edged.runtime.libraries.wheels import OrtInstall, double_onnxruntime, ort_install

__all__ = [
    "Finding",
    "OrtInstall",
    "cuda_findings",
    "double_onnxruntime",
    "gpu_findings",
    "ort_install",
    "rtx_findings",
    "without_folders",
]
