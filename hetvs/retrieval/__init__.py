"""Vectors -> numbers: metrics, exact search, the cross-model matrix, rules with intervals, the report.

Not here: models. This package sees vectors only, never torch.
"""
