"""Tests of the mechanical rules of plain English, each with lines that break it and lines that do not."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from plain_english import check, folder, kind_of, main, summary  # noqa: E402


def rules(name, text):
    return [(finding.line, finding.rule) for finding in check(name, text)]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.rs", "/// What a store keeps, in order.\nstruct A;", 1),
        ("a.rs", "//! Where releases are stored.\n", 1),
        ("a.rs", "    /// Whether the host is frozen.\n    frozen: bool,", 1),
        ("a.rs", "/// Reads a pointer.\n///\n/// # Errors\n/// When the store cannot be read.\nfn a() {}", 4),
        ("a.rs", "/// Reads a pointer.\n///\n/// Whoever reads it waits.\nfn a() {}", 3),
        ("a.wit", "/// How a call may fail.\nvariant error {}", 1),
        ("a.py", 'def a():\n    """Where the lines go."""\n', 2),
        ("a.py", '"""What differs between stages.\n\nIt is long.\n"""\n', 1),
    ],
)
def test_doc_that_begins_with_a_relative_word_is_found(name, text, line):
    assert rules(name, text) == [(line, "relative-doc")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.rs", "/// Keeps releases in order.\n/// Which of two is newer is decided by their generation.\n"),
        ("a.rs", "/// Quotes a page:\n///\n/// ```text\n/// What is it?\n/// ```\n"),
        ("a.rs", "// What follows is an ordinary comment.\n//// What follows is not documentation.\n"),
        ("a.rs", "/// `When` is an enum of moments.\n"),
        ("a.rs", "/// Whatsoever-like words and Thatcher are other words.\n"),
        ("a.py", 'def a():\n    """Reads a page.\n\n    Where it is missing, raises KeyError.\n    """\n'),
        ("a.md", "What is a release?\n"),
    ],
)
def test_other_sentences_may_begin_with_a_relative_word(name, text):
    assert rules(name, text) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.rs", "// A key that is no name is refused.\n"),
        ("a.rs", 'bail!("`{name}` is no digest");\n'),
        ("a.rs", "/// Answers `x`, which is\n/// no release of this app.\n"),
        ("a.rs", "fn a_folder_that_is_no_release_is_refused() {}\n"),
        ("a.py", "# They are no secrets.\n"),
        ("a.py", "def test_lines_are_no_faults():\n    pass\n"),
        ("a.md", "A route that is\nno route is refused.\n"),
        ("a.toml", 'a = "b" # which is no name\n'),
        ("Makefile", "# It is no file.\n"),
        (".ci/run", "# It is no file.\n"),
    ],
)
def test_is_no_is_found(name, text):
    assert rules(name, text) == [(1, "is-no")]


@pytest.mark.parametrize(
    "text",
    [
        "There is no release, and there are no keys.",
        "The store says that there\nis no release.",
        "The release is no longer active, and no key is stored.",
        "A page is no larger than 1 MiB.",
        "The call is a no-op.",
        "The answer is no.",
    ],
)
def test_other_uses_of_no_are_allowed(text):
    assert rules("a.md", text) == []


def test_values_in_toml_are_not_checked():
    assert rules("a.toml", f'name = "it is no name"\nlong = "{"ab " * 60}"\n') == []


@pytest.mark.parametrize(
    "phrase", ["sent anew", "gone by then", "Besides, it works", "left: let be", "by the\nword of its store"]
)
def test_forbidden_words_are_found(phrase):
    assert rules("a.md", f"First line.\nIt is {phrase}.\n") == [(2, "word")]


def test_words_that_contain_forbidden_words_are_allowed():
    assert rules("a.rs", "// Renewed beside the then-branch.\nlet be = 1;\n") == []


@pytest.mark.parametrize("comment", ["Both.", "The name.", "Its id", "Opens it.", "Idempotent."])
@pytest.mark.parametrize(("name", "form"), [("a.rs", "/// {}\n"), ("a.py", '"""{}"""\n'), ("a.wit", "/// {}\n")])
def test_empty_doc_comments_are_found(name, form, comment):
    assert rules(name, form.format(comment)) == [(1, "empty-doc")]


@pytest.mark.parametrize(
    "text",
    ["/// `statusCode`.\n", "/// 403\n", "/// Milliseconds since 1970.\n", "/// Long.\n/// Longer.\n", "// Both.\n"],
)
def test_short_comments_that_add_something_are_allowed(text):
    assert rules("a.rs", text) == []


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.py", "def test_what_is_wrong_is_named():\n    pass\n", 1),
        ("a.rs", "#[test]\nfn who_signs_is_named() {}\n", 2),
        ("a.rs", "#[tokio::test(start_paused = true)]\n#[cfg(unix)]\nasync fn that_fails() {}\n", 3),
    ],
)
def test_test_names_that_begin_with_a_relative_word_are_found(name, text, line):
    assert rules(name, text) == [(line, "relative-test")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", "def which_python():\n    pass\n\ndef test_pythons_which():\n    pass\n"),
        ("a.rs", "fn how_many() {}\n"),
        ("a.rs", "#[test]\nfn one() {}\nfn how_many() {}\n"),
    ],
)
def test_other_functions_may_begin_with_a_relative_word(name, text):
    assert rules(name, text) == []


@pytest.mark.parametrize("name", ["a.rs", "a.py", "a.md", "a.wit", "a.sh", "infra/Makefile"])
def test_long_lines_are_found(name):
    fits, too_long = "# " + "ab " * 39 + "c", "# " + "ab " * 39 + "cd"
    assert rules(name, f"{fits}\n{too_long}\n") == [(2, "long-line")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.md", "| " + "ab " * 60 + "|"),
        ("a.md", "```console\n" + "ab " * 60 + "\n```"),
        ("a.md", "See <https://example.com/" + "a" * 110 + ">."),
        ("a.rs", "/// | " + "ab " * 60 + "|"),
        ("a.rs", 'const TOKEN: &str = "' + "a" * 110 + '";'),
    ],
)
def test_lines_that_cannot_be_broken_may_be_long(name, text):
    assert rules(name, text) == []


def test_a_line_after_a_code_block_is_checked():
    assert rules("a.md", "```\n```\n" + "ab " * 60) == [(3, "long-line")]


def test_generated_and_other_files_are_not_checked():
    broken = "It is no file."
    assert rules("docs/cli.md", f"<!-- @generated by clap -->\n\n{broken}\n") == []
    for name in ("wit/deps/config/store.wit", "Cargo.lock", "a.json", "a.txt", ".ci/plain_english.py"):
        assert kind_of(name) is None
        assert rules(name, broken) == []


def test_a_finding_prints_its_place_its_rule_and_its_text():
    (finding,) = check("host/a.rs", "\n/// Both.\n")
    assert str(finding) == "host/a.rs:2: empty-doc: Both."


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("host/runtime/src/lib.rs", "host/runtime"),
        ("docs/adr/0001.md", "docs/adr"),
        ("docs/index.md", "docs"),
        ("infra/tests/test_a.py", "infra"),
        ("README.md", "."),
    ],
)
def test_a_summary_counts_by_crate_or_folder(name, expected):
    assert folder(name) == expected


def test_a_summary_has_a_row_a_folder_and_a_total():
    found = check("host/a/x.rs", "/// Both.\n") + check("infra/a.py", '"""Both."""\n# anew\n')
    assert [line.split() for line in summary(found).splitlines()] == [
        ["folder", "empty-doc", "word", "total"],
        ["host/a", "1", "0", "1"],
        ["infra", "1", "1", "2"],
        ["total", "2", "1", "3"],
    ]


def test_only_tracked_files_below_the_given_paths_are_checked(tmp_path, capsys):
    for name in ("a/x.md", "b/x.md", "b/untracked.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("It is no page.\n")
    (tmp_path / "plain.md").write_text("A page.\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "a", "b/x.md", "plain.md"], cwd=tmp_path, check=True)
    assert main([], tmp_path) == 1
    assert capsys.readouterr().out.splitlines()[:2] == ["a/x.md:1: is-no: is no page", "b/x.md:1: is-no: is no page"]
    assert main(["b"], tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == ["b/x.md:1: is-no: is no page", "plain English: 1 files, 1 findings"]
    assert main(["plain.md"], tmp_path) == 0
    assert main(["--summary"], tmp_path) == 1
