"""Frames that stay on the device by the real CUDA provider, on a GPU of paper."""

from __future__ import annotations

from paper_gpu import ask, environment

ON_CUDA = """
import json
import numpy as np
from contextlib import ExitStack
from edged.runtime.cuda import CudaSession
from edged.runtime.graph import picture
from resident_kit import network
from edged.stages.paste import oval_mask
from edged.stages.resident import DevicePicture
from edged.stages.resident_bench import Bench
from edged.stages.restore import Restorer
from edged.stages.identity import VectorSource
from edged.stages.swap import Swapper
from edged.stages.views import Effort, views

graphs = {"swap": network("swapped", "latents", 128),
          "restore": network("restored", "strength", 256),
         "sampler": picture.sampler(turned=False), "turned": picture.sampler(turned=True),
          "cropper": picture.cropper(), **{n: picture.paster(n) for n in picture.BUCKETS}}
with ExitStack() as stack:
    made = {
        name: stack.enter_context(CudaSession(graph.SerializeToString(), model_id=str(name)))
        for name, graph in graphs.items()
    }
    bench = Bench(
        made["sampler"], made["turned"], made["cropper"],
        {n: made[n] for n in picture.BUCKETS}, lambda _: True,
    )
    frame = np.random.default_rng(0).integers(0, 256, (270, 480, 3), np.uint8)
    out = np.zeros_like(frame)
    shown = DevicePicture(frame, bench)
    shapes = [shown.view(v, 320, 320).shape for v in views(frame.shape, Effort((320,), (0, 1)))]
    canvas = shown.canvas(out)
    swapper = Swapper(made["swap"], VectorSource("m", 512, np.eye(512)))
    restorer = Restorer(made["restore"], 256)
    for count in (1, 3, 8):
        faces = [np.array([[1.0, 0, 40.0 - 9 * i], [0, 1, 30]]) for i in range(count)]
        swapped = canvas.swap(swapper, faces, np.zeros((count, 512), np.float32)).crops
        canvas.paste(swapped, faces, oval_mask("arcface_128", 128))
        restored = canvas.restore(restorer, faces, 0.5)
        canvas.paste(restored, faces, oval_mask("ffhq_512", 256))
        shapes += [swapped.shape, restored.shape]
    canvas.finish()
    print(json.dumps({
        "shapes": shapes,
        "providers": sorted({one._session.get_providers()[0] for one in made.values()}),
        "graphs": all(one._graphs for one in made.values()),
        "pasted": canvas._array.shape,
    }))
"""


def test_a_canvas_goes_through_the_cuda_provider(gpu_packages, paper_gpu):
    """Looks, crops, networks and pastes hand on device memory; kernels of paper draw nothing."""
    said = ask(ON_CUDA, environment(paper_gpu, [gpu_packages]))
    assert said == {
        "shapes": [
            [1, 320, 320, 3], [1, 320, 320, 3],
            [1, 128, 128, 3], [1, 256, 256, 3], [4, 128, 128, 3], [4, 256, 256, 3],
            [8, 128, 128, 3], [8, 256, 256, 3],
        ],
        "providers": ["CUDAExecutionProvider"],
        "graphs": True,
        "pasted": [270, 480, 3],
    }  # fmt: skip
