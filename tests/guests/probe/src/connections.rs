//! The registry. The route `any` is granted the groups `lobby` and `room-*`, the route `own` its own attributes and the
//! group `lobby`.

use crate::Answer;
use crate::tidegate::route::connections::{self, Error};
use crate::tidegate::route::types::Request;

/// Joins the group in the argument and the group `room-1`, reads the registry, and leaves `room-1`.
pub fn groups(request: &Request, argument: &str) -> Answer {
    let own = &request.connection.id;
    connections::join(argument, own).expect("a join");
    connections::join("room-1", own).expect("a join");
    let page = connections::members("room-1", 10, None).expect("a page");
    assert!(page.members.contains(own), "{:?}", page.members);
    assert_eq!(connections::count("room-1").expect("a count"), 1);
    connections::leave("room-1", own).expect("a leave");
    assert_eq!(connections::count("room-1").expect("a count"), 0);
    let entry = connections::describe(own).expect("the entry");
    assert_eq!(entry.connection.id, *own);
    assert!(matches!(connections::join("lobby", "nobody"), Err(Error::NotFound)));
    Ok(entry.groups.join(" "))
}

/// Sets and reads attributes, and lists the registry.
pub fn attributes(request: &Request, _: &str) -> Answer {
    let own = &request.connection.id;
    let set = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    connections::set_attributes(own, &[set("name", Some("ann")), set("mood", Some("fine"))]).expect("attributes");
    // The limit of 32 attributes applies to the outcome, not to the number of changes.
    let many: Vec<_> = (0..40).map(|name| set(&name.to_string(), None)).chain([set("mood", None)]).collect();
    connections::set_attributes(own, &many).expect("attributes");
    let entry = connections::describe(own).expect("the entry");
    assert_eq!(entry.attributes, [("name".to_owned(), "ann".to_owned())]);
    let page = connections::list_connections(1_000, None).expect("a page");
    assert!(page.connections.iter().any(|connection| connection.id == *own));
    Ok("ann".to_owned())
}

/// All refusals that do not reach the port, on a route that is granted its own attributes and the group `lobby`.
pub fn registry_refused(request: &Request, _: &str) -> Answer {
    let own = &request.connection.id;
    let forbidden = |error: Error| assert!(matches!(error, Error::Forbidden), "{error:?}");
    let invalid = |error: Error| assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    forbidden(connections::describe(own).map(drop).expect_err("not granted"));
    forbidden(connections::list_connections(10, None).map(drop).expect_err("not granted"));
    forbidden(connections::set_attributes("other", &[]).expect_err("another connection"));
    for group in ["cellar", "lobby2", ""] {
        forbidden(connections::join(group, own).expect_err("another group"));
        forbidden(connections::leave(group, own).expect_err("another group"));
        forbidden(connections::members(group, 10, None).map(drop).expect_err("another group"));
        forbidden(connections::count(group).map(drop).expect_err("another group"));
    }
    for limit in [0, 1_001] {
        invalid(connections::members("lobby", limit, None).map(drop).expect_err("a limit"));
    }
    invalid(connections::join("lobby", "").expect_err("no id"));
    Ok("refused".to_owned())
}
