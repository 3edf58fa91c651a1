//! The real `bootstrap`, between a stand-in Runtime API and AWS on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tidegate_app::App;
use tidegate_event::{Payload, Reply, decode_reply};
use tidegate_lambda_emulator::{Answer, RuntimeApi};
use tidegate_release::{Digest, ReleaseId, folder};
use tidegate_runtime::engine;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::aws::{ACCESS_KEY_ID, Aws};
use crate::guests;

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lambda's own deadline of most events.
const TIME: Duration = Duration::from_secs(30);
const FUNCTION_ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:chat";

pub(crate) struct Setup {
    package: tempfile::TempDir,
    environment: BTreeMap<&'static str, String>,
    pub(crate) aws: Aws,
}

pub(crate) struct Bootstrap {
    pub(crate) api: RuntimeApi,
    pub(crate) aws: Aws,
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
    _package: tempfile::TempDir,
}

/// A package of `app` with its guests, and the environment of its handler.
pub(crate) async fn setup(app: &App) -> Setup {
    let package = tempfile::tempdir().unwrap();
    let artifacts = app.components.iter().map(|name| (name.clone(), std::fs::read(guests::artifact(name)).unwrap()));
    let digests = app.components.iter().map(|name| (name.as_str(), Digest::of(&guests::wasm(name))));
    let id = ReleaseId::of(app, digests, &engine::id());
    folder::write(&package.path().join("task"), &id, app, &artifacts.collect()).unwrap();
    let aws = Aws::start().await;
    let mut environment: BTreeMap<&str, String> = [
        ("AWS_LAMBDA_FUNCTION_NAME", "chat"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
        ("TIDEGATE_FUNCTION", "handler"),
        ("STAGE", "dev"),
        ("CONNECTIONS_TABLE", "connections"),
        ("GROUPS_TABLE", "groups"),
        ("STORAGE_TABLE", "storage"),
        ("CONFIG_PREFIX", "/tidegate/probe/dev/"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    environment.insert("AWS_ENDPOINT_URL", aws.url());
    environment.insert("API_GATEWAY_URL", format!("{}/dev", aws.url()));
    environment.insert("LAMBDA_TASK_ROOT", package.path().join("task").display().to_string());
    aws.set_parameter("/tidegate/probe/dev/plan", "gold");
    Setup { package, environment, aws }
}

impl Setup {
    pub(crate) fn set(mut self, name: &'static str, value: &str) -> Self {
        self.environment.insert(name, value.to_owned());
        self
    }

    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    pub(crate) fn task(&self) -> PathBuf {
        self.package.path().join("task")
    }

    pub(crate) async fn start(self) -> Bootstrap {
        let api = RuntimeApi::start(FUNCTION_ARN).await.unwrap();
        let mut child = Command::new(Path::new(env!("CARGO_BIN_EXE_bootstrap")))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.endpoint())
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no line of JSON: {line}"));
                seen.lock().unwrap().push(line);
            }
        });
        Bootstrap { api, aws: self.aws, child, lines, _package: self.package }
    }

    /// Returns the error that a process which does not start reports to the Runtime API before it exits.
    pub(crate) async fn fails(self) -> String {
        let mut bootstrap = self.start().await;
        let status = soon(bootstrap.child.wait()).await.unwrap();
        assert_eq!(status.code(), Some(1));
        let error = soon(bootstrap.api.init_error()).await;
        assert_eq!(error.error_type, "Tidegate.Init");
        error.error_message
    }
}

impl Bootstrap {
    /// Returns the answer to an event.
    pub(crate) async fn invoke(&self, event: Vec<u8>) -> Answer {
        soon(self.api.invoke(event, TIME)).await
    }

    /// Returns the reply to an event after its post-response phase.
    pub(crate) async fn reply(&self, event: Vec<u8>) -> Reply {
        let answer = self.invoke(event).await.unwrap_or_else(|error| panic!("{error:?} {:?}", self.lines()));
        soon(self.api.idle()).await;
        decode_reply(&answer).unwrap()
    }

    /// The text of a reply.
    pub(crate) async fn text(&self, event: Vec<u8>) -> String {
        match self.reply(event).await.body {
            Some(Payload::Text(text)) => text,
            other => panic!("expected text, found {other:?}"),
        }
    }

    /// Waits for the first line of the log that matches.
    pub(crate) async fn line(&self, holds: impl Fn(&Value) -> bool) -> Value {
        soon(async {
            loop {
                if let Some(line) = self.lines.lock().unwrap().iter().find(|line| holds(line)) {
                    return line.clone();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Waits for the first line of the log whose message contains this text.
    pub(crate) async fn logged(&self, text: &str) -> Value {
        self.line(|line| line["message"].as_str().is_some_and(|message| message.contains(text))).await
    }

    /// Returns the lines of the log so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Freezes the process, as Lambda does between events, or resumes it.
    pub(crate) fn freeze(&self, frozen: bool) {
        let id = i32::try_from(self.child.id().expect("the process runs")).unwrap();
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }
}

/// Fails the test instead of letting it hang.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("what the test waits for did not happen")
}
