//! The suite of [`Storage`]: the contract in `wit/storage.wit`.

mod conditions;
mod documents;
mod expiry;
mod keys;
mod queries;
mod transactions;
mod updates;

use serde_json::Value;

use super::{TestClock, histories, soon, suite};
use tidegate_ports::storage::{Change, Condition, Error, Item, Key, Storage, Version, WriteOptions};

suite! {
    $ storage_conformance, storage, tidegate_ports::Storage;
    documents::missing_documents_are_none,
    documents::documents_round_trip,
    documents::put_replaces_the_whole_document,
    documents::numbers_keep_38_digits,
    documents::numbers_out_of_range_are_invalid,
    documents::documents_that_are_not_json_objects_are_invalid,
    documents::reserved_names_are_invalid,
    documents::repeated_names_are_invalid,
    documents::documents_nest_up_to_32_levels,
    documents::documents_above_400_kb_are_too_large,
    documents::delete_removes_the_document,
    documents::versions_are_unique,
    documents::get_many_returns_the_order_of_its_keys,
    documents::get_many_accepts_100_keys,
    keys::keys_of_any_characters_are_distinct,
    keys::keys_do_not_reach_other_documents,
    keys::key_lengths_are_limited,
    conditions::absent_is_met_without_a_document,
    conditions::present_is_met_with_a_document,
    conditions::a_version_is_met_until_the_next_write,
    conditions::failed_conditions_change_nothing,
    expiry::expired_items_are_absent,
    expiry::items_exist_until_their_last_millisecond,
    expiry::conditions_treat_expired_items_as_absent,
    expiry::updates_do_not_merge_into_expired_items,
    expiry::updates_keep_or_change_the_expiry,
    expiry::items_without_an_expiry_do_not_expire,
    expiry::queries_skip_expired_items,
    updates::updates_create_missing_documents,
    updates::set_writes_members_at_any_depth,
    updates::add_starts_at_zero,
    updates::append_creates_and_extends_lists,
    updates::remove_removes_members,
    updates::updates_apply_all_changes_or_none,
    updates::updates_return_the_new_item,
    updates::updates_check_their_condition,
    updates::paths_without_a_parent_are_invalid,
    updates::overlapping_paths_are_invalid,
    updates::reserved_and_empty_paths_are_invalid,
    updates::names_are_not_interpreted_as_syntax,
    updates::changes_of_the_wrong_type_are_invalid,
    updates::updates_with_too_many_names_are_invalid,
    updates::updates_above_400_kb_are_too_large,
    queries::sort_keys_are_ordered_by_bytes,
    queries::ranges_are_inclusive,
    queries::empty_bounds_do_not_limit,
    queries::pages_contain_every_item_once,
    queries::cursors_are_valid_only_for_their_query,
    queries::page_limits_are_checked,
    queries::queries_read_one_partition,
    queries::large_pages_are_split,
    transactions::transactions_apply_all_operations,
    transactions::one_failed_condition_cancels_the_transaction,
    transactions::every_kind_of_operation_checks_its_condition,
    transactions::two_operations_on_one_document_are_invalid,
    transactions::transactions_have_1_to_100_operations,
    transactions::updates_in_transactions_replace_expired_items,
    transactions::invalid_operations_are_invalid_in_transactions,
    histories::concurrent_calls_are_linearizable,
}

/// The collection for cases that need only one.
const COLLECTION: &str = "rooms";

fn key(partition: &str, sort: &str) -> Key {
    Key { partition: partition.to_owned(), sort: sort.to_owned() }
}

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn set(names: &[&str], value: &str) -> Change {
    Change::Set { path: path(names), value: value.to_owned() }
}

fn add(names: &[&str], by: i64) -> Change {
    Change::Add { path: path(names), by }
}

fn append(names: &[&str], values: &str) -> Change {
    Change::Append { path: path(names), values: values.to_owned() }
}

fn remove(names: &[&str]) -> Change {
    Change::Remove { path: path(names) }
}

fn only_if(condition: Condition) -> WriteOptions {
    WriteOptions { condition: Some(condition), expires_at: None }
}

/// Parses JSON, with numbers as `f64`. Cases about digits compare text.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

async fn put(port: &dyn Storage, at: &Key, document: &str) -> Version {
    port.put(COLLECTION, at, document, &WriteOptions::default(), soon()).await.unwrap()
}

async fn get(port: &dyn Storage, at: &Key) -> Option<Item> {
    port.get(COLLECTION, at, soon()).await.unwrap()
}

async fn update(port: &dyn Storage, at: &Key, changes: &[Change]) -> Result<Item, Error> {
    port.update(COLLECTION, at, changes, &WriteOptions::default(), soon()).await
}

async fn assert_document(port: &dyn Storage, at: &Key, expected: &str) {
    let found = get(port, at).await.map(|item| json(&item.document));
    assert_eq!(found, Some(json(expected)));
}

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Invalid(reason)) => assert!(!reason.is_empty(), "`invalid` has no text"),
        other => panic!("expected `invalid`, got {other:?}"),
    }
}
