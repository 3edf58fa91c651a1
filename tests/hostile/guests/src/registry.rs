//! Programs that read and change the registry of connections and groups without end.

use crate::tidegate::route::connections;
use crate::tidegate::route::types::Request;
use crate::{Answer, done};

/// Joins the group that other programs send to.
pub fn enter(request: &Request, _: &str) -> Answer {
    done(format!("{:?}", connections::join("crowd", &request.connection.id)))
}

/// Joins and leaves a group until the deadline.
pub fn join_and_leave(request: &Request, _: &str) -> Answer {
    loop {
        _ = connections::join("revolving", &request.connection.id);
        _ = connections::leave("revolving", &request.connection.id);
    }
}

/// Joins 60 groups, more than are allowed, with the longest names.
pub fn join_many(request: &Request, _: &str) -> Answer {
    for at in 0..60 {
        _ = connections::join(&format!("{at:02}{}", "g".repeat(254)), &request.connection.id);
    }
    done("joined")
}

/// Counts the members of a group until the deadline.
pub fn count_members(_: &Request, _: &str) -> Answer {
    loop {
        _ = connections::count("crowd");
    }
}

/// Lists all connections until the byte limit or the deadline.
pub fn list_all(_: &Request, _: &str) -> Answer {
    loop {
        let mut cursor = None;
        while let Ok(page) = connections::list_connections(1_000, cursor.as_deref()) {
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
}

/// Sets one attribute until the deadline.
pub fn attributes(request: &Request, _: &str) -> Answer {
    loop {
        _ = connections::set_attributes(&request.connection.id, &[("a".to_owned(), Some("b".repeat(4_000)))]);
    }
}

/// Sets 10,000 attributes at once, which is refused, until the byte limit or the deadline.
pub fn many_attributes(request: &Request, _: &str) -> Answer {
    let changes: Vec<_> = (0..10_000).map(|at| (at.to_string(), Some("v".to_owned()))).collect();
    loop {
        _ = connections::set_attributes(&request.connection.id, &changes);
    }
}

/// Reads its own entry until the deadline.
pub fn describe_rows(request: &Request, _: &str) -> Answer {
    loop {
        _ = connections::describe(&request.connection.id);
    }
}

/// Reads members with cursors that it made up.
pub fn made_up_members(_: &Request, _: &str) -> Answer {
    let long = "c".repeat(65_536);
    for _ in 0..50 {
        for cursor in ["", "0", "\0", "e30=", "{\"pk\":{\"S\":\"neighbour\"}}", &long] {
            _ = connections::members("crowd", 1_000, Some(cursor));
            _ = connections::list_connections(u32::MAX, Some(cursor));
        }
    }
    done("read")
}
