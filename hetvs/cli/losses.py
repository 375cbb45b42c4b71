"""`hetvs losses`: which training terms there are, and what each needs."""

from __future__ import annotations

import click

from hetvs.cli.options import json_option


@click.command()
@json_option
def losses(as_json: bool) -> None:
    """List the terms a student can learn from; a weight is set by `hetvs train-student --NAME`."""
    import json

    from hetvs.config import StudentConfig
    from hetvs.losses import LOSSES

    weights = StudentConfig()
    rows = [
        {
            "name": name,
            "anchored": term.anchored,
            "needs_labels": term.needs_labels,
            "teacher": term.teacher,
            "default_weight": getattr(weights, name),
            "paper": term.paper,
        }
        for name, term in LOSSES.items()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo("term              anchored  labels  teacher gives  default  paper")
    for row in rows:
        anchored, labels = ("yes" if row[name] else "no" for name in ("anchored", "needs_labels"))
        click.echo(
            f"{row['name']:<16}  {anchored:<8}  {labels:<6}  {row['teacher']:<13}  "
            f"{row['default_weight']:<7g}  {row['paper']}"
        )
    click.echo("next: hetvs train-student DATA --teacher runs/cloud -o runs/edge --context 0.5")
