//! `docs/reference/errors.md` and the sources have every code.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tidegate_diagnostic::Code;

/// The prefix of the codes of the stack, which are written in Python and have their own test.
const STACK: &str = "stack-";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the sections of the page: each code with its text.
fn sections(page: &str) -> Vec<(&str, &str)> {
    let sections = page.split("\n### `").skip(1);
    sections.map(|text| text.split_once("`\n").unwrap_or_else(|| panic!("no code in the heading of {text}"))).collect()
}

#[test]
fn every_code_has_one_section_with_cause_remedy_and_example() {
    let page = fs::read_to_string(repository().join("docs/reference/errors.md")).unwrap();
    let sections = sections(&page);
    let mut problems = Vec::new();
    for code in Code::ALL.iter().map(|code| code.as_str()) {
        let texts: Vec<_> = sections.iter().filter(|(section, _)| *section == code).map(|(_, text)| *text).collect();
        let [text] = texts.as_slice() else {
            problems.push(format!("`{code}` has {} sections", texts.len()));
            continue;
        };
        let parts = ["- **Cause**: ", "- **Remedy**: ", "- **Example**:"];
        problems
            .extend(parts.iter().filter(|part| !text.contains(**part)).map(|part| format!("`{code}` has no {part}")));
        let example = format!("error[{code}]: ");
        if !text.contains(&example) && !text.contains(&format!("\"code\":\"{code}\"")) {
            problems.push(format!("the example of `{code}` has no `{example}`"));
        }
    }
    assert!(problems.is_empty(), "docs/reference/errors.md:\n{}", problems.join("\n"));
}

#[test]
fn every_section_has_a_code() {
    let page = fs::read_to_string(repository().join("docs/reference/errors.md")).unwrap();
    let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let unknown: Vec<_> = sections(&page)
        .into_iter()
        .map(|(code, _)| code)
        .filter(|code| !code.starts_with(STACK) && !codes.contains(code))
        .collect();
    assert!(unknown.is_empty(), "docs/reference/errors.md explains codes that do not exist: {unknown:?}");
}

#[test]
fn every_code_is_used() {
    let mut sources = String::new();
    for member in fs::read_dir(repository().join("host")).unwrap() {
        let member = member.unwrap();
        if member.file_name() != "diagnostic" {
            append_sources(&member.path().join("src"), &mut sources);
        }
    }
    let is_used = |code: &Code| {
        let name = format!("Code::{code:?}");
        let is_end = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
        sources.match_indices(&name).any(|(start, _)| sources.get(start + name.len()..).is_some_and(is_end))
    };
    let unused: Vec<_> = Code::ALL.iter().filter(|code| !is_used(code)).map(|code| code.as_str()).collect();
    assert!(unused.is_empty(), "no crate uses the codes {unused:?}");
}

fn append_sources(dir: &Path, sources: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            append_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
