"""Sections of a page of docs/ that a program writes. A pair of HTML comments marks each."""

from __future__ import annotations

from pathlib import Path


def keep(path: Path, section: str, text: str) -> None:
    """Replaces the text between a section's markers in a page. The rest of the page stays."""
    start, end = f"<!-- {section}: start -->", f"<!-- {section}: end -->"
    before, found, rest = path.read_text().partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"`{path}` has no `{start}` followed by `{end}`")
    path.write_text(f"{before}{start}\n{text}\n{end}{after}")
