"""Bundle -> numbers: latency per runtime, measured where nothing else runs.

Not here: training, export. No module of this package imports torch, but for the converters of `conversion`, which
never measure, and ExecuTorch's runtime. Only onnxruntime-web is fetched, by npm.
"""
