//! Conditions of writes as DynamoDB expressions.

use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_event::Timestamp;
use tidegate_ports::storage::Condition;

use super::row::{EXPIRES, PARTITION, VERSION};
use crate::dynamodb::expression::{Parts, Placeholders};
use crate::dynamodb::tables::TTL_ATTRIBUTE;

/// Returns an expression that is true if the row has expired, and false if there is no row.
fn expired(placeholders: &mut Placeholders, now: Timestamp) -> String {
    let exact = placeholders.name(EXPIRES);
    let ttl = placeholders.name(TTL_ATTRIBUTE);
    let millis = placeholders.number(now.millis());
    let seconds = placeholders.number(now.seconds());
    format!("({exact} <= {millis} OR (attribute_not_exists({exact}) AND {ttl} <= {seconds}))")
}

/// Returns an expression that is true if the row has not expired or does not exist.
pub(super) fn not_expired(placeholders: &mut Placeholders, now: Timestamp) -> String {
    format!("NOT {}", expired(placeholders, now))
}

/// Returns an expression that is true while the row is the one that a write with this version has written.
pub(super) fn written(placeholders: &mut Placeholders, version: &str) -> String {
    format!("{} = {}", placeholders.name(VERSION), placeholders.string(version))
}

/// Returns a guest's condition with its names and values, for requests without other expressions.
pub(super) fn alone(condition: &Condition, now: Timestamp) -> (String, Parts) {
    let mut placeholders = Placeholders::default();
    let expression = expression(&mut placeholders, condition, now);
    (expression, placeholders.into_parts())
}

/// Returns a guest's condition, for requests with other expressions.
pub(super) fn expression(placeholders: &mut Placeholders, condition: &Condition, now: Timestamp) -> String {
    match condition {
        Condition::Absent => {
            let key = placeholders.name(PARTITION);
            format!("attribute_not_exists({key}) OR {}", expired(placeholders, now))
        }
        Condition::Present => {
            let key = placeholders.name(PARTITION);
            format!("attribute_exists({key}) AND {}", not_expired(placeholders, now))
        }
        Condition::Version(version) => {
            let name = placeholders.name(VERSION);
            let value = placeholders.value(AttributeValue::S(version.0.clone()));
            format!("{name} = {value} AND {}", not_expired(placeholders, now))
        }
    }
}
