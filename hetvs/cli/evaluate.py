"""`hetvs evaluate`: the cross-model matrix, the rule with its interval, the report."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hetvs.cli.options import json_option, output_option, overwrite_option, settings, words_of
from hetvs.cli.roles import Roles, roles
from hetvs.config import EvaluateConfig

if TYPE_CHECKING:
    from hetvs.contenders import Entrant
    from hetvs.retrieval.report import Report
    from hetvs.retrieval.versions_report import VersionsReport


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@roles
@output_option
@overwrite_option
@json_option
@settings(EvaluateConfig)
def evaluate(data: Path, roles: Roles, output: Path, overwrite: bool, as_json: bool, config: EvaluateConfig) -> None:
    """Judge query models against a gallery model on DATA, or with --old the versions of one, and write the report."""
    from hetvs.contenders import enter, names_of
    from hetvs.files import refuse_non_empty

    if not overwrite:
        refuse_non_empty(output)
    folders = list(roles.folders)
    entrants = {folder: enter(folder, name) for folder, name in zip(folders, names_of(folders), strict=True)}
    report: Report | VersionsReport
    if roles.old:
        report = _judge_versions(data, roles, entrants, output, overwrite, config)
    else:
        report = _judge(data, roles, entrants, output, overwrite, config)
    _print(report, output, as_json)
    query = entrants[roles.query_model[-1 if roles.old else 0]]
    if query.card is not None:
        from hetvs.artifacts import is_bundle

        step = f"bench {query.folder}" if is_bundle(query.folder) else f"export {query.folder} -o bundles/{query.name}"
        click.echo(f"next: hetvs {step}", err=as_json)
    if config.check:
        _gate(report, output)


def _judge(
    data: Path, roles: Roles, entrants: dict[Path, Entrant], output: Path, overwrite: bool, config: EvaluateConfig
) -> Report:
    """Embed the judged images with every entrant, evaluate, and write the report folder."""
    import numpy as np

    from hetvs.manifest import read_manifest
    from hetvs.retrieval.breakdown import require_breakdown
    from hetvs.retrieval.certificate_judge import held_out_rows
    from hetvs.retrieval.judge import evaluate
    from hetvs.retrieval.matrix import require_contest
    from hetvs.retrieval.page import write_report
    from hetvs.retrieval.protocols import protocol_of
    from hetvs.spaces import require_prefixes

    assert roles.gallery_model is not None
    seats = {folder: entrant.seat for folder, entrant in entrants.items()}
    alone = seats[roles.baseline] if roles.baseline else None
    require_contest(seats[roles.gallery_model], [seats[folder] for folder in roles.query_model], alone)
    require_prefixes(seats[roles.gallery_model][1], config.prefix_dims)
    manifest = read_manifest(data)
    protocol = protocol_of(manifest, config.protocol, config.split, config.rows)
    require_breakdown(manifest, protocol, config.by)
    rows = np.union1d(protocol.rows, held_out_rows(manifest)) if config.certify else protocol.rows
    found = {
        folder: e.contender(manifest, rows, batch_size=config.batch_size, threads=config.threads)
        for folder, e in entrants.items()
    }
    queries = [found[folder] for folder in roles.query_model]
    baseline = found[roles.baseline] if roles.baseline else None
    report = evaluate(manifest, protocol, found[roles.gallery_model], queries, baseline, config)
    report = replace(report, command=_command_line(data, roles, config))
    write_report(report, manifest, output, overwrite=overwrite)
    return report


def _judge_versions(
    data: Path, roles: Roles, entrants: dict[Path, Entrant], output: Path, overwrite: bool, config: EvaluateConfig
) -> VersionsReport:
    """Embed the judged images with every version, judge them, and write the report folder."""
    from hetvs.manifest import read_manifest
    from hetvs.retrieval.protocols import protocol_of
    from hetvs.retrieval.versions import Cast, judge_versions, require_versions
    from hetvs.retrieval.versions_page import write_versions
    from hetvs.settings import require

    asked = config.open_set or config.certify or config.prefixes
    require(not asked, "--open-set, --certify and --prefixes judge a contest; drop them, or --old")
    require(not config.by, "--by breaks down a contest against a gallery model; drop it, or --old")
    seats = {folder: entrant.seat for folder, entrant in entrants.items()}
    versions = (*roles.old, *roles.query_model)
    own, free = (seats[folder] if folder else None for folder in (roles.own, roles.free))
    require_versions([seats[folder] for folder in versions], own, free)
    manifest = read_manifest(data)
    protocol = protocol_of(manifest, config.protocol, config.split, config.rows)
    found = {
        folder: e.contender(manifest, protocol.rows, batch_size=config.batch_size, threads=config.threads)
        for folder, e in entrants.items()
    }
    extra = {name: found[folder] for name, folder in (("own", roles.own), ("free", roles.free)) if folder}
    cast = Cast(tuple(found[folder] for folder in versions), **extra)
    report = judge_versions(manifest, protocol, cast, config)
    report = replace(report, command=_command_line(data, roles, config))
    write_versions(report, output, overwrite=overwrite)
    return report


def _command_line(data: Path, roles: Roles, config: EvaluateConfig) -> str:
    """Return the command that repeats the report: roles, and the settings that are not the default."""
    named = [word for folder, option in roles.folders.items() for word in (option, str(folder))]
    return shlex.join(["hetvs", "evaluate", str(data), *named, *words_of(config), "-o", "report"])


def _print(report: Report | VersionsReport, output: Path, as_json: bool) -> None:
    """Print the table, or JSON; then, off stdout when that is JSON, where the report is."""
    from hetvs.retrieval.report import Report
    from hetvs.retrieval.tables import short_table
    from hetvs.retrieval.versions_page import short_text

    if as_json:
        click.echo(json.dumps(report.to_json(), allow_nan=False))
    else:
        click.echo(short_table(report) if isinstance(report, Report) else short_text(report))
    click.echo(f"report: {output / 'report.html'}", err=as_json)


def _gate(report: Report | VersionsReport, output: Path) -> None:
    """Raise GateError unless the rule holds on mAP for every query model, or every newer version."""
    from hetvs.errors import GateError
    from hetvs.retrieval.report import Report

    if isinstance(report, Report):
        name, rules = "heterogeneous", {j.query: j.rule["map"] for j in report.judgements}
    else:
        name, rules = "backward", {f"{s.new} in {s.old}": s.rule["map"] for s in report.steps}
    said = ", ".join(f"{who}: {rule.verdict}" for who, rule in rules.items() if rule.verdict != "holds")
    if said:
        raise GateError(f"the {name} rule is not shown to hold on mAP ({said}); see {output / 'report.md'}")
