"""Writes the tables of docs/RELIABILITY.md about faults, kills and histories from the file that the tests recorded."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path


def main() -> None:
    """Reads the arguments, and rewrites the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, required=True, help="the file that TIDEGATE_RECORD named")
    parser.add_argument(
        "--page", type=Path, help="the page to rewrite, docs/RELIABILITY.md; prints the tables by default"
    )
    arguments = parser.parse_args()
    lines = [json.loads(line) for line in arguments.record.read_text().splitlines()]
    text = arguments.page.read_text() if arguments.page else ""
    for kind, write in (("fault", faults), ("kill", kills), ("history", histories)):
        found = [line for line in lines if line["kind"] == kind]
        assert found, f"`{arguments.record}` has no line of the kind `{kind}`"
        if arguments.page:
            text = replace(text, kind, write(found))
        else:
            print("\n".join(write(found)), end="\n\n")
    if arguments.page:
        arguments.page.write_text(text)


def replace(text: str, marker: str, table: list[str]) -> str:
    """Returns the text with another table between the markers."""
    start, end = f"<!-- {marker}: start -->\n", f"<!-- {marker}: end -->"
    before, rest = text.split(start)
    _, after = rest.split(end)
    return before + start + "\n".join(table) + "\n" + end + after


def faults(lines: list[dict]) -> list[str]:
    """Returns one row for each outcome of an operation."""
    grouped: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for line in lines:
        grouped[line["service"], line["operation"], line["sender"], line["outcome"]].append(line["fault"])
    rows = ["| service | operation | outcome | faults |", "|---|---|---|---|"]
    every = {line["fault"] for line in lines}
    for (service, operation, sender, outcome), several in grouped.items():
        names = "all" if set(several) == every else "; ".join(dict.fromkeys(several))
        rows.append(f"| {service} | `{operation}` {sender} | {outcome} | {names} |")
    return rows


def kills(lines: list[dict]) -> list[str]:
    """Returns one row for each outcome of an event or a command."""
    grouped: dict[tuple[str, str], list[str]] = defaultdict(list)
    for line in lines:
        grouped[line["event"], line["outcome"]].append(f"{line['at']} `{line['step']}`")
    rows = ["| killed during | outcome | steps |", "|---|---|---|"]
    for (event, outcome), several in grouped.items():
        rows.append(f"| {event} | {outcome} | {'; '.join(dict.fromkeys(several))} |")
    return rows


def histories(lines: list[dict]) -> list[str]:
    """Returns one row for each store."""
    rows = ["| store | faults | histories | calls | unknown outcomes | violations |", "|---|---|---:|---:|---:|---:|"]
    for line in lines:
        numbers = f"{line['histories']:,} | {line['calls']:,} | {line['unknown']:,}"
        rows.append(f"| {line['store']} | {line['faults']} | {numbers} | 0 |")
    return rows


if __name__ == "__main__":
    main()
