//! The inheritance of grants: a route inherits the grants of its component.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use crate::grants::{Access, ConnectionsGrant, Grants, MessagingGrant};

/// The grants of a route. Each kind replaces that of the route's component; `false` removes it.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(crate) struct GrantOverrides {
    /// The access to each collection, by name. `false` removes the component's `storage`.
    storage: Override<BTreeMap<String, Access>>,
    /// The operations of the interface `connections`. `false` removes the component's `connections`.
    connections: Override<ConnectionsGrant>,
    /// The operations of the interface `messaging`. `false` removes the component's `messaging`.
    messaging: Override<MessagingGrant>,
    /// The names of the configuration values that the route may read. `false` removes the component's `config`.
    config: Override<BTreeSet<String>>,
}

impl GrantOverrides {
    /// Returns the grants of a route whose component has the grants `inherited`.
    pub(crate) fn resolve(self, inherited: &Grants) -> Grants {
        Grants {
            storage: self.storage.resolve(Some(&inherited.storage)).unwrap_or_default(),
            connections: self.connections.resolve(inherited.connections.as_ref()),
            messaging: self.messaging.resolve(inherited.messaging.as_ref()),
            config: self.config.resolve(Some(&inherited.config)).unwrap_or_default(),
        }
    }
}

/// One kind of grants of a route.
#[derive(Debug, Default)]
pub(crate) enum Override<T> {
    /// The route has no such key, so the component's kind applies.
    #[default]
    Inherit,
    /// The value is `false`.
    Remove,
    /// The value is a grant.
    Replace(T),
}

impl<T: Clone> Override<T> {
    fn resolve(self, inherited: Option<&T>) -> Option<T> {
        match self {
            Self::Inherit => inherited.cloned(),
            Self::Remove => None,
            Self::Replace(grant) => Some(grant),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Override<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OverrideVisitor(PhantomData))
    }
}

struct OverrideVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OverrideVisitor<T> {
    type Value = Override<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a grant or `false`")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        if value { Err(E::invalid_type(Unexpected::Bool(value), &self)) } else { Ok(Override::Remove) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Override::Replace)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(seq)).map(Override::Replace)
    }
}
