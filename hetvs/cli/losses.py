"""`hetvs losses`: which training terms there are, and what each needs."""

from __future__ import annotations

import click

from hetvs.cli.options import json_option


@click.command()
@json_option
def losses(as_json: bool) -> None:
    """List the terms a model can learn from; a weight is set by `hetvs train-student --NAME`, or `train-update`."""
    import json

    from hetvs.config import PREFIXES, TERMS, UPDATE_TERMS, StudentConfig, UpdateConfig
    from hetvs.losses import LOSSES

    student, update = StudentConfig().active_terms(), UpdateConfig()
    taught = {
        "train-student": {name: student.get(name, 0.0) for name in (*TERMS, PREFIXES)},
        "train-update": {name: getattr(update, name) for name in UPDATE_TERMS},
    }
    weights = {name: {c: terms[name] for c, terms in taught.items() if name in terms} for name in LOSSES}
    rows = [
        {
            "name": name,
            "anchored": term.anchored,
            "needs_labels": term.needs_labels,
            "teacher": term.teacher,
            "default_weight": weights[name],
            "paper": term.paper,
        }
        for name, term in LOSSES.items()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo("term              anchored  labels  teacher gives  student  update  paper")
    for name, term in LOSSES.items():
        anchored, labels = ("yes" if flag else "no" for flag in (term.anchored, term.needs_labels))
        shown = [f"{weights[name][c]:g}" if c in weights[name] else "–" for c in taught]
        click.echo(
            f"{name:<16}  {anchored:<8}  {labels:<6}  {term.teacher:<13}  {shown[0]:<7}  {shown[1]:<6}  {term.paper}"
        )
    click.echo("next: hetvs train-student DATA --teacher runs/cloud -o runs/edge --context 0.5")
