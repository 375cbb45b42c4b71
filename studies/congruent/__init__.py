"""The study of updates that keep right answers right."""
