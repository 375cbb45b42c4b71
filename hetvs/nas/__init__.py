"""Architectures as data: the space, what they cost, the supernet that shares their weights, the judge of one."""
