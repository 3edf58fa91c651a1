//! A connection and a membership as rows.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_event::{Connection, ConnectionId, Fields, Timestamp};
use tidegate_ports::registry::{Entry, Error, expiry};

use crate::dynamodb::tables::TTL_ATTRIBUTE;

pub(super) const CONNECTION_ID: &str = "connection_id";
pub(super) const CONNECTED_AT: &str = "connected_at";
pub(super) const GROUP: &str = "group";
pub(super) const GROUPS: &str = "groups";
pub(super) const ATTRIBUTES: &str = "attributes";
const SOURCE_IP: &str = "source_ip";
const USER_AGENT: &str = "user_agent";
const DOMAIN_NAME: &str = "domain_name";
const STAGE: &str = "stage";
const PRINCIPAL: &str = "principal";
const CONTEXT: &str = "context";

/// A row's attributes.
pub(super) type Row = HashMap<String, AttributeValue>;

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// Returns the key of a connection's row.
pub(super) fn connection_key(id: &ConnectionId) -> Row {
    Row::from([(CONNECTION_ID.to_owned(), text(id.as_str()))])
}

/// Returns the partition key of a group's shard. The shard follows the last `#`, so the name of a group may contain
/// `#`.
pub(super) fn partition(group: &str, shard: u32) -> String {
    format!("{group}#{shard}")
}

/// Returns the key of a membership's row.
pub(super) fn member_key(partition: &str, id: &str) -> Row {
    Row::from([(GROUP.to_owned(), text(partition)), (CONNECTION_ID.to_owned(), text(id))])
}

/// Returns a membership's row. The row has only its key and its expiry, because a broadcast reads thousands of rows.
pub(super) fn member(partition: &str, id: &ConnectionId, now: Timestamp) -> Row {
    let mut row = member_key(partition, id.as_str());
    row.insert(TTL_ATTRIBUTE.to_owned(), AttributeValue::N(expiry(now).seconds().to_string()));
    row
}

/// Returns the row of a new connection.
pub(super) fn connection(connection: &Connection, now: Timestamp) -> Row {
    let context = connection.context.iter().flat_map(|(name, value)| [text(name), text(value)]).collect();
    let mut row = connection_key(&connection.id);
    row.extend(
        [
            (CONNECTED_AT, AttributeValue::N(connection.connected_at.millis().to_string())),
            (SOURCE_IP, text(&connection.source_ip)),
            (DOMAIN_NAME, text(&connection.domain_name)),
            (STAGE, text(&connection.stage)),
            (CONTEXT, AttributeValue::L(context)),
            (ATTRIBUTES, AttributeValue::M(HashMap::new())),
            (TTL_ATTRIBUTE, AttributeValue::N(expiry(now).seconds().to_string())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let optional = [(USER_AGENT, &connection.user_agent), (PRINCIPAL, &connection.principal)];
    row.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), text(value.as_deref()?)))));
    row
}

/// Returns true if a row has expired. A precision of one second is enough for connections.
pub(super) fn has_expired(row: &Row, now: Timestamp) -> bool {
    number(row, TTL_ATTRIBUTE).is_some_and(|end| end <= now.seconds())
}

/// Reads the connection id of a row.
pub(super) fn id(row: &Row) -> Result<ConnectionId, Error> {
    ConnectionId::new(string(row, CONNECTION_ID)?).map_err(|_| foreign(CONNECTION_ID))
}

/// Takes the connection id out of a row without a copy.
pub(super) fn into_id(mut row: Row) -> Result<ConnectionId, Error> {
    match row.remove(CONNECTION_ID) {
        Some(AttributeValue::S(id)) => ConnectionId::new(id).map_err(|_| foreign(CONNECTION_ID)),
        _ => Err(foreign(CONNECTION_ID)),
    }
}

/// Reads the connection of a row with its attributes and groups.
pub(super) fn entry(row: &Row) -> Result<Entry, Error> {
    let mut attributes: Fields =
        attributes(row).iter().filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone()))).collect();
    attributes.sort_unstable();
    let mut groups = groups(row);
    groups.sort_unstable();
    Ok(Entry { connection: read(row)?, attributes, groups })
}

/// Reads the connection of a row.
pub(super) fn read(row: &Row) -> Result<Connection, Error> {
    let optional = |name| row.get(name).and_then(|value| value.as_s().ok()).cloned();
    Ok(Connection {
        id: id(row)?,
        connected_at: Timestamp(number(row, CONNECTED_AT).ok_or_else(|| foreign(CONNECTED_AT))?),
        source_ip: string(row, SOURCE_IP)?,
        user_agent: optional(USER_AGENT),
        domain_name: string(row, DOMAIN_NAME)?,
        stage: string(row, STAGE)?,
        principal: optional(PRINCIPAL),
        context: context(row)?,
    })
}

/// Returns the attributes of a row in their stored form.
pub(super) fn attributes(row: &Row) -> Row {
    row.get(ATTRIBUTES).and_then(|value| value.as_m().ok()).cloned().unwrap_or_default()
}

/// Returns the groups of a row.
pub(super) fn groups(row: &Row) -> Vec<String> {
    row.get(GROUPS).and_then(|value| value.as_ss().ok()).cloned().unwrap_or_default()
}

fn context(row: &Row) -> Result<Fields, Error> {
    let list = row.get(CONTEXT).and_then(|value| value.as_l().ok()).ok_or_else(|| foreign(CONTEXT))?;
    let (pairs, _) = list.as_chunks::<2>();
    pairs
        .iter()
        .map(|[name, value]| match (name, value) {
            (AttributeValue::S(name), AttributeValue::S(value)) => Ok((name.clone(), value.clone())),
            _ => Err(foreign(CONTEXT)),
        })
        .collect()
}

fn string(row: &Row, name: &'static str) -> Result<String, Error> {
    row.get(name).and_then(|value| value.as_s().ok()).cloned().ok_or_else(|| foreign(name))
}

fn number(row: &Row, name: &str) -> Option<u64> {
    row.get(name)?.as_n().ok()?.parse().ok()
}

/// Logs a row that was not written by a host, and returns the error.
fn foreign(attribute: &'static str) -> Error {
    tracing::error!(attribute, "a row of the connections table has an invalid attribute");
    Error::Unavailable
}
