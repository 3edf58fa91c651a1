#!/usr/bin/env python3
"""Checks the mechanical rules of plain English in every tracked source, document and Makefile.

    plain_english.py [--summary] [PATH …]    checks the tracked files at or below each PATH, or all of them

A finding is one line, `file:line: rule: text`. The exit status is 1 if there is any finding.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_COLUMNS = 120
# A URL, a token or a key of this length cannot be broken, so a line that contains one may be longer.
UNBREAKABLE = re.compile(r"\S{81,}")
TABLE_ROW = re.compile(r"\s*(?://[/!]\s*)?\|")
GENERATED = re.compile(r"@generated|\bDO NOT EDIT\b", re.IGNORECASE)

# Third-party files, and the two files that must name the forbidden words.
EXCLUDED = ("wit/deps/", ".ci/plain_english.py", ".ci/test_plain_english.py")
KINDS = {".rs": "rust", ".wit": "wit", ".py": "python", ".md": "markdown", ".toml": "toml", ".sh": "shell"}
NAMES = {"Makefile": "make", "run": "shell", "rustc": "shell"}

RELATIVE_WORDS = (
    "What|Whatever|Who|Whom|Whose|Whoever|Whether|Why|How|Which|Whichever|That|When|Whenever|Where|Wherever"
)
RELATIVE = re.compile(rf"(?:{RELATIVE_WORDS})\b", re.IGNORECASE)
RELATIVE_TEST = re.compile(rf"(?:{RELATIVE_WORDS})_", re.IGNORECASE)

# White space between two words of a sentence, across the comment marker of the next line.
GAP = r"(?:[ \t]+|[ \t]*\n[ \t]*(?://[/!]?|\#|>)?[ \t]*)"
# "There is no Y" is plain English, and so is "X is no longer Y" or "X is no larger than Y".
COMPARISON = rf"(?:longer|more|less|fewer|better|worse|later|earlier|different|\w+er{GAP}than)\b"
IS_NO = re.compile(rf"\b(?:(there|here){GAP})?(?:is|are){GAP}no{GAP}(?!{COMPARISON})[\w`\"'*]+", re.IGNORECASE)
WORDS = re.compile(
    rf"\b(?:anew|by{GAP}then|besides|let{GAP}be(?!\s*[=:;])|by{GAP}the{GAP}word{GAP}of)\b", re.IGNORECASE
)

# "Both.", "The name.", "Opens it.": a comment that adds nothing to the name of its item. A number, or a name in
# backticks such as "`statusCode`.", does add something.
EMPTY_DOC = re.compile(
    r"(?!\d+\.?$)(?:[\w-]+|(?:the|a|an|its|their|this|that|which|all|of)[ ][\w`-]+"
    r"|[\w-]+[ ](?:it|its|them|one|so|this))[.:]?",
    re.IGNORECASE,
)

RUST_DOC = re.compile(r"[ \t]*(///(?!/)|//!)[ \t]?(.*)")
PYTHON_DOC = re.compile(r'^[ \t]*[rR]?"""(.*)$', re.MULTILINE)
FENCE = re.compile(r"\s*(?:```|~~~)")
FUNCTION = re.compile(r"\b(?:fn|def)[ ]+(\w+)")
TEST_ATTRIBUTE = re.compile(r"#\[(?:[\w:]+::)?(?:test|rstest)\b")


@dataclass(frozen=True, order=True)
class Finding:
    """A broken rule, at a line of a file."""

    file: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.text}"


@dataclass(frozen=True)
class Paragraph:
    """The beginning of a paragraph in a doc comment."""

    line: int
    text: str
    is_whole_comment: bool


def kind_of(name: str) -> str | None:
    """Returns the kind of a file by its name, or None if the rules do not apply to it."""
    path = Path(name)
    if name.startswith(EXCLUDED):
        return None
    return KINDS.get(path.suffix) or NAMES.get(path.name)


def check(name: str, text: str) -> list[Finding]:
    """Returns the findings in one file, by line."""
    kind = kind_of(name)
    if kind is None or GENERATED.search(text[:400]):
        return []
    prose = toml_comments(text) if kind == "toml" else text
    found = [Finding(name, line, "long-line", f"{length} columns") for line, length in long_lines(prose, kind)]
    found += (Finding(name, line, "is-no", phrase) for line, phrase in is_no(prose))
    found += (Finding(name, line, "word", phrase) for line, phrase in forbidden_words(prose))
    for paragraph in paragraphs(text, kind):
        if RELATIVE.match(paragraph.text):
            found.append(Finding(name, paragraph.line, "relative-doc", paragraph.text))
        if paragraph.is_whole_comment and EMPTY_DOC.fullmatch(paragraph.text):
            found.append(Finding(name, paragraph.line, "empty-doc", paragraph.text))
    if kind in ("rust", "python"):
        found += (Finding(name, line, rule, function) for line, rule, function in function_names(text))
    return sorted(found)


def long_lines(text: str, kind: str) -> Iterator[tuple[int, int]]:
    """Yields the lines that could be broken, as (line, columns)."""
    in_fence = False
    for number, line in enumerate(text.split("\n"), 1):
        if kind == "markdown" and FENCE.match(line):
            in_fence = not in_fence
        if len(line) > MAX_COLUMNS and not (in_fence or TABLE_ROW.match(line) or UNBREAKABLE.search(line)):
            yield number, len(line)


