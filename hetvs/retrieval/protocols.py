"""Who asks whom: the groups of query rows and gallery rows that a protocol makes of a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.settings import require, require_choice

ClassSet = Literal["open", "closed", "unknown"]
CATALOGUE_STYLE = "noto"
UNSEEN_DOMAINS = ("mozilla", "openmoji")


@dataclass(frozen=True)
class Group:
    """Row numbers of a manifest: every query row asks every gallery row but itself."""

    query_rows: np.ndarray
    gallery_rows: np.ndarray


@dataclass(frozen=True)
class Protocol:
    """A name, one sentence that says who asks whom, the judged split, the groups and the filter of the rows."""

    name: str
    description: str
    split: str
    groups: tuple[Group, ...]
    where: str = ""

    @property
    def rows(self) -> np.ndarray:
        """Every row that is asked or asks, once, ascending."""
        return np.unique(np.concatenate([rows for g in self.groups for rows in (g.query_rows, g.gallery_rows)]))


@dataclass(frozen=True)
class ClassOverlap:
    """How many of the judged classes were seen in training.

    `verdict` is open (class-disjoint), closed, or unknown when the manifest has no train row.
    """

    judged: int
    shared: int
    verdict: ClassSet


def protocol_of(manifest: Manifest, name: str, split: str = "test", where: str = "") -> Protocol:
    """Return protocol A, B, C or manifest over the rows of `split` that match `where` (see `Manifest.rows`).

    `where` cuts queries and gallery alike; A, B and C take core rows alone, where there is such a column.

    A catalogue: every other family asks the images of style noto. B leave-domain-out: the images of
    each domain ask all other domains. C unseen domain: mozilla and openmoji ask all other domains.
    manifest: is_query rows ask is_gallery rows. Raises ConfigError when a column or a side is missing.
    """
    require_choice("protocol", name, tuple(_GROUPS))
    core = name != "manifest" and "core" in manifest.extra
    description, found = _GROUPS[name](manifest, _rows(manifest, name, split, where))
    groups = _asking(found)
    if not groups:
        filtered = f" where {where}" if where else ""
        raise ConfigError(
            f"{manifest.source}: protocol {name} finds no query or no gallery row in split {split!r}{filtered}"
        )
    description += (", core rows" if core else "") + (f", rows where {where}" if where else "")
    return Protocol(name, description, split, groups, where)


def held_out(manifest: Manifest, protocol: Protocol, split: str) -> Protocol:
    """Return the protocol by which the queries of another `split` ask the gallery of `protocol`, and that of their own.

    So a bound is calibrated on other queries in the gallery that is served. ConfigError when none can ask.
    """
    rows = [_rows(manifest, protocol.name, s, protocol.where) for s in (protocol.split, split)]
    description, groups = _GROUPS[protocol.name](manifest, np.sort(np.concatenate(rows)))
    asking = _asking(tuple(Group(g.query_rows[manifest.splits[g.query_rows] == split], g.gallery_rows) for g in groups))
    if not asking:
        raise ConfigError(f"{manifest.source}: protocol {protocol.name} finds no query in split {split!r}")
    return Protocol(protocol.name, f"{description}; queries of {split}", split, asking, protocol.where)


def class_overlap(manifest: Manifest, protocol: Protocol) -> ClassOverlap:
    """Compare the classes of the judged rows with those of the train split."""
    judged = set(manifest.labels[protocol.rows].tolist())
    seen = set(manifest.labels[manifest.splits == "train"].tolist())
    shared = len(judged & seen)
    verdict: ClassSet = "unknown" if not seen else "closed" if shared else "open"
    return ClassOverlap(len(judged), shared, verdict)


def _rows(manifest: Manifest, name: str, split: str, where: str) -> np.ndarray:
    """Return the rows of a split that a protocol looks at."""
    rows = manifest.rows(split, where)
    if name != "manifest" and "core" in manifest.extra:
        rows = rows[manifest.extra["core"][rows] == "1"]
    return rows


def _asking(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Return the groups that have both sides."""
    return tuple(g for g in groups if len(g.query_rows) and len(g.gallery_rows))


def _catalogue(manifest: Manifest, rows: np.ndarray) -> tuple[str, tuple[Group, ...]]:
    if "style" not in manifest.extra:
        raise ConfigError(f"{manifest.source}: protocol A needs a column 'style'; use --protocol manifest")
    in_catalogue = manifest.extra["style"][rows] == CATALOGUE_STYLE
    gallery = rows[in_catalogue]
    families = np.unique(_domains(manifest, gallery, "A"))
    queries = rows[~np.isin(manifest.domains[rows], families)]
    return f"every other domain asks the images of style {CATALOGUE_STYLE}", (Group(queries, gallery),)


def _leave_domain_out(manifest: Manifest, rows: np.ndarray) -> tuple[str, tuple[Group, ...]]:
    domains = _domains(manifest, rows, "B")
    groups = tuple(Group(rows[domains == d], rows[domains != d]) for d in np.unique(domains))
    return "the images of each domain ask all images of the other domains", groups


def _unseen_domain(manifest: Manifest, rows: np.ndarray) -> tuple[str, tuple[Group, ...]]:
    unseen = np.isin(_domains(manifest, rows, "C"), UNSEEN_DOMAINS)
    sentence = f"the images of {' and '.join(UNSEEN_DOMAINS)} ask all images of the other domains"
    return sentence, (Group(rows[unseen], rows[~unseen]),)


def _flags(manifest: Manifest, rows: np.ndarray) -> tuple[str, tuple[Group, ...]]:
    group = Group(rows[manifest.is_query[rows]], rows[manifest.is_gallery[rows]])
    return "rows with is_query ask rows with is_gallery", (group,)


_GROUPS = {"A": _catalogue, "B": _leave_domain_out, "C": _unseen_domain, "manifest": _flags}


def _domains(manifest: Manifest, rows: np.ndarray, protocol: str) -> np.ndarray:
    """Return the domains of `rows`; ConfigError when the manifest has none."""
    domains: np.ndarray = manifest.domains[rows]
    message = f"{manifest.source}: protocol {protocol} needs a column 'domain'; use --protocol manifest"
    require(len(domains) == 0 or bool(np.any(domains != "")), message)
    return domains
