"""One training term per function, with its paper; `LOSSES` says of each whether it is anchored."""
