"""`python -m hetvs`: the command line, for starters that take a module (`torchrun -m hetvs`)."""

from __future__ import annotations

from hetvs.cli import main

if __name__ == "__main__":
    main(prog_name="hetvs")
