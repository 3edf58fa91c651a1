//! The host's work around the guest: registering, unregistering, cleaning up.

use std::time::Duration;

use tidegate_event::{Payload, decode_decision};
use tidegate_ports::Deadline;
use tidegate_runtime::instance::MARGIN;
use tidegate_runtime::{Engine, EngineOptions, Fault, Track};

use crate::events::{self, METHOD_ARN, OWN};
use crate::fixture::{Fixture, app_of, authorized_by};
use crate::logs::Logs;

fn small_engine() -> Engine {
    Engine::new(EngineOptions::on_demand(4)).unwrap()
}

#[tokio::test]
async fn a_connection_is_registered_before_its_guest_runs() {
    let fixture = Fixture::new();
    let reply = fixture.reply(&events::connect("groups lobby")).await.unwrap();
    assert_eq!(reply.status, 200);
    let data = fixture.world.data();
    assert_eq!(data.lifecycle, [format!("register {OWN}")]);
    assert_eq!(data.registered[OWN].groups, ["lobby"]);
}

#[tokio::test]
async fn connect_answers_with_the_sub_protocol_only() {
    let fixture = Fixture::new();
    let reply = fixture.reply(&events::connect("echo hello")).await.unwrap();
    assert_eq!(reply.headers, [("Sec-WebSocket-Protocol".to_owned(), "chat".to_owned())]);
    assert_eq!(reply.body, None);
}

