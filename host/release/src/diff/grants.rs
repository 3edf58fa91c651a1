//! The grants of one version that another version does not cover.

use std::collections::BTreeSet;

use tidegate_app::Grants;
use tidegate_app::grants::{Access, GroupPattern, Scope};

/// Returns a description of each grant of `new` that `old` does not cover, for example `send to any connection`.
pub(super) fn added(new: &Grants, old: &Grants) -> Vec<String> {
    let storage = new.storage.iter().filter_map(|(collection, access)| {
        let access = added_access(*access, old.storage.get(collection).copied())?;
        Some(format!("{access} of the collection {collection}"))
    });
    let mut grants: Vec<_> = storage.collect();
    add_connections(&mut grants, new, old);
    add_messaging(&mut grants, new, old);
    grants.extend(new.config.difference(&old.config).map(|name| format!("the configuration value {name}")));
    grants
}

fn add_connections(grants: &mut Vec<String>, new: &Grants, old: &Grants) {
    let new = new.connections.clone().unwrap_or_default();
    let old = old.connections.clone().unwrap_or_default();
    if new.describe && !old.describe {
        grants.push("describe of any registered connection".to_owned());
    }
    if new.list && !old.list {
        grants.push("the list of connections".to_owned());
    }
    grants.extend(added_scope(new.attributes, old.attributes).map(|scope| format!("the attributes of {scope}")));
    grants.extend(added_groups(&new.groups, &old.groups).map(|group| format!("membership of {group}")));
}

fn add_messaging(grants: &mut Vec<String>, new: &Grants, old: &Grants) {
    let new = new.messaging.clone().unwrap_or_default();
    let old = old.messaging.clone().unwrap_or_default();
    grants.extend(added_scope(new.send, old.send).map(|scope| format!("send to {scope}")));
    grants.extend(added_groups(&new.broadcast, &old.broadcast).map(|group| format!("broadcast to {group}")));
    grants.extend(added_scope(new.describe, old.describe).map(|scope| format!("describe of {scope}")));
    grants.extend(added_scope(new.close, old.close).map(|scope| format!("close of {scope}")));
}

/// Returns the access that `new` allows and `old` does not.
fn added_access(new: Access, old: Option<Access>) -> Option<&'static str> {
    let old_allows = |allows: fn(Access) -> bool| old.is_some_and(allows);
    let reads = new.reads() && !old_allows(Access::reads);
    let writes = new.writes() && !old_allows(Access::writes);
    match (reads, writes) {
        (true, true) => Some("read-write"),
        (true, false) => Some("read"),
        (false, true) => Some("write"),
        (false, false) => None,
    }
}

/// Returns the connections that `new` covers if `old` does not cover them.
fn added_scope(new: Option<Scope>, old: Option<Scope>) -> Option<&'static str> {
    match (new, old) {
        (None, _) | (Some(_), Some(Scope::Any)) | (Some(Scope::Own), Some(Scope::Own)) => None,
        (Some(Scope::Own), None) => Some("its own connection"),
        (Some(Scope::Any), _) => Some("any connection"),
    }
}

/// Returns the patterns of `new` that match a group that no pattern of `old` matches.
fn added_groups(new: &[GroupPattern], old: &[GroupPattern]) -> impl Iterator<Item = String> {
    let old: Vec<String> = old.iter().cloned().map(Into::into).collect();
    let new: BTreeSet<String> = new.iter().cloned().map(Into::into).collect();
    new.into_iter().filter(move |pattern| !old.iter().any(|old| covers(old, pattern)))
}

/// Returns true if `by` matches every group that `pattern` matches. If no single pattern covers `pattern`, several
/// patterns together do not cover it either, because a name can continue in more ways than there are patterns.
fn covers(by: &str, pattern: &str) -> bool {
    match by.strip_suffix('*') {
        Some(prefix) => pattern.strip_suffix('*').unwrap_or(pattern).starts_with(prefix),
        None => by == pattern,
    }
}
