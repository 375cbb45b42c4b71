"""Backbones, the embedder around them, prototype heads, cost, storage."""
