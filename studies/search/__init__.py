"""The study of searched architectures."""
