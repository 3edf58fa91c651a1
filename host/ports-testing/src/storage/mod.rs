//! The suite of [`Storage`]: every line of the contract in `wit/storage.wit` that a port can keep or break.

mod conditions;
mod documents;
mod expiry;
mod keys;
mod queries;
mod transactions;
mod updates;

use serde_json::Value;

use super::{TestClock, soon, suite};
use tidegate_ports::storage::{Change, Condition, Error, Item, Key, Storage, Version, WriteOptions};

suite! {
    $ storage_conformance, storage, tidegate_ports::Storage;
    documents::what_was_never_put_is_none,
    documents::a_document_comes_back,
    documents::a_put_replaces_the_whole_document,
    documents::numbers_keep_38_digits,
    documents::numbers_that_cannot_be_kept_are_invalid,
    documents::what_is_no_json_object_is_invalid,
    documents::reserved_names_are_invalid,
    documents::names_that_occur_twice_are_invalid,
    documents::documents_nest_32_levels,
    documents::a_document_above_400_kb_is_too_large,
    documents::a_delete_leaves_nothing,
    documents::a_version_never_recurs,
    documents::get_many_answers_in_the_order_of_its_keys,
    documents::get_many_takes_100_keys,
    keys::keys_of_any_characters_are_told_apart,
    keys::no_key_reaches_another,
    keys::keys_have_limits,
    conditions::absent_holds_where_nothing_is,
    conditions::present_holds_where_something_is,
    conditions::a_version_holds_until_the_next_write,
    conditions::a_failed_condition_changes_nothing,
    expiry::an_expired_item_is_absent,
    expiry::an_item_lives_to_its_last_millisecond,
    expiry::conditions_take_an_expired_item_for_absent,
    expiry::an_update_never_merges_into_an_expired_item,
    expiry::an_update_keeps_or_moves_the_end,
    expiry::a_put_without_an_end_never_expires,
    expiry::queries_pass_over_expired_items,
    updates::an_update_creates_the_document,
    updates::set_writes_members_at_any_depth,
    updates::add_counts_from_zero,
    updates::append_makes_and_extends_a_list,
    updates::remove_takes_a_member_away,
    updates::all_changes_or_none,
    updates::an_update_answers_with_the_new_item,
    updates::an_update_obeys_its_condition,
    updates::a_path_without_its_parent_is_invalid,
    updates::paths_that_overlap_are_invalid,
    updates::paths_that_are_not_allowed_are_invalid,
    updates::names_are_never_syntax,
    updates::what_does_not_fit_is_invalid,
    updates::an_update_cannot_exceed_400_kb,
    queries::sort_keys_order_by_their_bytes,
    queries::ranges_are_inclusive,
    queries::empty_bounds_mean_no_bound,
    queries::pages_join_into_the_whole,
    queries::a_cursor_fits_only_its_query,
    queries::limits_are_checked,
    queries::a_query_sees_one_partition,
    queries::large_pages_come_in_parts,
    transactions::all_operations_apply,
    transactions::one_failed_condition_undoes_all,
    transactions::every_kind_of_operation_can_fail,
    transactions::operations_on_one_document_are_invalid,
    transactions::a_transaction_has_1_to_100_operations,
    transactions::an_update_replaces_an_expired_item,
    transactions::what_is_invalid_alone_is_invalid_together,
}

/// The collection that cases use unless they need two.
const PLACE: &str = "rooms";

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

/// JSON with numbers compared as `f64`; cases about their digits compare text.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

async fn put(port: &dyn Storage, at: &Key, document: &str) -> Version {
    port.put(PLACE, at, document, &WriteOptions::default(), soon()).await.unwrap()
}

async fn get(port: &dyn Storage, at: &Key) -> Option<Item> {
    port.get(PLACE, at, soon()).await.unwrap()
}

async fn update(port: &dyn Storage, at: &Key, changes: &[Change]) -> Result<Item, Error> {
    port.update(PLACE, at, changes, &WriteOptions::default(), soon()).await
}

async fn assert_document(port: &dyn Storage, at: &Key, expected: &str) {
    let found = get(port, at).await.map(|item| json(&item.document));
    assert_eq!(found, Some(json(expected)));
}

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Invalid(reason)) => assert!(!reason.is_empty(), "`invalid` says which, and why"),
        other => panic!("expected `invalid`, got {other:?}"),
    }
}
