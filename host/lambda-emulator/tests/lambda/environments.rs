//! Environments with a shell as the function, which can misbehave.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_event::FunctionError;
use tidegate_lambda_emulator::function::MAX_ENVIRONMENTS;
use tidegate_lambda_emulator::{Aws, Configuration, Error, Function};

use crate::signing::{REGION, credentials};
use crate::soon;

/// The program of every function. The tests do not write it, because a file that was just written cannot be executed
/// while another thread forks.
const BOOTSTRAP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lambda/bootstrap.sh");
const LONG: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct NoDatabase;

impl HttpConnector for NoDatabase {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Err(ConnectorError::io("there is no database".into())))
    }
}

/// Creates a function whose process runs `script`.
fn function(folder: &Path, script: &str, timeout: Duration) -> Arc<Function> {
    std::fs::write(folder.join("function.sh"), script).unwrap();
    Function::new(configuration(folder, timeout), aws())
}

fn aws() -> Arc<Aws> {
    Arc::new(Aws::new(SharedHttpConnector::new(NoDatabase), REGION, credentials("ASIA", "secret")))
}

fn configuration(folder: &Path, timeout: Duration) -> Configuration {
    Configuration {
        name: "shell".to_owned(),
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
        bootstrap: BOOTSTRAP.into(),
        through: Vec::new(),
        task_root: folder.to_owned(),
        memory: 128,
        timeout,
        variables: [("STAGE".to_owned(), "dev".to_owned())].into(),
        credentials: credentials("ASIA", "secret"),
        freeze: false,
    }
}

async fn invoke(function: &Arc<Function>) -> Result<String, Error> {
    soon(function.invoke(b"{}".to_vec())).await.map(|answer| String::from_utf8(answer).unwrap())
}

