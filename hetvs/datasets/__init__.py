"""Named real data sets: fetch with checksum, draw, write the manifest.

Not here: the user's own data (`hetvs.manifest`).
"""
