"""The study of galleries that are refreshed bit by bit."""
