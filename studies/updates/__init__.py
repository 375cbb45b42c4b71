"""The study of new models in old galleries."""
