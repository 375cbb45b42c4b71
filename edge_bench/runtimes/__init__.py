"""One module per runtime, each run in a process of its own."""
