"""Studies: what the claims of this repository rest on. They train, judge and write docs/results.json.

Not installed: they run from the repository's root, `python -m studies.compatibility`.
"""
