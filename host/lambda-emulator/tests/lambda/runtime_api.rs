//! The Runtime API, request by request.

use std::time::{Duration, SystemTime};

use tidegate_event::FunctionError;
use tidegate_lambda_emulator::RuntimeApi;
use tidegate_lambda_emulator::runtime_api::MAX_RESPONSE_BYTES;

use crate::client::{Answer, Client};
use crate::soon;

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:chat";
const TIME: Duration = Duration::from_secs(30);
const NEXT: &str = "/2018-06-01/runtime/invocation/next";
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";

async fn start() -> (RuntimeApi, Client) {
    let api = RuntimeApi::start(ARN).await.unwrap();
    let client = Client::connect(&api.endpoint()).await;
    (api, client)
}

impl Client {
    async fn next(&mut self) -> Answer {
        self.request("GET", NEXT, "", b"").await
    }

    /// Takes the next event and answers it.
    async fn answer(&mut self, kind: &str, headers: &str, body: &[u8]) -> Answer {
        let id = self.next().await.header("lambda-runtime-aws-request-id").to_owned();
        self.request("POST", &path(&id, kind), headers, body).await
    }
}

/// Returns the address and the secret of an API.
fn split(api: &RuntimeApi) -> (String, String) {
    let endpoint = api.endpoint();
    let (address, secret) = endpoint.strip_prefix("http://").unwrap().split_once('/').unwrap();
    (address.to_owned(), secret.to_owned())
}

fn path(id: &str, kind: &str) -> String {
    format!("/2018-06-01/runtime/invocation/{id}/{kind}")
}

fn error(kind: &str, message: &str) -> FunctionError {
    FunctionError { error_type: kind.to_owned(), error_message: message.to_owned() }
}

#[tokio::test]
async fn events_have_their_headers_and_their_answers_are_returned() {
    let (api, mut process) = start().await;
    let process = async {
        let event = process.next().await;
        assert_eq!((event.status, event.body.as_str()), (200, "{\"event\":1}"));
        assert_eq!(event.header("lambda-runtime-invoked-function-arn"), ARN);
        assert!(event.header("lambda-runtime-trace-id").starts_with("Root=1-"));
        let deadline: u128 = event.header("lambda-runtime-deadline-ms").parse().unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        assert!((now + 20_000..=now + 30_000).contains(&deadline), "{deadline} at {now}");
        let id = event.header("lambda-runtime-aws-request-id");
        assert_eq!(process.request("POST", &path(id, "response"), "", b"[1]").await.status, 202);
        // The event was answered, so its id is unknown now.
        let again = process.request("POST", &path(id, "response"), "", b"[2]").await;
        assert_eq!(again.status, 400);
        assert!(again.body.contains("InvalidRequestID"), "{again:?}");
    };
    let (answer, ()) = tokio::join!(soon(api.invoke("{\"event\":1}", TIME)), process);
    assert_eq!(answer, Ok(b"[1]".to_vec()));
}

#[tokio::test]
async fn events_wait_for_the_process_in_order() {
    let (api, mut process) = start().await;
    let first = api.submit("1", TIME);
    let second = api.submit("2", TIME);
    assert!(!api.is_idle());
    for number in ["1", "2"] {
        let event = process.next().await;
        assert_eq!(event.body, number);
        let id = event.header("lambda-runtime-aws-request-id");
        process.request("POST", &path(id, "response"), "", number.as_bytes()).await;
    }
    assert_eq!(soon(first.answer()).await, Ok(b"1".to_vec()));
    assert_eq!(soon(second.answer()).await, Ok(b"2".to_vec()));
    process.send("GET", NEXT, "", b"").await;
    soon(api.idle()).await;
    let third = api.submit("3", TIME);
    assert!(!api.is_idle(), "the process has the event");
    assert_eq!(process.receive().await.body, "3");
    drop(third);
}

#[tokio::test]
async fn dropped_events_are_withdrawn() {
    let (api, mut process) = start().await;
    drop(api.submit("dropped", TIME));
    let kept = api.submit("kept", TIME);
    assert_eq!(process.next().await.body, "kept");
    drop(kept);
}

