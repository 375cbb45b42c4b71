"""Public benchmarks in the layouts that they are handed out in, read into a manifest.

Nothing is fetched: the user brings the data, under its own terms. No image is copied or changed.
"""
