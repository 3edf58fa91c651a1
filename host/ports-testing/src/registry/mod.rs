//! The suite of [`Registry`]: every line of the contract in `wit/connections.wit` that a port can keep or break, and
//! what the host asks of it besides.

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
    connections::a_registered_connection_is_described,
    connections::what_is_not_registered_is_not_found,
    connections::unregistering_removes_all_of_it,
    connections::a_registration_starts_empty,
    connections::a_row_ends_with_its_time,
    connections::only_old_connections_are_reaped,
    connections::pages_list_every_connection_once,
    connections::listing_checks_limit_and_cursor,
    attributes::attributes_are_set_and_removed,
    attributes::there_are_32_attributes_at_most,
    attributes::attributes_have_4_kib_at_most,
    attributes::attributes_need_a_connection,
    groups::joining_is_idempotent,
    groups::leaving_is_idempotent,
    groups::joining_needs_a_connection,
    groups::there_are_50_groups_at_most,
    groups::group_names_have_limits,
    groups::no_group_reaches_another,
    groups::a_connection_in_50_groups_leaves_them_all,
    members::an_unknown_group_is_empty,
    members::pages_read_every_member_once,
    members::members_end_with_their_connection,
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

/// All members, page by page; each at most once.
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
        Err(Error::Invalid(reason)) => assert!(!reason.is_empty(), "`invalid` says which, and why"),
        other => panic!("expected `invalid`, got {other:?}"),
    }
}
