//! One test for each behaviour of the guest `probe`, with the same name.

use tidegate_event::{FunctionError, Payload};

use crate::connection_behaviours::*;
use crate::events::{self, OWN};
use crate::fixture::{self, Fixture};
use crate::logs::Logs;
use tidegate_runtime::guest_log::{GUEST_LINE_BYTES, MAX_GUEST_LOG_BYTES};
use tidegate_runtime::{Engine, EngineOptions};

include!("../../../../tests/guests/behaviours.rs");

macro_rules! each {
    ($($behaviour:ident),* $(,)?) => {
        $(const _: fn() = $behaviour;)*
    };
}
behaviours!(each);

fn trapped(error: &FunctionError, reason: &str) {
    assert_eq!(error.error_type, "Tidegate.Trap");
    assert!(error.error_message.contains(reason), "{}", error.error_message);
}

#[tokio::test]
async fn echo() {
    let fixture = Fixture::new();
    assert_eq!(fixture.probe("any", "echo hello").await, "echo hello");
    let reply = fixture.reply(&events::message("any", "echo")).await.unwrap();
    assert_eq!(reply.headers, [], "a message has no headers");
}

#[tokio::test]
async fn status() {
    let fixture = Fixture::new();
    let reply = fixture.reply(&events::message("any", "status 404")).await.unwrap();
    assert_eq!((reply.status, reply.body), (404, Some(Payload::Text("refused, with reasons".to_owned()))));
    for behaviour in ["status 0", "status 199", "status 600"] {
        let error = fixture.failure("any", behaviour).await;
        assert_eq!(error.error_type, "Tidegate.InvalidReply", "{behaviour}");
    }
}

