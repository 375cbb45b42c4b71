"""The files of a benchmark: report.json, report.md and, where asked for, report.html."""

from __future__ import annotations

from pathlib import Path

from edge_bench.markdown import to_markdown
from edge_bench.page import render
from edge_bench.report import BenchReport
from hetvs.files import new_folder, write_json, write_text


def write_folder(report: BenchReport, folder: Path, *, overwrite: bool = False, page: bool = False) -> None:
    """Write the report; its files appear together or not at all. ConfigError when `page` lacks matplotlib."""
    document = report.to_json()
    with new_folder(folder, overwrite=overwrite) as temporary:
        write_json(temporary / "report.json", document)
        write_text(temporary / "report.md", to_markdown(report))
        if page:
            write_text(temporary / "report.html", render(document))
