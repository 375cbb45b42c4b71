"""The study of small models in the cloud model's space: the claims of README.md."""
