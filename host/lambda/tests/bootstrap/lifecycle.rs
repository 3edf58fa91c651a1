//! Events that succeed.

use tidegate_event::{Decision, decode_decision};

use crate::app;
use crate::events::{self, OWN};
use crate::process::{setup, soon};

#[tokio::test]
async fn a_connection_lives_from_connect_to_disconnect() {
    let bootstrap = setup(&app()).await.start().await;
    assert_eq!(bootstrap.reply(events::connect("echo")).await.status, 200);
    assert_eq!(bootstrap.text(events::message("any", "groups lobby")).await, "lobby");
    assert_eq!(bootstrap.text(events::message("any", "attributes")).await, "ann");
    bootstrap.text(events::message("any", "transactions")).await;
    assert_eq!(bootstrap.text(events::message("echo", "hello")).await, "hello");
    assert_eq!(bootstrap.reply(events::disconnect("echo")).await.status, 200);
    let bootstrap = bootstrap.text(events::message("any", "send L0SM9cOFvHcCIhw=")).await;
    assert!(bootstrap.contains("Gone"), "{bootstrap}");
}

#[tokio::test]
async fn a_message_reaches_an_open_connection() {
    let bootstrap = setup(&app()).await.start().await;
    bootstrap.aws.open("other=");
    let answer = bootstrap.text(events::message("any", "send_many other= nobody=")).await;
    assert!(answer.starts_with("Ok(())") && answer.contains("Gone"), "{answer}");
    assert_eq!(bootstrap.aws.posts("other="), [b"hello all"]);
}

#[tokio::test]
async fn a_greeting_waits_for_its_socket_and_keeps_its_order() {
    let bootstrap = setup(&app()).await.start().await;
    let answer = bootstrap.invoke(events::connect("send")).await.unwrap();
    assert!(String::from_utf8(answer).unwrap().contains("200"));
    // The answer is posted before the socket is open: API Gateway opens the socket after the answer.
    soon(bootstrap.aws.looked_for()).await;
    assert!(bootstrap.aws.posts(OWN).is_empty());
    bootstrap.aws.open(OWN);
    soon(bootstrap.api.idle()).await;
    let bytes: &[u8] = &[0, 159, 146, 150];
    assert_eq!(bootstrap.aws.posts(OWN), [b"hello 1", b"hello 2", b"hello 3", bytes]);
}

#[tokio::test]
async fn a_greeting_is_dropped_when_its_connection_is_refused() {
    let bootstrap = setup(&app()).await.start().await;
    bootstrap.aws.open(OWN);
    // The guest sends a greeting, and then traps, because its group is empty.
    assert_eq!(bootstrap.reply(events::connect("greet lobby")).await.status, 500);
    assert!(bootstrap.aws.posts(OWN).is_empty());
}

#[tokio::test]
async fn configuration_values_come_from_their_parameters() {
    let bootstrap = setup(&app()).await.start().await;
    assert_eq!(bootstrap.text(events::message("any", "settings")).await, "gold");
    let missing = bootstrap.logged("there is no parameter `/tidegate/probe/dev/unset`").await;
    assert_eq!(missing["level"], "ERROR");
}

#[tokio::test]
async fn an_authorizer_allows_denies_and_refuses_without_tables() {
    let mut setup = setup(&app()).await.set("TIDEGATE_FUNCTION", "authorizer");
    for name in ["CONNECTIONS_TABLE", "GROUPS_TABLE", "STORAGE_TABLE", "API_GATEWAY_URL"] {
        setup = setup.unset(name);
    }
    let mut bootstrap = setup.start().await;
    let allowed = bootstrap.invoke(events::authorize("allow")).await.unwrap();
    match decode_decision(&allowed, events::METHOD_ARN).unwrap() {
        Decision::Allow(identity) => {
            assert_eq!(identity.principal, "ann");
            assert_eq!(identity.context, [("plan".to_owned(), "gold".to_owned())]);
        }
        other => panic!("{other:?}"),
    }
    let denied = bootstrap.invoke(events::authorize("deny")).await.unwrap();
    assert!(matches!(decode_decision(&denied, events::METHOD_ARN).unwrap(), Decision::Deny));
    let refused = bootstrap.invoke(events::authorize("unauthorized")).await.unwrap_err();
    assert_eq!(refused.error_message, "Unauthorized");
    let failed = bootstrap.invoke(events::authorize("fail")).await.unwrap_err();
    assert_eq!(failed.error_type, "Tidegate.GuestError");
    // An event of the other function is answered without its ports.
    assert_eq!(bootstrap.reply(events::connect("echo")).await.status, 500);
    assert!(bootstrap.is_alive());
    let faults = bootstrap.line(|line| line["AuthorizerFaults"] == 1).await;
    assert_eq!(faults["Route"], "authorizer");
    // A refusal is not a fault, so the log has no line about it.
    assert!(!bootstrap.lines().iter().any(|line| line.to_string().contains("Unauthorized")));
}

