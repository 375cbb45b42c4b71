"""What happens to a gallery when its model is replaced: maps, orders, curves, mixed versions, clusters.

Not here: models. This package sees vectors only, never torch.
"""
