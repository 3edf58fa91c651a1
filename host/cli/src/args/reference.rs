//! `docs/reference/cli.md`, generated from the command line that clap parses.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Arg, Command, CommandFactory as _};

use super::Cli;

/// Set to rewrite the page instead of comparing it.
const UPDATE: &str = "TIDEGATE_UPDATE_DOCS";

const INTRODUCTION: &str = "\
# Command line

`tidegate` builds and runs an app on a developer's machine, and publishes its releases. `tidegate COMMAND --help` prints
the text of this page.

Data goes to standard output; progress, warnings and the log go to standard error. The exit code is 0 after success, 1
after a failure, 2 after a mistake in the arguments, 130 after Ctrl-C, and 143 after SIGTERM. [Errors](errors.md) lists
the error codes, and [environment](environment.md) the environment variables. With `--json`, a failure prints
`{\"error\":{\"code\":…,\"message\":…,\"hint\":…}}` on standard output.

This page is generated: `TIDEGATE_UPDATE_DOCS=1 cargo test -p tidegate-cli cli_reference` writes it.
";

#[test]
fn cli_reference_is_up_to_date() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md"));
    let page = page();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "`{}` is out of date; hint: run this test with `{UPDATE}=1`", path.display());
}

fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut page = INTRODUCTION.to_owned();
    for command in commands(&root) {
        section(&mut page, command);
    }
    page
}

/// Returns the commands that run something, in the order of `--help`.
fn commands(command: &Command) -> Vec<&Command> {
    let children: Vec<_> =
        command.get_subcommands().filter(|child| !child.is_hide_set() && child.get_name() != "help").collect();
    if children.is_empty() {
        return vec![command];
    }
    children.into_iter().flat_map(commands).collect()
}

fn section(page: &mut String, command: &Command) {
    let mut command = command.clone();
    let usage = command.render_usage().to_string();
    let name = command.get_bin_name().unwrap_or_default().to_owned();
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    writeln!(page, "\n## `{name}`\n").unwrap();
    paragraph(page, "", &sentence(&about));
    writeln!(page, "\n```text\n{}\n```\n", usage.trim_start_matches("Usage: ")).unwrap();
    for argument in command.get_arguments().filter(|argument| is_documented(argument)) {
        paragraph(page, "- ", &item(argument));
    }
}

fn is_documented(argument: &Arg) -> bool {
    !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
}

/// Returns the text about an argument, for example `` `--port <PORT>`: The port. Default: `3000`. ``
fn item(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    // Defaults that clap does not know are part of the help text.
    let (help, described_default) = match help.rsplit_once(" [default: ") {
        Some((help, default)) => (help.to_owned(), Some(default.trim_end_matches(']').to_owned())),
        None => (help, None),
    };
    let mut text = format!("`{}`: {}", argument.to_string().replace('`', ""), sentence(&help));
    let values = argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy()));
    let default =
        described_default.or_else(|| argument.get_action().takes_values().then(|| values.collect::<String>()));
    if let Some(default) = default.filter(|default| !default.is_empty()) {
        write!(text, " Default: {default}.").unwrap();
    }
    let possible: Vec<_> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if argument.get_action().takes_values() && !possible.is_empty() {
        write!(text, " One of {}.", possible.join(", ")).unwrap();
    }
    if let Some(variable) = argument.get_env() {
        write!(text, " Environment variable: `{}`.", variable.to_string_lossy()).unwrap();
    }
    text
}

/// Returns the text with a full stop, which clap removes from one-line help.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

/// Writes text with lines of at most 120 columns. Empty lines separate paragraphs.
fn paragraph(page: &mut String, bullet: &str, text: &str) {
    let indent = " ".repeat(bullet.len());
    for (index, text) in text.split("\n\n").enumerate() {
        if index > 0 {
            page.push('\n');
        }
        let mut line = if index == 0 { bullet.to_owned() } else { indent.clone() };
        let mut is_empty = true;
        for word in text.split_whitespace() {
            if !is_empty && line.chars().count() + 1 + word.chars().count() > 120 {
                writeln!(page, "{line}").unwrap();
                line.clone_from(&indent);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        writeln!(page, "{line}").unwrap();
    }
}
