//! `tidegate env`: the environment of programs that call the `@connections` of a running `tidegate dev`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tidegate_diagnostic::{Code, Diagnostic};

use crate::dev::run_file::{self, Run};
use crate::release::render;
use crate::ui::error::Result;
use crate::ui::terminal::out;
use crate::{args, build};

/// The characters that a shell takes as they are.
const PLAIN: &[char] = &['-', '_', '.', '/', ':', '[', ']'];

/// Prints the variables, as lines for a shell or as JSON.
///
/// # Errors
/// No `tidegate dev` runs for the app, or several do.
pub(crate) fn run(args: &args::Env) -> Result<()> {
    let app = app_folder(&args.app.dir);
    let run = choose(run_file::running(&build::state::path_in(&app))?, args.port, &app)?;
    let variables = variables(&run);
    if args.json {
        let json: Map<String, Value> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        render::print_json(&Value::Object(json));
    } else {
        for (name, value) in variables {
            out!("export {name}={}", quote(&value));
        }
    }
    Ok(())
}

/// Returns the folder of an app, which may be given by its manifest.
fn app_folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if path.is_file() => parent.to_owned(),
        _ => path.to_owned(),
    }
}

fn choose(running: Vec<Run>, port: Option<u16>, app: &Path) -> Result<Run> {
    let what = format!("cannot print the environment of `{}`", app.display());
    let mut running: Vec<Run> = running.into_iter().filter(|run| port.is_none_or(|port| run.port == port)).collect();
    let Some(run) = running.pop() else {
        let on_port = port.map(|port| format!(" on port {port}")).unwrap_or_default();
        let why = format!("no `tidegate dev` runs for this app{on_port}");
        return Err(Diagnostic::new(Code::DevNotRunning, what, why).hint("start `tidegate dev` in the app's folder"));
    };
    if !running.is_empty() {
        running.push(run);
        running.sort_unstable_by_key(|run| run.port);
        let ports: Vec<_> = running.iter().map(|run| run.port.to_string()).collect();
        let why = format!("several `tidegate dev` run for this app, on the ports {}", ports.join(", "));
        return Err(Diagnostic::new(Code::DevRunsSeveral, what, why).hint("choose one with `--port PORT`"));
    }
    Ok(run)
}

/// Returns the variables that AWS's SDKs and command line read, and the URL under the name that functions know it by.
fn variables(run: &Run) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ACCESS_KEY_ID", run.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", run.secret_access_key.clone()),
        // A token in the user's own environment would belong to other keys. SDKs take an empty value for none.
        ("AWS_SESSION_TOKEN", String::new()),
        ("AWS_REGION", run.region.clone()),
        ("AWS_DEFAULT_REGION", run.region.clone()),
        ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", run.url.clone()),
        ("API_GATEWAY_URL", run.url.clone()),
    ]
}

/// Quotes a value for a shell, if it needs quotes.
fn quote(value: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || PLAIN.contains(&character);
    if value.chars().all(is_plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_on(port: u16) -> Run {
        Run {
            port,
            url: format!("http://127.0.0.1:{port}/dev"),
            region: "us-east-1".to_owned(),
            access_key_id: "AKIA".to_owned(),
            secret_access_key: "secret".to_owned(),
        }
    }

    #[test]
    fn one_running_process_is_chosen() {
        let choose = |running, port| choose(running, port, Path::new("chat")).map_err(|error| error.code);
        assert_eq!(choose(vec![run_on(3000)], None), Ok(run_on(3000)));
        assert_eq!(choose(vec![run_on(3000), run_on(4000)], Some(3000)), Ok(run_on(3000)));
        assert_eq!(choose(vec![run_on(3000), run_on(4000)], None), Err(Code::DevRunsSeveral));
        assert_eq!(choose(vec![run_on(3000)], Some(1)), Err(Code::DevNotRunning));
        assert_eq!(choose(Vec::new(), None), Err(Code::DevNotRunning));
    }

    #[test]
    fn values_are_quoted_where_a_shell_would_change_them() {
        for (value, quoted) in [
            ("http://127.0.0.1:3000/dev", "http://127.0.0.1:3000/dev"),
            ("", ""),
            ("a b", "'a b'"),
            ("$(id)", "'$(id)'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quote(value), quoted);
        }
    }
}
