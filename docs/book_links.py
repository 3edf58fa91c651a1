#!/usr/bin/env python3
"""Checks and rewrites the links of the book: a preprocessor of mdBook.

On a forge, a link leads to a file of the repository. In the book, a link out of `docs/` leads to the forge, and a link
to a folder's `README.md` leads to that folder's `index.html`. A link to a missing file or heading fails the build.

https://rust-lang.github.io/mdBook/for_developers/preprocessors.html
"""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
FORGE = "https://github.com/tidegate/tidegate/blob/main"
LINK = re.compile(r"(\[[^\]]*\]\()([^()\s]+)(\))")
FENCE = re.compile(r"^\s*```")
HEADING = re.compile(r"^#+ (.*)$")


def lines(text: str) -> list[tuple[str, bool]]:
    """Returns each line, and true if the line is in or at a fence."""
    result, fenced = [], False
    for line in text.split("\n"):
        is_fence = bool(FENCE.match(line))
        result.append((line, fenced or is_fence))
        fenced ^= is_fence
    return result


def headings(path: Path) -> set[str]:
    """Returns the anchors of a page's headings."""
    found = [HEADING.match(line) for line, fenced in lines(path.read_text()) if not fenced]
    return {anchor(heading[1]) for heading in found if heading}


def anchor(heading: str) -> str:
    """Returns the anchor that a forge and mdBook give a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def rewrite(page: Path, target: str, problems: list[str]) -> str:
    """Returns the target of a link as the book needs it, and reports one that leads nowhere."""
    if re.match(r"[a-z]+:", target):
        return target
    file, _, fragment = target.partition("#")
    path = Path(os.path.normpath(page.parent / file)) if file else page
    if not path.exists():
        problems.append(f"{page.relative_to(DOCS.parent)}: link to `{target}`: no such file")
    elif fragment and path.suffix == ".md" and fragment not in headings(path):
        problems.append(f"{page.relative_to(DOCS.parent)}: link to `{target}`: no such heading")
    if file and not path.is_relative_to(DOCS):
        return f"{FORGE}/{path.relative_to(DOCS.parent)}" + (f"#{fragment}" if fragment else "")
    return re.sub(r"(^|/)README\.md", r"\1index.md", target)


def convert(page: Path, text: str, problems: list[str]) -> str:
    """Returns the text of a page with its links rewritten."""

    def replaced(match: re.Match) -> str:
        return match[1] + rewrite(page, match[2], problems) + match[3]

    runs = itertools.groupby(lines(text), key=lambda line: line[1])
    parts = ((fenced, "\n".join(line for line, _ in run)) for fenced, run in runs)
    return "\n".join(part if fenced else LINK.sub(replaced, part) for fenced, part in parts)


def visit(items: list, problems: list[str]) -> None:
    """Converts every chapter below `items`."""
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            if source := chapter.get("source_path"):
                chapter["content"] = convert(DOCS / source, chapter["content"], problems)
            visit(chapter.get("sub_items", []), problems)


def main() -> int:
    """Reads the book from standard input and writes it to standard output, as mdBook asks."""
    if sys.argv[1:2] == ["supports"]:
        return 0
    _, book = json.load(sys.stdin)
    problems: list[str] = []
    visit(book.get("items") or book.get("sections") or [], problems)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    json.dump(book, sys.stdout)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