#[tokio::test]
async fn fail() {
    let fixture = Fixture::new();
    let reply = fixture.reply(&events::message("any", "fail 409")).await.unwrap();
    let body = Payload::Text(r#"{"message":"no such \"room\""}"#.to_owned());
    assert_eq!((reply.status, reply.body), (409, Some(body)));
    let reply = fixture.reply(&events::message("one-way", "fail 409")).await.unwrap();
    assert_eq!((reply.status, reply.body), (409, None), "a one-way route has no body");
    for behaviour in ["fail 200", "fail 302", "fail 600"] {
        assert_eq!(fixture.failure("any", behaviour).await.error_type, "Tidegate.InvalidReply", "{behaviour}");
    }
}

#[tokio::test]
async fn large_reply() {
    let fixture = Fixture::new();
    assert_eq!(fixture.probe("any", "large_reply 131072").await.len(), 131_072);
    let error = fixture.failure("any", "large_reply 131073").await;
    assert_eq!(error.error_type, "Tidegate.InvalidReply");
    let reply = fixture.reply(&events::message("one-way", "large_reply 131073")).await.unwrap();
    assert_eq!((reply.status, reply.body), (200, None), "the body of a one-way route is not limited");
}

#[tokio::test]
async fn counter() {
    let fixture = Fixture::new();
    for _ in 0..50 {
        assert_eq!(fixture.probe("any", "counter").await, "0", "no event sees another's memory");
    }
}

#[tokio::test]
async fn context() {
    let fixture = Fixture::new();
    let answer = fixture.probe("any", "context").await;
    let expected = format!(
        "r1= any 1700000001000 {OWN} 1700000000000 192.0.2.7 Some(\"probe/1\") api.example.com dev Some(\"ann\") \
         [(\"plan\", \"gold\")] message m1= context"
    );
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn trap() {
    let logs = Logs::capture();
    let fixture = Fixture::on_this_thread();
    trapped(&fixture.failure("any", "trap").await, "unreachable");
    let line = logs.line("the route trapped: ");
    assert_eq!((&line["level"], &line["fields"]["route"]), (&"ERROR".into(), &"any".into()));
    let backtrace = line["fields"]["backtrace"].as_str().unwrap();
    for name in ["inner_function_of_the_trap", "outer_function_of_the_trap"] {
        assert!(backtrace.contains(name), "{backtrace}");
    }
    assert_eq!(fixture.probe("any", "echo after").await, "echo after");
}

#[tokio::test]
async fn panicking() {
    let logs = Logs::capture();
    let fixture = Fixture::on_this_thread();
    trapped(&fixture.failure("any", "panicking").await, "unreachable");
    let written = logs.of_guest("stderr").join("\n");
    assert!(written.contains("the probe was asked to panic"), "{written}");
}

#[tokio::test]
async fn overflow() {
    let fixture = Fixture::new();
    let error = fixture.failure("any", "overflow").await;
    // Rust's own stack is at the start of linear memory. Either of the two stacks may end first.
    assert_eq!(error.error_type, "Tidegate.Trap");
    let either = ["out of bounds memory access", "call stack exhausted"];
    assert!(either.iter().any(|reason| error.error_message.contains(reason)), "{}", error.error_message);
}

#[tokio::test]
async fn spin() {
    let fixture = Fixture::hurried(EngineOptions::on_demand(4));
    let error = fixture.failure("any", "spin").await;
    assert_eq!(error.error_type, "Tidegate.Timeout");
    assert!(error.error_message.ends_with(" ms"), "{}", error.error_message);
}

#[tokio::test]
async fn nested() {
    // A client can send this many, and each level takes a frame.
    assert_eq!(Fixture::new().probe("any", "nested 5000").await, "parsed");
}

#[tokio::test]
async fn memory() {
    let fixture = Fixture::new();
    trapped(&fixture.failure("any", "memory").await, "memory limit of 67108864 bytes");
    assert_eq!(fixture.probe("any", "echo after").await, "echo after");
}

#[tokio::test]
async fn handles() {
    let fixture = Fixture::new();
    let error = fixture.failure("any", "handles").await;
    assert_eq!(error.error_type, "Tidegate.Trap");
    assert!(!error.error_message.contains("unreachable"), "the host ends it: {}", error.error_message);
}

#[tokio::test]
async fn host_calls() {
    let fixture = Fixture::new();
    trapped(&fixture.failure("any", "host_calls").await, "budget of 16777216 bytes for host calls");

    let mut app = fixture::app();
    app.routes.values_mut().for_each(|route| route.limits.host_call_bytes = 64 << 10);
    let fixture = Fixture::with(Engine::new(EngineOptions::on_demand(4)).unwrap(), app).unwrap();
    fixture.world.populate("lobby", [OWN.to_owned()]);
    let calls = ["get", "get_all", "describe", "list", "socket"];
    for call in calls {
        assert_eq!(fixture.probe("any", &format!("host_calls {call}")).await, "all of them");
    }
    // Ten answers with this text exceed the budget.
    let long = "x".repeat(8 << 10);
    fixture.host.set_config([("plan".to_owned(), long.clone())].into());
    fixture.world.data().user_agent = Some(long.clone());
    fixture.world.data().registered.get_mut(OWN).unwrap().connection.context = vec![("long".to_owned(), long)];
    for call in calls {
        trapped(&fixture.failure("any", &format!("host_calls {call}")).await, "budget of 65536 bytes for host calls");
    }
}

#[tokio::test]
async fn large_call() {
    let fixture = Fixture::new();
    let error = fixture.failure("any", "large_call").await;
    assert_eq!(error.error_type, "Tidegate.Trap");
    assert!(!error.error_message.contains("unreachable"), "the host ends it: {}", error.error_message);
    assert!(fixture.world.data().sent.is_empty());
}

#[tokio::test]
async fn exit() {
    let fixture = Fixture::new();
    trapped(&fixture.failure("any", "exit 0").await, "called exit with status 0");
    trapped(&fixture.failure("any", "exit 3").await, "called exit with status 1");
}

#[tokio::test]
async fn environment() {
    assert!(std::env::vars_os().count() > 0, "the host has an environment to hide");
    assert_eq!(Fixture::new().probe("any", "environment").await, "nothing");
}

#[tokio::test]
async fn files() {
    assert_eq!(Fixture::new().probe("any", "files").await, "nothing");
}

#[tokio::test]
async fn sockets() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let behaviour = format!("sockets {}", listener.local_addr().unwrap());
    assert_eq!(Fixture::new().probe("any", &behaviour).await, "nothing");
}

#[tokio::test]
async fn clocks() {
    assert_eq!(Fixture::new().probe("any", "clocks").await, "two clocks");
}

#[tokio::test]
async fn spin_and_call() {
    let error = Fixture::hurried(EngineOptions::on_demand(4)).failure("any", "spin_and_call").await;
    assert_eq!(error.error_type, "Tidegate.Timeout");
}

#[tokio::test]
async fn sleep() {
    assert_eq!(Fixture::new().probe("any", "sleep 5").await, "rested");
    assert_eq!(
        Fixture::hurried(EngineOptions::on_demand(4)).failure("any", "sleep 60000").await.error_type,
        "Tidegate.Timeout"
    );
}

#[tokio::test]
async fn lines() {
    let logs = Logs::capture();
    Fixture::on_this_thread().probe("any", "lines x").await;
    assert_eq!(logs.of_guest("stdout"), ["first x", "second x", "unfinished x"]);
    assert_eq!(logs.of_guest("stderr"), ["error x"]);
}

#[tokio::test]
async fn chatter() {
    let logs = Logs::capture();
    let reply = Fixture::on_this_thread().probe("any", "chatter").await;
    assert_eq!(reply, "said it all", "output beyond the limit is not an error");
    let written: usize = logs.of_guest("stdout").iter().map(|line| line.len() + 1 + GUEST_LINE_BYTES).sum();
    assert!((MAX_GUEST_LOG_BYTES - 1_000..=MAX_GUEST_LOG_BYTES + 1).contains(&written), "{written}");
    let dropped = |line: &serde_json::Value| {
        line["fields"]["message"].as_str().is_some_and(|message| message.contains("more bytes of output were dropped"))
    };
    assert_eq!(logs.lines().iter().filter(|line| dropped(line)).count(), 1);

    let logs = Logs::capture();
    Fixture::on_this_thread().probe("any", "chatter emptily").await;
    let lines = logs.of_guest("stdout").len();
    assert_eq!(lines, MAX_GUEST_LOG_BYTES / (GUEST_LINE_BYTES + 1), "a line counts towards the limit");
}

#[tokio::test]
async fn documents() {
    assert_eq!(Fixture::new().probe("any", "documents").await, "stored");
}

#[tokio::test]
async fn transactions() {
    assert_eq!(Fixture::new().probe("any", "transactions").await, "all or none");
}

#[tokio::test]
async fn storage_refused() {
    assert_eq!(Fixture::new().probe("any", "storage_refused").await, "refused");
}

#[tokio::test]
async fn large_answer() {
    assert_eq!(Fixture::new().probe("any", "large_answer").await, "read some");
}

#[tokio::test]
async fn storage_waits() {
    let fixture = Fixture::hurried(EngineOptions::local());
    assert_eq!(fixture.failure("any", "storage_waits").await.error_type, "Tidegate.Timeout");
    assert_eq!(fixture.probe("any", "echo after").await, "echo after");
}

#[tokio::test]
async fn settings() {
    assert_eq!(Fixture::new().probe("any", "settings").await, "gold");
}

#[tokio::test]
async fn send() {
    let fixture = Fixture::new();
    assert_eq!(fixture.probe("own", "send").await, "sent");
    let sent: Vec<_> = fixture.world.data().sent.drain(..).collect();
    let text = |text: &str| (OWN.to_owned(), Payload::Text(text.to_owned()));
    let bytes = (OWN.to_owned(), Payload::Binary(vec![0, 159, 146, 150]));
    assert_eq!(sent, [text("hello 1"), text("hello 2"), text("hello 3"), bytes]);

    fixture.world.data().gone.insert("old".to_owned());
    assert_eq!(fixture.probe("any", "send old").await, "Err(Error::Gone)");
    assert_eq!(fixture.world.data().reaped, ["old"]);
}

#[tokio::test]
async fn send_many() {
    let fixture = Fixture::new();
    fixture.world.data().gone.insert("b".to_owned());
    let long = "x".repeat(65);
    let answer = fixture.probe("any", &format!("send_many a b {long} {OWN}")).await;
    assert!(answer.starts_with("Ok(()) Err(Error::Gone) Err(Error::Invalid("), "{answer}");
    assert!(answer.ends_with(" Ok(())"), "{answer}");
    {
        let data = fixture.world.data();
        let to: Vec<_> = data.sent.iter().map(|(to, _)| to.as_str()).collect();
        assert_eq!((to, &data.reaped[..]), (vec!["a", OWN], &["b".to_owned()][..]));
    }
    fixture.world.data().missing = 1;
    let answer = fixture.probe("any", "send_many a c").await;
    assert_eq!(answer, "Ok(()) Err(Error::Unavailable)", "a missing answer is not a success");
}

#[tokio::test]
async fn greetings() {
    let fixture = Fixture::new();
    fixture.reply(&events::connect("greetings")).await.unwrap();
    let deferred = std::mem::take(&mut fixture.world.data().deferred);
    let sent: Vec<_> = deferred.iter().flat_map(|(_, messages)| messages).map(Payload::len).collect();
    assert_eq!(sent, [131_072; 8], "eight of the largest messages wait for the socket");
}

#[tokio::test]
async fn one_event_reaps_a_bounded_number_of_connections() {
    let fixture = Fixture::new();
    fixture.world.populate("lobby", (0..300).map(|number| format!("gone-{number}")));
    fixture.world.data().gone.extend((0..300).map(|number| format!("gone-{number}")));
    assert_eq!(fixture.probe("any", "broadcast lobby").await, "0 300 0 0");
    assert_eq!(fixture.world.data().reaped.len(), 128);
    assert_eq!(fixture.probe("any", "broadcast lobby").await, "0 172 0 0");
    assert_eq!(fixture.world.data().reaped.len(), 256, "the next broadcast finds the rest");
}

#[tokio::test]
async fn broadcast() {
    let fixture = Fixture::new();
    fixture.world.populate("lobby", ["a", "b", "c", "d", "e"].map(str::to_owned));
    fixture.world.populate("room-2", ["f"].map(str::to_owned));
    fixture.world.data().gone.insert("c".to_owned());
    fixture.world.data().late.insert("d".to_owned());
    assert_eq!(fixture.probe("own", "broadcast lobby e nobody").await, "2 1 0 1");
    {
        let data = fixture.world.data();
        let to: Vec<_> = data.sent.iter().map(|(to, _)| to.as_str()).collect();
        assert_eq!((to, &data.reaped[..]), (vec!["a", "b"], &["c".to_owned()][..]));
    }
    assert_eq!(fixture.probe("any", "broadcast room-empty").await, "0 0 0 0");

    // The registry of this test lists the first member of a page twice.
    fixture.world.populate("room-1", (0..2_500).map(|id| format!("m{id:04}")));
    fixture.world.data().sent.clear();
    fixture.world.data().pages.clear();
    assert_eq!(fixture.probe("any", "broadcast room-1").await, "2500 0 0 0");
    let data = fixture.world.data();
    let to: std::collections::HashSet<_> = data.sent.iter().map(|(to, _)| to).collect();
    assert_eq!((to.len(), data.sent.len()), (2_500, 2_500), "each at most once");
    assert_eq!(data.pages, [1_000, 999, 501]);
}

#[tokio::test]
async fn a_broadcast_that_cannot_list_all_members_reports_its_counts() {
    let logs = Logs::capture();
    let fixture = Fixture::on_this_thread();
    fixture.world.populate("room-1", (0..1_500).map(|id| format!("m{id:04}")));
    fixture.world.data().first_page_only = true;
    assert_eq!(fixture.probe("any", "broadcast room-1").await, "1000 0 0 1");
    assert_eq!(logs.line("a broadcast ended before all members were listed")["fields"]["group"], "room-1");
}

#[tokio::test]
async fn a_membership_that_outlived_its_connection_is_removed() {
    let fixture = Fixture::new();
    fixture.world.populate("lobby", ["a", "old", "young"].map(str::to_owned));
    {
        let mut data = fixture.world.data();
        data.strays = [("lobby", "ghost"), ("room-1", "ghost")].map(|(of, id)| (of.to_owned(), id.to_owned())).into();
        data.gone = ["ghost", "old", "young"].map(str::to_owned).into();
        data.young.insert("young".to_owned());
    }
    assert_eq!(fixture.probe("any", "broadcast lobby").await, "1 3 0 0");
    let data = fixture.world.data();
    assert_eq!(data.strays, [("room-1".to_owned(), "ghost".to_owned())].into(), "other groups are unknown");
    assert_eq!(data.registered.keys().collect::<Vec<_>>(), ["a", "young"]);
    assert_eq!(data.registered["young"].groups, ["lobby"], "its upgrade may not be complete");
}

#[tokio::test]
async fn greet() {
    let fixture = Fixture::new();
    fixture.reply(&events::connect("echo")).await.unwrap();
    fixture.world.populate("lobby", ["a", "b"].map(str::to_owned));
    assert_eq!(fixture.probe("any", "greet lobby").await, "greeted");
    let data = fixture.world.data();
    let to: Vec<_> = data.sent.iter().map(|(to, _)| to.as_str()).collect();
    assert_eq!(to, [OWN, "a", "b"], "after `$connect` nothing waits");
}