#[tokio::test]
async fn events_survive_the_end_of_a_waiting_connection() {
    let (api, mut gone) = start().await;
    gone.send("GET", NEXT, "", b"").await;
    soon(api.idle()).await;
    drop(gone);
    soon(async {
        while api.is_idle() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let event = api.submit("kept", TIME);
    let mut process = Client::connect(&api.endpoint()).await;
    assert_eq!(process.next().await.body, "kept");
    drop(event);
}

#[tokio::test]
async fn errors_of_any_form_are_function_errors() {
    let named = "Lambda-Runtime-Function-Error-Type: Function.Named\r\n";
    let cases: [(&str, &[u8], FunctionError); 5] = [
        (named, br#"{"errorType":"Own","errorMessage":"no","stackTrace":[]}"#, error("Own", "no")),
        (named, br#"{"errorMessage":"no"}"#, error("Function.Named", "no")),
        (named, b"{}", error("Function.Named", "the function's error has no message: `errorMessage` is missing")),
        ("", b"no JSON", error("Runtime.Unknown", "the function's error has no message: not JSON at line 1, column 2")),
        ("", b"", error("Runtime.Unknown", "the function's error has no message: not JSON at line 1, column 0")),
    ];
    let (api, mut process) = start().await;
    for (headers, body, wanted) in cases {
        let (answer, accepted) = tokio::join!(soon(api.invoke("{}", TIME)), process.answer("error", headers, body));
        assert_eq!((answer, accepted.status), (Err(wanted), 202));
    }
}

#[tokio::test]
async fn responses_above_the_limit_are_errors() {
    let (api, process) = start().await;
    drop(process);
    for (length, status) in [(MAX_RESPONSE_BYTES, 202), (MAX_RESPONSE_BYTES + 1, 413)] {
        let mut process = Client::connect(&api.endpoint()).await;
        let body = vec![b' '; length];
        let (answer, reply) = tokio::join!(soon(api.invoke("{}", TIME)), process.answer("response", "", &body));
        assert_eq!(reply.status, status);
        match answer {
            Ok(answer) => assert_eq!(answer.len(), length),
            Err(error) => assert_eq!(error.error_type, "Function.ResponseSizeTooLarge"),
        }
    }
}

#[tokio::test]
async fn truncated_requests_do_not_answer_an_event() {
    let (api, mut process) = start().await;
    let event = api.submit("{}", TIME);
    let id = process.next().await.header("lambda-runtime-aws-request-id").to_owned();
    let mut broken = Client::connect(&api.endpoint()).await;
    let head = format!("{}Content-Length: 9\r\n\r\nhalf", broken.head("POST", &path(&id, "response"), ""));
    broken.write(head.as_bytes()).await;
    drop(broken);
    process.request("POST", &path(&id, "response"), "", b"whole").await;
    assert_eq!(soon(event.answer()).await, Ok(b"whole".to_vec()));
}

#[tokio::test]
async fn init_errors_are_accepted_until_the_first_request_for_an_event() {
    let (api, mut process) = start().await;
    let said = br#"{"errorType":"Tidegate.Init","errorMessage":"no table"}"#;
    assert_eq!(process.request("POST", INIT_ERROR, "", said).await.status, 202);
    assert_eq!(soon(api.init_error()).await, error("Tidegate.Init", "no table"));
    process.send("GET", NEXT, "", b"").await;
    soon(api.idle()).await;
    let late = Client::connect(&api.endpoint()).await.request("POST", INIT_ERROR, "", said).await;
    assert_eq!(late.status, 403);
    assert!(late.body.contains("InvalidStateTransition"), "{late:?}");
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let (api, mut process) = start().await;
    let unknown = path("8476a536-e9f4-4118-8739-000000000001", "response");
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/2018-06-01/runtime/", 404),
        ("POST", "/2018-06-01/runtime/invocation/x/else", 404),
        ("POST", NEXT, 405),
        ("GET", INIT_ERROR, 405),
        ("PUT", unknown.as_str(), 405),
        ("POST", unknown.as_str(), 400),
        ("POST", "/2018-06-01/runtime/invocation//error", 400),
    ] {
        // The server may close the connection if it does not read the body.
        let answer = Client::connect(&api.endpoint()).await.request(method, path, "", b"{}").await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
    process.write(b"this is not HTTP\r\n\r\n").await;
    assert_eq!(process.receive().await.status, 400);
    assert!(process.is_closed().await);
}

#[tokio::test]
async fn requests_without_the_secret_are_refused_and_change_nothing() {
    let (api, mut process) = start().await;
    let (address, secret) = split(&api);
    let event = api.submit("{}", TIME);
    let id = process.next().await.header("lambda-runtime-aws-request-id").to_owned();
    let waiting = api.submit("waiting", TIME);
    let response = path(&id, "response");
    let wrong = "0".repeat(secret.len());
    for prefix in ["", "/", "/x", &format!("/{wrong}"), &format!("/{}", &secret[..63]), &format!("/x/{secret}")] {
        for (method, path) in [("GET", NEXT), ("POST", &response), ("POST", INIT_ERROR), ("GET", "/")] {
            let mut other = Client::connect(&address).await;
            let answer = other.request(method, &format!("{prefix}{path}"), "", b"forged").await;
            assert_eq!(answer.status, 403, "{method} {prefix}{path}");
        }
    }
    process.request("POST", &response, "", b"whole").await;
    assert_eq!(soon(event.answer()).await, Ok(b"whole".to_vec()));
    assert_eq!(process.next().await.body, "waiting");
    drop(waiting);
}

#[tokio::test]
async fn a_process_cannot_take_or_answer_the_events_of_another() {
    let (ours, mut our_process) = start().await;
    let (theirs, mut their_process) = start().await;
    let event = ours.submit("ours", TIME);
    let id = our_process.next().await.header("lambda-runtime-aws-request-id").to_owned();
    // The secret of one process at the address of the other, and the event of one at the other.
    let crossed = format!("{}/{}", split(&ours).0, split(&theirs).1);
    assert_eq!(Client::connect(&crossed).await.next().await.status, 403);
    let mut crossed = Client::connect(&crossed).await;
    assert_eq!(crossed.request("POST", &path(&id, "response"), "", b"forged").await.status, 403);
    assert_eq!(their_process.request("POST", &path(&id, "response"), "", b"forged").await.status, 400);
    our_process.request("POST", &path(&id, "response"), "", b"own").await;
    assert_eq!(soon(event.answer()).await, Ok(b"own".to_vec()));
}

#[tokio::test]
async fn pages_and_requests_for_another_name_are_refused() {
    let (api, mut process) = start().await;
    let (address, secret) = split(&api);
    let port = address.rsplit_once(':').unwrap().1;
    let foreign = ["evil.example".to_owned(), format!("evil.example:{port}"), "127.0.0.1".to_owned(), String::new()];
    let heads = foreign.into_iter().map(|host| format!("Host: {host}\r\n")).chain([
        String::new(),
        format!("Host: 127.0.0.1:{port}\r\nHost: 127.0.0.1:{port}\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nOrigin: null\r\n"),
    ]);
    for head in heads {
        let mut page = Client::connect(&address).await;
        page.write(format!("GET /{secret}{NEXT} HTTP/1.1\r\n{head}\r\n").as_bytes()).await;
        assert_eq!(page.receive().await.status, 403, "{head}");
    }
    let event = api.submit("kept", TIME);
    assert_eq!(process.next().await.body, "kept");
    drop(event);
}

#[tokio::test]
async fn the_secret_can_be_left_out_for_measurements() {
    let api = RuntimeApi::start_without_secret(ARN).await.unwrap();
    assert!(!api.endpoint().contains('/'));
    let event = api.submit("open", TIME);
    assert_eq!(Client::connect(&api.endpoint()).await.next().await.body, "open");
    drop(event);
}