def toml_comments(text: str) -> str:
    """Returns the text without its values, on the same lines."""
    return "\n".join("#" + line.partition("#")[2] if "#" in line else "" for line in text.split("\n"))


def is_no(text: str) -> Iterator[tuple[int, str]]:
    """Yields each "X is no Y", as (line, phrase)."""
    if "no" in text:
        yield from (hit for hit in matches(IS_NO, text) if not hit[1].lower().startswith(("there", "here")))


def forbidden_words(text: str) -> Iterator[tuple[int, str]]:
    """Yields the forbidden words and phrases, as (line, phrase)."""
    return matches(WORDS, text)


def matches(pattern: re.Pattern, text: str) -> Iterator[tuple[int, str]]:
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, " ".join(match.group().split())


def paragraphs(text: str, kind: str) -> Iterator[Paragraph]:
    """Yields the beginnings of the paragraphs in doc comments."""
    if kind in ("rust", "wit"):
        yield from rust_paragraphs(text)
    elif kind == "python":
        yield from python_paragraphs(text)


def rust_paragraphs(text: str) -> Iterator[Paragraph]:
    lines = text.split("\n")
    docs = [RUST_DOC.match(line) if "//" in line else None for line in lines]
    marker, in_fence, starts = "", False, True
    for index, doc in enumerate(docs):
        if doc is None or doc[1] != marker:
            marker, in_fence, starts = doc[1] if doc else "", False, True
        if doc is None:
            continue
        content = doc[2].strip()
        if FENCE.match(content):
            in_fence, starts = not in_fence, True
        elif in_fence or not content or content.startswith("#"):
            starts = True
        elif starts:
            yield Paragraph(index + 1, content, is_alone(docs, index, marker))
            starts = False


def is_alone(docs: list[re.Match | None], index: int, marker: str) -> bool:
    neighbours = (docs[other] for other in (index - 1, index + 1) if 0 <= other < len(docs))
    return not any(doc and doc[1] == marker for doc in neighbours)


def python_paragraphs(text: str) -> Iterator[Paragraph]:
    for match in PYTHON_DOC.finditer(text):
        content = match[1].strip()
        line = text.count("\n", 0, match.start(1)) + 1
        if content:
            yield Paragraph(line, content.removesuffix('"""').strip(), content.endswith('"""'))


def function_names(text: str) -> Iterator[tuple[int, str, str]]:
    """Yields the names of functions that break a rule, as (line, rule, name)."""
    for match in FUNCTION.finditer(text):
        name = match[1]
        words = name.replace("_", " ")
        rules = ["is-no"] if any(is_no(words)) else []
        rules += ["word"] if any(forbidden_words(words)) else []
        if RELATIVE_TEST.match(name.removeprefix("test_")) and is_test(name, text, match.start()):
            rules.append("relative-test")
        for rule in rules:
            yield text.count("\n", 0, match.start()) + 1, rule, name


def is_test(name: str, text: str, start: int) -> bool:
    """Returns true if the function at `start` is a test: of pytest by its name, of Rust by its attributes."""
    if name.startswith("test_"):
        return True
    recent = "\n".join(text[:start].rsplit("\n", 5)[-5:])
    return bool(TEST_ATTRIBUTE.search(recent[recent.rfind("}") + 1 :]))


def tracked(root: Path, paths: list[str]) -> list[str]:
    command = ["git", "ls-files", "-z", "--full-name", "--", *paths]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted(filter(kind_of, listed.split("\0")))


def folder(name: str) -> str:
    """Returns the folder that a summary counts a file under: a crate, or the top-level folder."""
    parts = name.split("/")
    depth = 2 if parts[0] in ("host", "guest", "tests", "docs") and len(parts) > 2 else 1
    return "/".join(parts[:depth]) if len(parts) > 1 else "."


def summary(found: list[Finding]) -> str:
    """Returns a table of the counts, one row a folder and one column a rule."""
    rules = sorted({finding.rule for finding in found})
    counts = Counter((folder(finding.file), finding.rule) for finding in found)
    folders = sorted({name for name, _ in counts})
    width = max(map(len, [*folders, "total"]))
    columns = [*rules, "total"]
    rows = [f"{'folder':{width}}  " + "  ".join(columns)]
    for name in [*folders, "total"]:
        numbers = [sum(counts[one, rule] for one in (folders if name == "total" else [name])) for rule in rules]
        cells = [f"{number:>{len(rule)}}" for number, rule in zip([*numbers, sum(numbers)], columns, strict=True)]
        rows.append(f"{name:{width}}  " + "  ".join(cells))
    return "\n".join(rows)


def main(arguments: list[str], root: Path) -> int:
    parser = argparse.ArgumentParser(description="Check the mechanical rules of plain English.")
    parser.add_argument("--summary", action="store_true", help="print the number of findings in each folder")
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="check the files at or below this path of the repository"
    )
    given = parser.parse_args(arguments)
    names = tracked(root, given.paths)
    found = [finding for name in names if (root / name).is_file() for finding in check(name, (root / name).read_text())]
    print(summary(found) if given.summary else "\n".join(map(str, found)), end="\n" if found else "")
    print(f"plain English: {len(names)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).resolve().parent.parent))
