"""Checkpoint -> ONNX bundle: graph, parity, golden vectors.

Not here: training, latency, other runtimes (see `edge_bench`).
"""
