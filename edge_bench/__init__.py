"""Bundle -> numbers: latency per runtime, measured where nothing else runs.

Not here: training, export, downloads. No module of this package imports torch.
"""
