"""The study of linear-quadratic fine-tuning."""
