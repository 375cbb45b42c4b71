"""`hetvs evaluate`: the cross-model matrix, the rule with its interval, the report."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hetvs.cli.options import json_option, output_option, overwrite_option, settings, words_of
from hetvs.config import EvaluateConfig

if TYPE_CHECKING:
    from hetvs.contenders import Entrant
    from hetvs.retrieval.report import Report

model_path = click.Path(path_type=Path)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--gallery-model", type=model_path, required=True, help="Run, bundle or vectors of the gallery's model.")
@click.option(
    "--query-model",
    "query_models",
    type=model_path,
    required=True,
    multiple=True,
    help="The same of a query model; repeat for more.",
)
@click.option("--baseline", type=model_path, help="The same of a small model trained on its own, for recovery.")
@output_option
@overwrite_option
@json_option
@settings(EvaluateConfig)
def evaluate(
    data: Path,
    gallery_model: Path,
    query_models: tuple[Path, ...],
    baseline: Path | None,
    output: Path,
    overwrite: bool,
    as_json: bool,
    config: EvaluateConfig,
) -> None:
    """Judge query models against a gallery model on DATA, and write the report."""
    from hetvs.contenders import enter, names_of
    from hetvs.files import refuse_non_empty
    from hetvs.retrieval.matrix import require_contest

    if not overwrite:
        refuse_non_empty(output)
    folders = [gallery_model, *query_models, *([baseline] if baseline else [])]
    entrants = [enter(folder, name) for folder, name in zip(folders, names_of(folders), strict=True)]
    n_queries = len(query_models)
    seats = [entrant.seat for entrant in entrants]
    require_contest(seats[0], seats[1 : 1 + n_queries], seats[-1] if baseline else None)
    report = _judge(data, entrants, n_queries, output, overwrite, config)
    _print(report, output, entrants[1], as_json)
    if config.check:
        _gate(report, output)


def _judge(
    data: Path, entrants: list[Entrant], n_queries: int, output: Path, overwrite: bool, config: EvaluateConfig
) -> Report:
    """Embed the judged images with every entrant, evaluate, and write the report folder."""
    from hetvs.manifest import read_manifest
    from hetvs.retrieval.breakdown import require_breakdown
    from hetvs.retrieval.judge import evaluate
    from hetvs.retrieval.page import write_report
    from hetvs.retrieval.protocols import protocol_of

    manifest = read_manifest(data)
    protocol = protocol_of(manifest, config.protocol, config.split, config.rows)
    require_breakdown(manifest, protocol, config.by)
    gallery, *others = [
        e.contender(manifest, protocol.rows, batch_size=config.batch_size, threads=config.threads) for e in entrants
    ]
    baseline = others[n_queries] if len(others) > n_queries else None
    report = evaluate(manifest, protocol, gallery, others[:n_queries], baseline, config)
    report = replace(report, command=_command_line(data, entrants, n_queries, config))
    write_report(report, manifest, output, overwrite=overwrite)
    return report


def _command_line(data: Path, entrants: list[Entrant], n_queries: int, config: EvaluateConfig) -> str:
    """Return the command that repeats the report: roles, and the settings that are not the default."""
    roles = ["--gallery-model", *["--query-model"] * n_queries, "--baseline"]
    words = ["hetvs", "evaluate", str(data)]
    for role, entrant in zip(roles, entrants, strict=False):  # the baseline may be absent
        words += [role, str(entrant.folder)]
    return shlex.join([*words, *words_of(config), "-o", "report"])


def _print(report: Report, output: Path, query: Entrant, as_json: bool) -> None:
    """Print the table, or JSON; then, off stdout when that is JSON, what to do next."""
    from hetvs.retrieval.tables import short_table

    click.echo(json.dumps(report.to_json(), allow_nan=False) if as_json else short_table(report))
    click.echo(f"report: {output / 'report.html'}", err=as_json)
    if query.card is not None:
        from hetvs.artifacts import is_bundle

        step = f"bench {query.folder}" if is_bundle(query.folder) else f"export {query.folder} -o bundles/{query.name}"
        click.echo(f"next: hetvs {step}", err=as_json)


def _gate(report: Report, output: Path) -> None:
    """Raise GateError unless the rule holds on mAP for every query model."""
    from hetvs.errors import GateError

    failed = [j for j in report.judgements if j.rule["map"].verdict != "holds"]
    if failed:
        said = ", ".join(f"{j.query}: {j.rule['map'].verdict}" for j in failed)
        raise GateError(f"the heterogeneous rule is not shown to hold on mAP ({said}); see {output / 'report.md'}")
