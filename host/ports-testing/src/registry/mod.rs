//! The suite of [`Registry`]: the contract in `wit/connections.wit`, and the requirements of the host.

mod attributes;
mod connections;
mod groups;
mod members;

use std::collections::BTreeSet;

use tidegate_event::{Connection, ConnectionId};

use super::{TestClock, soon, suite};
use tidegate_ports::registry::{Error, Registry};

suite! {
    $ registry_conformance, registry, tidegate_ports::Registry;
    connections::registered_connections_are_described,
    connections::unregistered_connections_are_not_found,
    connections::unregister_removes_the_connection_and_its_memberships,
    connections::registrations_start_without_attributes_and_groups,
    connections::rows_expire_after_their_lifetime,
    connections::reap_removes_old_connections_only,
    connections::list_pages_contain_every_connection_once,
    connections::list_checks_limit_and_cursor,
    attributes::attributes_are_set_and_removed,
    attributes::connections_have_at_most_32_attributes,
    attributes::attributes_have_at_most_4_kib,
    attributes::attributes_require_a_connection,
    groups::join_is_idempotent,
    groups::leave_is_idempotent,
    groups::join_requires_a_connection,
    groups::connections_have_at_most_50_groups,
    groups::group_name_lengths_are_limited,
    groups::groups_do_not_reach_other_groups,
    groups::unregister_leaves_all_50_groups,
    members::unknown_groups_are_empty,
    members::member_pages_contain_every_member_once,
    members::members_expire_with_their_connection,
    members::members_check_limit_and_cursor,
}

fn id(text: &str) -> ConnectionId {
    ConnectionId::new(text).unwrap()
}

fn connection(text: &str, clock: &TestClock) -> Connection {
    Connection {
        id: id(text),
        connected_at: clock.now(),
        source_ip: "192.0.2.7".to_owned(),
        user_agent: None,
        domain_name: "abc.example".to_owned(),
        stage: "dev".to_owned(),
        principal: None,
        context: Vec::new(),
    }
}

async fn register(port: &dyn Registry, text: &str, clock: &TestClock) -> ConnectionId {
    let connection = connection(text, clock);
    port.register(&connection, soon()).await.unwrap();
    connection.id
}

/// Reads all members page by page, and checks that each occurs once.
async fn members(port: &dyn Registry, group: &str, limit: u32) -> BTreeSet<ConnectionId> {
    let mut all = BTreeSet::new();
    let mut cursor = None;
    loop {
        let page = port.members(group, limit, cursor.as_ref(), soon()).await.unwrap();
        assert!(page.members.len() <= limit as usize);
        for member in page.members {
            assert!(all.insert(member.clone()), "{member} occurs twice");
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return all;
        }
    }
}

async fn groups(port: &dyn Registry, of: &ConnectionId) -> Vec<String> {
    port.describe(of, soon()).await.unwrap().groups
}

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Invalid(reason)) => assert!(!reason.is_empty(), "`invalid` has no text"),
        other => panic!("expected `invalid`, got {other:?}"),
    }
}
