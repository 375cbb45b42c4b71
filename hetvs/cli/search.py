"""`hetvs search-student`: the architecture that fits the cloud's space, from a search to bundles."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hetvs.cli.options import json_option, output_option, overwrite_option, resume_option, settings
from hetvs.config import ExportConfig, SearchConfig, SupernetConfig
from hetvs.settings import read_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hetvs.nas.candidate import Candidate
    from hetvs.nas.driver import Desk, Order
    from hetvs.nas.family import Family
    from hetvs.nas.page import Facts, Proxy
    from hetvs.nas.rewards import Int8

folder = click.Path(path_type=Path)


@click.command("search-student")
@click.argument("data", type=folder)
@click.option("--teacher", type=folder, required=True, help="Run or bundle whose space the architecture shall fit.")
@click.option("--supernet", type=folder, help="Run of `hetvs train-supernet`  [default: trained in the output folder]")
@click.option("--proxy-run", "proxy_runs", multiple=True, type=folder, help="Run trained alone with --arch; 8 or more.")
@output_option
@resume_option
@overwrite_option
@json_option
@settings(SearchConfig)
def search_student(
    data: Path,
    teacher: Path,
    supernet: Path | None,
    proxy_runs: tuple[Path, ...],
    output: Path,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    config: SearchConfig,
) -> None:
    """Search the architecture whose queries find most in the gallery of --teacher, at the least cost.

    Writes every candidate, the front, a page and best.json; anchored, points of the front as runs and bundles too.
    A killed search goes on with --resume.
    """
    from hetvs.files import claim_output
    from hetvs.nas.extras import require_extras

    require_extras()
    claim_output(output, overwrite=overwrite, resume=resume)
    found = supernet or _supernet(data, teacher, output / "supernet", config)

    from hetvs.nas.driver import Order

    order = Order(data=data, teacher=teacher, supernet=found, output=output, config=config, int8=_int8(config.reward))
    candidates, desk = _search(order)
    proxy = _proxy(desk, proxy_runs)
    family = _family(order, desk, _export(order, desk, candidates))
    facts = _facts(order, desk, candidates, _command_line(order, proxy_runs))
    facts = replace(facts, proxy=proxy, family=family)

    from hetvs.nas.page import write_results

    write_results(output, candidates, facts)
    _say(facts, candidates, output, as_json)
    step = f"hetvs train-student {data} --teacher {teacher} --arch {output / 'best.json'} -o runs/{output.name}-best"
    click.echo(f"next: {step}", err=as_json)


def _supernet(data: Path, teacher: Path, run: Path, config: SearchConfig) -> Path:
    """Train the supernet of a search that was given none, or go on with it."""
    from hetvs.artifacts import CARD_NAME
    from hetvs.manifest import read_manifest
    from hetvs.training.supernet import train_supernet

    if not (run / CARD_NAME).is_file():
        said = read_config(SupernetConfig, Path(config.supernet_config)) if config.supernet_config else SupernetConfig()
        run.mkdir(parents=True, exist_ok=True)
        train_supernet(read_manifest(data), teacher, run, replace(said, mode=config.mode), resume=True)
    return run


def _int8(reward: str) -> Int8 | None:
    """Return what makes a candidate int8, where the reward asks for it."""
    if reward != "R7":
        return None
    from export.int8_vectors import int8_vectors

    return int8_vectors


def _search(order: Order) -> tuple[list[Candidate], Desk]:
    """Search under a line that says generation, best, hypervolume and the time left."""
    from hetvs.nas.driver import search
    from hetvs.progress import counted

    with counted(order.config.candidates, "search") as heard:
        return search(order, lambda progress: heard(progress.done, str(progress)))


def _proxy(desk: Desk, runs: Sequence[Path]) -> Proxy | None:
    """Compare the supernet's ranking with that of networks trained alone; warn where the two disagree."""
    if not runs:
        return None
    from hetvs.nas.page import Proxy
    from hetvs.nas.pairing import pairings_of
    from hetvs.nas.proxy import WARN_BELOW, tau_of

    pairings = pairings_of(desk.judge, desk.card.space, runs)
    proxy = Proxy(tau_of(pairings), tuple(pairings))
    if proxy.is_weak:
        said = "is undefined" if proxy.tau.value is None else f"is {proxy.tau.value:.2f}, below {WARN_BELOW}"
        click.echo(f"warning: Kendall's tau {said}: the supernet does not rank as training alone does", err=True)
    return proxy


