"""Fine-tuning as a linear-quadratic problem: the network linearised around its weights, and solved.

Achille, Golatkar, Ravichandran, Polito, Soatto, CVPR 2021, arXiv 2012.11140; slope, damping and rate are a
specification of our own. No images, no files of pixels: tensors in, tensors out; the stage is `training.tangent`.
"""