#[tokio::test]
async fn concurrent_events_run_at_once() {
    let bootstrap = setup(&app()).await.set("AWS_LAMBDA_MAX_CONCURRENCY", "4").start().await;
    let invoke = |number: usize| {
        let event = events::message("echo", &format!("hello {number}"));
        async { String::from_utf8(bootstrap.invoke(event).await.unwrap()).unwrap() }
    };
    let answers = tokio::join!(invoke(0), invoke(1), invoke(2), invoke(3), invoke(4), invoke(5), invoke(6), invoke(7));
    let answers: [String; 8] = answers.into();
    for (number, answer) in answers.iter().enumerate() {
        assert!(answer.contains(&format!("hello {number}")), "{answer}");
    }
    // Each event's requests are joined to its own trace.
    for count in 1..=2 {
        assert_eq!(bootstrap.reply(events::connect("echo")).await.status, 200);
        let traces = bootstrap.aws.traces();
        assert_eq!(traces.len(), count, "{traces:?}");
        assert!(traces.iter().all(|trace| trace.starts_with("Root=1-")), "{traces:?}");
    }
}

#[tokio::test]
async fn a_thawed_process_uses_no_connection_that_died_while_it_was_frozen() {
    let bootstrap = setup(&app()).await.start().await;
    bootstrap.aws.open("other=");
    let send = || events::message("any", "send other=");
    for round in 1..=5 {
        assert_eq!(bootstrap.reply(events::connect("echo")).await.status, 200, "{round}");
        assert_eq!(bootstrap.text(send()).await, "Ok(())", "{round}");
        bootstrap.freeze(true);
        assert!(bootstrap.aws.hang_up().await > 0);
        // The process wakes up to the event and to the end of its connections at the same time.
        let answer = bootstrap.invoke(send());
        let thaw = async { bootstrap.freeze(false) };
        let (answer, ()) = tokio::join!(answer, thaw);
        let answer = String::from_utf8(answer.unwrap()).unwrap();
        assert!(answer.contains("Ok(())"), "{round}: {answer}");
        soon(bootstrap.api.idle()).await;
    }
    assert_eq!(bootstrap.aws.posts("other=").len(), 10);
}

#[tokio::test]
async fn a_thawed_process_uses_none_of_many_connections_that_died() {
    let bootstrap = setup(&app()).await.start().await;
    let ids: Vec<String> = (0..200).map(|number| format!("c{number}=")).collect();
    for id in &ids {
        bootstrap.aws.open(id);
    }
    let send = || events::message("any", &format!("send_many {}", ids.join(" ")));
    for round in 1..=5 {
        assert_eq!(bootstrap.text(send()).await, ["Ok(())"; 200].join(" "), "{round}");
        bootstrap.freeze(true);
        assert!(bootstrap.aws.hang_up().await > 60);
        let answer = bootstrap.invoke(send());
        let thaw = async { bootstrap.freeze(false) };
        let (answer, ()) = tokio::join!(answer, thaw);
        let answer = String::from_utf8(answer.unwrap()).unwrap();
        assert!(!answer.contains("Err"), "{round}: {answer}");
        soon(bootstrap.api.idle()).await;
    }
}
