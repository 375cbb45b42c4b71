"""The epoch loop, teacher and student stages, augmentation, the cache of teacher views."""