async fn fails(script: &str) -> FunctionError {
    let folder = tempfile::tempdir().unwrap();
    match invoke(&function(folder.path(), script, LONG)).await {
        Err(Error::Function(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn processes_answer_events_until_the_function_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"while true; do next; count=$((count + 1)); respond "$$ $count $STAGE $HOME"; done"#;
    let function = function(folder.path(), script, LONG);
    let first = invoke(&function).await.unwrap();
    let process = first.split(' ').next().unwrap();
    assert_eq!(first, format!("{process} 1 dev "), "the process does not inherit the environment");
    soon(function.settled()).await;
    assert_eq!(invoke(&function).await.unwrap(), format!("{process} 2 dev "));
    soon(function.close()).await;
    assert!(!Path::new("/proc").join(process).exists());
    assert!(matches!(invoke(&function).await, Err(Error::Closed(_))));
}

#[tokio::test]
async fn concurrent_events_run_in_separate_processes_and_the_last_used_is_reused() {
    let folder = tempfile::tempdir().unwrap();
    // The first two events wait for each other, so they need two processes.
    let script = r#"next; touch "met-$$"; until [ "$(ls met-* | wc -l)" = 2 ]; do sleep 0.01; done
        respond $$; while true; do next; respond $$; done"#;
    let function = function(folder.path(), script, LONG);
    let (one, two) = tokio::join!(invoke(&function), invoke(&function));
    assert_ne!(one.unwrap(), two.unwrap());
    soon(function.settled()).await;
    let last = invoke(&function).await.unwrap();
    for _ in 0..3 {
        soon(function.settled()).await;
        assert_eq!(invoke(&function).await.unwrap(), last);
    }
    soon(function.close()).await;
}

#[tokio::test]
async fn processes_that_end_during_an_event_fail_it_and_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"next; if mkdir seen; then exit 7; fi; respond '"again"'; next"#;
    let function = function(folder.path(), script, LONG);
    let Err(Error::Function(error)) = invoke(&function).await else { panic!("it answered") };
    assert_eq!(error.error_type, "Runtime.ExitError");
    assert!(error.error_message.starts_with("RequestId: "), "{error:?}");
    assert!(error.error_message.ends_with(" Error: Runtime exited with error: exit status 7"), "{error:?}");
    assert_eq!(invoke(&function).await.unwrap(), r#""again""#);
    soon(function.close()).await;
}

#[tokio::test]
async fn processes_that_end_while_idle_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let function = function(folder.path(), "(sleep 0.2; kill -9 $$) & next; respond $$; next", LONG);
    let first = invoke(&function).await.unwrap();
    soon(async {
        while std::fs::read_to_string(format!("/proc/{first}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_ne!(invoke(&function).await.unwrap(), first);
    soon(function.close()).await;
}

#[tokio::test]
async fn signals_are_named() {
    let error = fails("next; kill -9 $$").await;
    assert!(error.error_message.ends_with("Runtime exited with error: signal: killed"), "{error:?}");
}

#[tokio::test]
async fn init_failures_have_their_reason() {
    let reported = fails("api POST init/error '{\"errorType\":\"Own\",\"errorMessage\":\"no table\"}'; exit 1").await;
    assert_eq!((reported.error_type.as_str(), reported.error_message.as_str()), ("Own", "no table"));
    let silent = fails("exit 3").await;
    assert_eq!(silent.error_type, "Runtime.ExitError");
    assert_eq!(silent.error_message, "Error: Runtime exited with error: exit status 3");
    assert_eq!(fails("exit 0").await.error_message, "Error: Runtime exited without providing a reason");
}

#[tokio::test]
async fn processes_that_time_out_are_killed_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let script = "next; if mkdir seen; then echo $$ > seen/id; sleep 1000; fi; respond '\"again\"'; next";
    let function = function(folder.path(), script, Duration::from_millis(500));
    let Err(Error::TimedOut(error)) = invoke(&function).await else { panic!("it answered") };
    assert_eq!(error.error_type, "Sandbox.Timedout");
    assert!(error.error_message.ends_with(" Error: Task timed out after 0.50 seconds"), "{error:?}");
    assert_eq!(invoke(&function).await.unwrap(), r#""again""#);
    soon(function.close()).await;
    let process = std::fs::read_to_string(folder.path().join("seen/id")).unwrap();
    assert!(!Path::new("/proc").join(process.trim()).exists());
}

#[tokio::test]
async fn post_response_phases_that_time_out_are_killed_after_their_answer() {
    let folder = tempfile::tempdir().unwrap();
    let function = function(folder.path(), "next; respond $$; sleep 1000", Duration::from_millis(500));
    let first = invoke(&function).await.unwrap();
    soon(function.settled()).await;
    assert!(!Path::new("/proc").join(&first).exists());
    assert_ne!(invoke(&function).await.unwrap(), first);
    soon(function.close()).await;
}

#[tokio::test]
async fn events_above_the_limit_of_environments_are_throttled() {
    let folder = tempfile::tempdir().unwrap();
    let script = "next; until [ -e open ]; do sleep 0.05; done; respond 1; next";
    let function = function(folder.path(), script, LONG);
    let busy: Vec<_> = (0..MAX_ENVIRONMENTS)
        .map(|_| {
            let function = Arc::clone(&function);
            tokio::spawn(async move { invoke(&function).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let throttled = loop {
        // An environment is free until every task has started.
        match tokio::time::timeout(Duration::from_millis(100), function.invoke(b"{}".to_vec())).await {
            Ok(Err(error)) => break error,
            Ok(Ok(answer)) => panic!("it answered {answer:?}"),
            Err(_) => {}
        }
    };
    assert_eq!(throttled.code(), Code::InvocationThrottled);
    assert!(throttled.to_string().starts_with("TooManyRequestsException: the function `shell` is busy"), "{throttled}");
    std::fs::write(folder.path().join("open"), "").unwrap();
    let answers = busy.into_iter().map(|task| async { soon(task).await.unwrap() });
    let mut answered = 0;
    for answer in answers {
        answered += usize::from(answer.await.is_ok());
    }
    assert!(answered >= MAX_ENVIRONMENTS - 1, "{answered}");
    soon(function.close()).await;
}

#[tokio::test]
async fn processes_can_be_started_through_another_program() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("function.sh"), r#"next; respond "\"$ADDED\"""#).unwrap();
    let through = ["/usr/bin/env", "ADDED=on the way"].map(Into::into).into();
    let function = Function::new(Configuration { through, ..configuration(folder.path(), LONG) }, aws());
    assert_eq!(invoke(&function).await.unwrap(), r#""on the way""#);
    soon(function.close()).await;
}

#[tokio::test]
async fn missing_programs_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = Configuration { bootstrap: "nowhere/bootstrap".into(), ..configuration(folder.path(), LONG) };
    let function = Function::new(configuration, aws());
    let error = Diagnostic::from(invoke(&function).await.unwrap_err());
    assert_eq!(error.code, Code::EnvironmentStartFailed);
    assert!(error.what.contains("nowhere/bootstrap`"), "{error}");
}
