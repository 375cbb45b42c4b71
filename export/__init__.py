"""Checkpoint -> ONNX bundle: graph, parity, golden vectors; its int8 twin, behind a retrieval gate.

Not here: training, latency, other runtimes (see `edge_bench`).
"""
