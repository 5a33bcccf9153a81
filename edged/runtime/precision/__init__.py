"""Half precision that is right: which nodes stay in FP32, measured, searched and proven.

`plan` is the file, `convert` makes the mixed graph, `rounding` makes onnxruntime's CPU
round as FP16 hardware does, `search` finds a plan.  Knows graphs and numbers; knows no
GPU runtime and no pipeline.
"""