def _export(order: Order, desk: Desk, candidates: Sequence[Candidate]) -> list[Path]:
    """Write points of an anchored front as runs and bundles, the best first; return the bundles."""
    if order.config.mode != "anchored" or not order.config.export:
        return []
    from export.bundle import export_bundle
    from hetvs.encoders import open_encoder
    from hetvs.manifest import read_manifest
    from hetvs.nas.candidate import front_of
    from hetvs.nas.front import spaced
    from hetvs.nas.points import write_point
    from hetvs.nas.refit import Targets

    manifest, bundles = read_manifest(order.data), []
    teacher = open_encoder(order.teacher, threads=1)
    targets = Targets.of(manifest, desk.card.training["rows"], teacher) if order.config.refit else None
    chosen = reversed(spaced(front_of(candidates), order.config.export))
    for number, candidate in enumerate(chosen, start=1):
        run, bundle = (order.output / kind / f"point-{number}" for kind in ("points", "bundles"))
        click.echo(f"exporting {candidate.arch}", err=True)
        alone = desk.judge.subnet(candidate.arch)
        if targets:
            targets.refit(alone, candidate.arch.img_size)
        rewards = desk.judge.rewards(alone, candidate.arch.img_size)
        write_point(run, alone, candidate, desk.card.space, order.data, rewards)
        export_bundle(run, manifest, bundle, ExportConfig(), overwrite=True)
        bundles.append(bundle)
    return bundles


def _family(order: Order, desk: Desk, bundles: Sequence[Path]) -> Family | None:
    """Ask every exported point, and the cloud, in the gallery of every other."""
    if not bundles:
        return None
    from hetvs.contenders import enter
    from hetvs.manifest import read_manifest
    from hetvs.nas.family import everyone_asks, judge_family
    from hetvs.retrieval.matrix import Judged

    manifest = read_manifest(order.data)
    protocol = everyone_asks(manifest, order.config.split, desk.card.training["rows"])
    judged = Judged.of(manifest, protocol)
    entrants = [enter(order.teacher, "cloud"), *(enter(bundle, bundle.name) for bundle in bundles)]
    asked = [entrant.contender(manifest, protocol.rows, batch_size=64, threads=1) for entrant in entrants]
    return judge_family(judged, {one.name: judged.align(one) for one in asked}, seed=order.config.seed)


def _facts(order: Order, desk: Desk, candidates: Sequence[Candidate], command: str) -> Facts:
    """Return what the page says of the search itself."""
    from hetvs.nas.page import Facts
    from hetvs.nas.search import Progress

    table = desk.plan.pricing.table
    return Facts(
        reward=order.config.reward,
        cost="MACs" if table is None else "latency, in units of the reference kernel",
        command=command,
        space_id=desk.card.space.space_id,
        hypervolume=Progress.of(candidates, desk.plan.most).hypervolume,
        latency_error=table.median_error if table else None,
    )


def _command_line(order: Order, proxy_runs: Sequence[Path]) -> str:
    """Return the command that repeats the search."""
    words = ["hetvs", "search-student", str(order.data), "--teacher", str(order.teacher)]
    words += ["--supernet", str(order.supernet), *(word for run in proxy_runs for word in ("--proxy-run", str(run)))]
    for f in fields(order.config):
        if (value := getattr(order.config, f.name)) != f.default:
            words += [f"--{f.name.replace('_', '-')}", str(value)]
    return shlex.join([*words, "-o", str(order.output)])


def _say(facts: Facts, candidates: Sequence[Candidate], output: Path, as_json: bool) -> None:
    """Print the best candidate, or JSON of it; then where the rest lies."""
    from hetvs.nas.candidate import best_of, front_of
    from hetvs.nas.page import REWARD_NAMES
    from hetvs.nas.results import as_json as candidate_json

    best = best_of(candidates)
    assert best is not None  # the files are written, so something was judged
    family = facts.family.to_json() if facts.family else None
    if as_json:
        click.echo(json.dumps({"best": candidate_json(best), "family": family, "hypervolume": facts.hypervolume}))
        return
    click.echo(f"best of {len(candidates)}: {best.arch}")
    scored = f"{REWARD_NAMES[facts.reward]} {best.reward:.4f}, {best.costs.macs:,} MACs"
    click.echo(f"{scored}; {len(front_of(candidates))} on the front")
    if facts.family and facts.family.satisfied is not None:
        click.echo(
            f"family: M(q,g) > M(q,q) for {facts.family.satisfied:.0%} of {len(facts.family.pairs)} ordered pairs"
        )
    click.echo(f"page: {output / 'report.html'}")
