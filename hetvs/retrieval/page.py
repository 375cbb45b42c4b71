"""The report as one self-contained HTML page, and the three files of a report folder."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hetvs.errors import ManifestError
from hetvs.files import new_folder, write_json, write_text
from hetvs.manifest import Manifest
from hetvs.preprocess import on_white, open_rgba
from hetvs.retrieval import certificate_tables, open_tables, prefix_tables, tables, words
from hetvs.retrieval.examples import SHOWN_ANSWERS
from hetvs.retrieval.report import Example, Report

THUMBNAIL_PX = 64
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Picture:
    """One image of the page: `data` is a PNG in base64, empty when the image cannot be read."""

    image_id: str
    label: str
    data: str
    right: bool


@dataclass(frozen=True)
class Strip:
    """One example as shown: the query, the query model's answers beside the paragon's."""

    query: Picture
    answers: tuple[Picture, ...]
    paragon_answers: tuple[Picture, ...]
    ap: float
    paragon_ap: float


def write_report(report: Report, manifest: Manifest, folder: Path, *, overwrite: bool = False) -> None:
    """Write report.json, report.md and report.html; they appear together or not at all."""
    with new_folder(folder, overwrite=overwrite) as temporary:
        write_json(temporary / "report.json", report.to_json())
        write_text(temporary / "report.md", tables.markdown(report))
        write_text(temporary / "report.html", render(report, manifest))


def render(report: Report, manifest: Manifest) -> str:
    """Return the page; it holds its pictures and needs no network."""
    examples = {judgement.query: (judgement.worst, judgement.best) for judgement in report.judgements}
    return rendered(
        "report.html.j2",
        report=report,
        words=words,
        tables=tables,
        open_tables=open_tables,
        certificate_tables=certificate_tables,
        prefix_tables=prefix_tables,
        strips={name: tuple(strips(both, manifest) for both in pair) for name, pair in examples.items()},
        shown=SHOWN_ANSWERS,
    )


def rendered(template: str, **values: Any) -> str:
    """Return a page of ours; a value that it asks for and is not given is a bug, not a blank."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = words.percent
    environment.filters["metric_name"] = words.metric_name
    return environment.get_template(template).render(**values)


def strips(examples: tuple[Example, ...], manifest: Manifest) -> tuple[Strip, ...]:
    """Return examples with their pictures; an answer is right when it has the query's label."""
    row_of = {image_id: row for row, image_id in enumerate(manifest.ids.tolist())}

    def pictures(ids: tuple[str, ...], label: str) -> tuple[Picture, ...]:
        return tuple(picture(manifest, row_of[image_id], label) for image_id in ids)

    def strip(example: Example) -> Strip:
        label = str(manifest.labels[row_of[example.query]])
        return Strip(
            query=pictures((example.query,), label)[0],
            answers=pictures(example.answers, label),
            paragon_answers=pictures(example.paragon_answers, label),
            ap=example.ap,
            paragon_ap=example.paragon_ap,
        )

    return tuple(strip(example) for example in examples)


def picture(manifest: Manifest, row: int, wanted: str) -> Picture:
    """Return the image of a row; it is right when it has the label that is wanted."""
    label = str(manifest.labels[row])
    return Picture(str(manifest.ids[row]), label, thumbnail(manifest, row), label == wanted)


def thumbnail(manifest: Manifest, row: int) -> str:
    """Return the image of a row as PNG in base64, its longer side at most 64 px, on white.

    Empty when the file cannot be read: a report on stored vectors needs no images.
    """
    from PIL import Image

    try:
        image = open_rgba(manifest.paths[row], manifest.box(row))
    except ManifestError:
        return ""
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BILINEAR)
    stream = io.BytesIO()
    on_white(image).save(stream, format="PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")
