//! The real `bootstrap`, driven through a stand-in Runtime API, against AWS on this machine over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test, as the tests do"
)]

mod aws;
mod clock;
mod clock_jumps;
#[path = "../../../runtime/tests/runtime/events.rs"]
#[allow(dead_code, reason = "the runtime's own tests use all of it")]
mod events;
mod failures;
#[path = "../../../runtime/tests/runtime/guests.rs"]
#[allow(dead_code, reason = "the runtime's own tests use all of it")]
mod guests;
mod lifecycle;
mod log;
mod process;
mod release_store;
mod releases;
mod start;
mod values;

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_app::grants::{Access, ConnectionsGrant, GroupPattern, MessagingGrant, Scope};
use tidegate_app::{App, Authorizer, Route};
use tidegate_app::{Grants, Limits};
use tidegate_event::RouteKey;

/// The probe on every route, and the authorizer.
fn app() -> App {
    let lobby = || vec![GroupPattern::try_from("lobby".to_owned()).unwrap()];
    let grants = Grants {
        storage: [("notes".to_owned(), Access::ReadWrite), ("outbox".to_owned(), Access::Write)].into(),
        connections: Some(ConnectionsGrant {
            describe: true,
            list: true,
            attributes: Some(Scope::Any),
            groups: vec![
                GroupPattern::try_from("lobby".to_owned()).unwrap(),
                GroupPattern::try_from("room-*".to_owned()).unwrap(),
            ],
        }),
        messaging: Some(MessagingGrant {
            send: Some(Scope::Any),
            broadcast: lobby(),
            describe: Some(Scope::Any),
            close: Some(Scope::Any),
        }),
        config: BTreeSet::from(["plan".to_owned(), "unset".to_owned()]),
    };
    // Long enough for a busy machine, short enough to wait for.
    let limits = Limits { time: Duration::from_secs(10), ..Limits::default() };
    let route = |key: &str, component: &str, grants: Grants, response| {
        (RouteKey::new(key).unwrap(), Route { component: component.to_owned(), response, grants, limits })
    };
    App {
        name: "probe".to_owned(),
        route_selection_expression: "$request.body.action".to_owned(),
        components: ["authorizer", "echo", "probe"].map(str::to_owned).into(),
        routes: [
            route("$connect", "probe", grants.clone(), false),
            route("$disconnect", "probe", grants.clone(), false),
            route("any", "probe", grants, true),
            route("echo", "echo", Grants::default(), true),
        ]
        .into(),
        authorizer: Some(Authorizer {
            component: "authorizer".to_owned(),
            identity_source: Vec::new(),
            grants: Grants { config: BTreeSet::from(["plan".to_owned()]), ..Grants::default() },
            limits,
        }),
    }
}