#[tokio::test]
async fn a_refused_connection_is_unregistered_and_its_messages_dropped() {
    let fixture = Fixture::new();
    for (behaviour, status) in [
        ("status 403", 403),
        ("fail 429", 429),
        ("trap", 500),
        ("status 0", 500),
        ("fail 99", 500),
        ("fail 200", 500),
        ("fail 302", 500),
    ] {
        let reply = fixture.reply(&events::connect(behaviour)).await.unwrap();
        assert_eq!((reply.status, reply.headers, reply.body), (status, Vec::new(), None), "{behaviour}");
        let mut data = fixture.world.data();
        assert_eq!(data.lifecycle, [format!("register {OWN}"), format!("unregister {OWN}")], "{behaviour}");
        data.lifecycle.clear();
        assert!(data.registered.is_empty(), "{behaviour}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_open_a_socket_is_logged() {
    let fixture = Fixture::new();
    for (behaviour, named) in [("status 101", "status 101"), ("status 0", "status 0"), ("fail 200", "status 200")] {
        let logs = Logs::capture();
        let outcome = fixture.dispatch(&events::connect(behaviour)).await;
        assert_eq!(outcome.fault, Some(Fault::Error), "{behaviour}");
        let line = logs.line("cannot use the answer of `$connect`");
        assert_eq!((&line["level"], &line["fields"]["connectionId"]), (&"ERROR".into(), &OWN.into()));
        assert!(line["fields"]["message"].as_str().unwrap().contains(named), "{line}");
        assert!(line["fields"]["hint"].as_str().unwrap().contains("200"), "{line}");
    }
}

#[tokio::test]
async fn a_guest_that_spins_in_connect_is_a_500() {
    let mut app = crate::fixture::app();
    app.routes.values_mut().for_each(|route| route.limits.time = Duration::from_millis(100));
    let fixture = Fixture::with(small_engine(), app).unwrap();
    assert_eq!(fixture.reply(&events::connect("spin")).await.unwrap().status, 500);
    assert!(fixture.world.data().registered.is_empty());
}

#[tokio::test]
async fn messages_of_a_connecting_guest_to_itself_wait_for_the_socket() {
    let fixture = Fixture::new();
    let outcome = fixture.dispatch(&events::connect("send")).await;
    assert!(outcome.response.is_ok());
    assert!(!outcome.after.is_empty());
    {
        let data = fixture.world.data();
        assert!(data.sent.is_empty() && data.deferred.is_empty(), "nothing before the response is posted");
    }
    outcome.after.run(Deadline::after(Duration::from_secs(10))).await;
    let data = fixture.world.data();
    let [(to, messages)] = &data.deferred[..] else { panic!("{:?}", data.deferred) };
    let text = |text: &str| Payload::Text(text.to_owned());
    let expected = [text("hello 1"), text("hello 2"), text("hello 3"), Payload::Binary(vec![0, 159, 146, 150])];
    assert_eq!((to.as_str(), &messages[..]), (OWN, &expected[..]));
    assert!(data.sent.is_empty());
}

#[tokio::test]
async fn a_broadcast_in_connect_reaches_the_others_at_once_and_itself_later() {
    let fixture = Fixture::new();
    fixture.world.populate("lobby", ["a", "b"].map(str::to_owned));
    let outcome = fixture.dispatch(&events::connect("greet lobby")).await;
    let welcome = Payload::Text("welcome".to_owned());
    assert_eq!(fixture.world.data().sent, ["a", "b"].map(|to| (to.to_owned(), welcome.clone())));
    outcome.after.run(Deadline::after(Duration::from_secs(10))).await;
    assert_eq!(fixture.world.data().deferred, [(OWN.to_owned(), vec![welcome])]);
    assert_eq!(fixture.world.data().sent.len(), 2);
}

#[tokio::test]
async fn a_registry_that_refuses_keeps_the_socket_closed() {
    let fixture = Fixture::new();
    fixture.world.data().broken = true;
    let reply = fixture.reply(&events::connect("send")).await.unwrap();
    assert_eq!(reply.status, 500);
    let data = fixture.world.data();
    assert!(data.deferred.is_empty(), "the guest did not run");
    assert_eq!(data.lifecycle, [format!("unregister {OWN}")], "the row may exist");
}

#[tokio::test]
async fn registering_leaves_time_to_undo_it() {
    let fixture = Fixture::new();
    // Earlier than the time limit of the route.
    let deadline = Deadline::after(Duration::from_secs(1));
    assert!(fixture.host.dispatch(&events::connect("echo"), deadline).await.response.is_ok());
    assert_eq!(fixture.world.data().register_by, Some(deadline.earlier(MARGIN)));
}

#[tokio::test]
async fn registering_takes_the_time_of_the_route_and_no_more() {
    let second = Duration::from_secs(1);
    for (time, least, most) in [
        (Duration::from_millis(10), Duration::ZERO, second),
        (2 * second, second, 2 * second),
        (20 * second, 2 * second, 20 * second),
    ] {
        let mut app = crate::fixture::app();
        app.routes.values_mut().for_each(|route| route.limits.time = time);
        let fixture = Fixture::with(small_engine(), app).unwrap();
        fixture.world.data().broken = true;
        let outcome = fixture.host.dispatch(&events::connect("echo"), Deadline::after(29 * second)).await;
        assert!(outcome.response.is_ok());
        let data = fixture.world.data();
        for deadline in [data.register_by, data.unregister_by] {
            let remaining = deadline.unwrap().remaining();
            assert!(remaining >= least && remaining <= most, "{time:?}: {remaining:?}");
        }
    }
}

#[tokio::test]
async fn guest_errors_are_logged_on_one_way_routes() {
    for (event, route, level) in [
        (events::message("one-way", "fail 409"), "one-way", "WARN"),
        (events::message("any", "fail 503"), "any", "ERROR"),
        (events::message("any", "fail 200"), "any", "ERROR"),
        (events::connect("fail 403"), "$connect", "WARN"),
        (events::connect("fail 500"), "$connect", "ERROR"),
        (events::disconnect("fail 500"), "$disconnect", "ERROR"),
    ] {
        let logs = Logs::capture();
        Fixture::on_this_thread().dispatch(&event).await;
        let line = logs.line("the route failed with status ");
        let fields = &line["fields"];
        assert!(fields["message"].as_str().unwrap().ends_with(": no such \"room\""), "{line}");
        assert_eq!(
            (&line["level"], &fields["requestId"], &fields["connectionId"], &fields["route"]),
            (&level.into(), &"r1=".into(), &OWN.into(), &route.into())
        );
    }
}

#[tokio::test]
async fn disconnect_cleans_up_whatever_the_guest_does() {
    let logs = Logs::capture();
    let fixture = Fixture::on_this_thread();
    for behaviour in ["echo", "fail 500", "trap"] {
        fixture.reply(&events::connect("echo")).await.unwrap();
        fixture.world.data().lifecycle.clear();
        let reply = fixture.reply(&events::disconnect(behaviour)).await.unwrap();
        assert_eq!((reply.status, reply.body), (200, None), "{behaviour}");
        assert_eq!(fixture.world.data().lifecycle, [format!("unregister {OWN}")], "{behaviour}");
    }
    assert_eq!(logs.line("the route trapped: ")["fields"]["route"], "$disconnect");
}

#[tokio::test]
async fn connections_are_registered_without_lifecycle_routes() {
    let fixture = Fixture::with(small_engine(), app_of([])).unwrap();
    assert_eq!(fixture.reply(&events::connect("echo")).await.unwrap().status, 200);
    assert!(fixture.world.data().registered.contains_key(OWN));
    assert_eq!(fixture.reply(&events::disconnect("echo")).await.unwrap().status, 200);
    assert!(fixture.world.data().registered.is_empty());
}

#[tokio::test]
async fn an_unknown_route_key_goes_to_default_or_nowhere() {
    let fixture = Fixture::new();
    let error = fixture.failure("unknown", "echo").await;
    assert_eq!(error.error_type, "Tidegate.NoRoute");
    assert!(error.error_message.contains("`unknown`"), "{}", error.error_message);

    let mut app = crate::fixture::app();
    let any = app.routes.values().find(|route| route.response).unwrap().clone();
    app.routes.insert(tidegate_event::RouteKey::new("$default").unwrap(), any);
    let fixture = Fixture::with(small_engine(), app).unwrap();
    assert_eq!(fixture.probe("unknown", "echo").await, "echo");
}

#[tokio::test]
async fn a_message_never_reaches_a_lifecycle_route() {
    let fixture = Fixture::new();
    for key in ["$connect", "$disconnect"] {
        assert_eq!(fixture.failure(key, "echo").await.error_type, "Tidegate.NoRoute", "{key}");
    }
}

#[tokio::test]
async fn an_outcome_names_the_route_and_its_fault() {
    let fixture = Fixture::new();
    for (event, route, fault) in [
        (events::message("any", "echo"), Some("any"), None),
        (events::message("any", "fail 400"), Some("any"), None),
        (events::message("any", "fail 500"), Some("any"), Some(Fault::Error)),
        // The status is not that of an error, so the answer is invalid.
        (events::message("any", "fail 200"), Some("any"), Some(Fault::Error)),
        (events::message("any", "trap"), Some("any"), Some(Fault::Trap)),
        (events::connect("trap"), Some("$connect"), Some(Fault::Trap)),
        (events::connect("fail 503"), Some("$connect"), Some(Fault::Error)),
        (events::disconnect("trap"), Some("$disconnect"), Some(Fault::Trap)),
        (events::message("unknown", "echo"), None, None),
    ] {
        let outcome = fixture.dispatch(&event).await;
        assert_eq!((outcome.route.as_ref().map(|key| key.as_str()), outcome.fault), (route, fault));
        let running = outcome.active.unwrap();
        assert_eq!((running.release, running.track), (fixture.host.release(), Track::Stable));
    }
}

#[tokio::test]
async fn configuration_can_be_replaced() {
    let fixture = Fixture::new();
    fixture.host.set_config([("plan".to_owned(), "silver".to_owned())].into());
    assert_eq!(fixture.failure("any", "settings").await.error_type, "Tidegate.Trap", "the probe insists on gold");
    fixture.host.set_config([("plan".to_owned(), "gold".to_owned())].into());
    assert_eq!(fixture.probe("any", "settings").await, "gold");
}

#[tokio::test]
async fn a_one_way_route_has_no_body() {
    let fixture = Fixture::new();
    let reply = fixture.reply(&events::message("one-way", "echo")).await.unwrap();
    assert_eq!((reply.status, reply.body), (200, None));
}

#[tokio::test]
async fn an_undecodable_event_is_a_function_error() {
    let fixture = Fixture::new();
    for bytes in [&b""[..], b"{", b"{}", b"\xff"] {
        let error = fixture.reply(bytes).await.expect_err("no event");
        assert_eq!(error.error_type, "Tidegate.InvalidEvent");
    }
}

#[tokio::test]
async fn an_authorizer_decides() {
    let fixture = Fixture::with(small_engine(), authorized_by("authorizer", &["plan"])).unwrap();
    let decide = async |decision: &str| fixture.dispatch(&events::authorize(decision)).await.response;
    let allowed = decide("allow").await.unwrap();
    let expected =
        tidegate_event::Identity { principal: "ann".to_owned(), context: vec![("plan".to_owned(), "gold".to_owned())] };
    assert_eq!(decode_decision(&allowed, METHOD_ARN).unwrap(), tidegate_event::Decision::Allow(expected));
    let denied = decide("deny").await.unwrap();
    assert_eq!(decode_decision(&denied, METHOD_ARN).unwrap(), tidegate_event::Decision::Deny);

    assert!(decide("unauthorized").await.unwrap_err().is_unauthorized());
    for decision in ["fail", "trap", "huge"] {
        assert!(!decide(decision).await.unwrap_err().is_unauthorized(), "{decision}");
    }
    assert_eq!(decide("fail").await.unwrap_err().error_type, "Tidegate.GuestError");
    assert_eq!(decide("trap").await.unwrap_err().error_type, "Tidegate.Trap");
    assert!(fixture.world.data().lifecycle.is_empty(), "an authorizer registers nobody");
}

#[tokio::test]
async fn a_component_may_be_route_and_authorizer() {
    let mut app = authorized_by("both", &[]);
    let route = crate::fixture::route("both", crate::fixture::own(), true);
    app.routes.insert(tidegate_event::RouteKey::new("own").unwrap(), route);
    let fixture = Fixture::with(small_engine(), app).unwrap();
    let denied = fixture.dispatch(&events::authorize("")).await.response.unwrap();
    assert_eq!(decode_decision(&denied, METHOD_ARN).unwrap(), tidegate_event::Decision::Deny);
    assert!(fixture.world.data().sent.is_empty(), "an authorizer sends nothing");
    assert_eq!(fixture.reply(&events::message("own", "")).await.unwrap().status, 200);
    assert_eq!(fixture.world.data().sent.len(), 1);
}

#[tokio::test]
async fn invalid_answers_are_logged_with_their_event() {
    let logs = Logs::capture();
    Fixture::on_this_thread().failure("any", "status 99").await;
    let fields = logs.line("the reply's status 99")["fields"].clone();
    assert_eq!(
        (&fields["requestId"], &fields["connectionId"], &fields["route"]),
        (&"r1=".into(), &OWN.into(), &"any".into())
    );
    let fixture = Fixture::with(small_engine(), authorized_by("authorizer", &["plan"])).unwrap();
    assert!(fixture.dispatch(&events::authorize("fail")).await.response.is_err());
    assert_eq!(logs.line("the authorizer failed with status 503")["fields"]["requestId"], "r1=");
}

#[tokio::test]
async fn a_release_without_an_authorizer_authorizes_nobody() {
    let error = Fixture::new().dispatch(&events::authorize("allow")).await.response.unwrap_err();
    assert_eq!(error.error_type, "Tidegate.NoAuthorizer");
}
