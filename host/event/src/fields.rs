//! Headers, query strings and contexts as JSON objects.
//!
//! As in API Gateway's events, the single-value object has the last value of a repeated name. The multi-value object
//! has all values in order.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::optional::{Ignored, Optional};
use crate::text::Scalar;
use crate::types::Fields;

/// Fields grouped by name, ordered by the first occurrence of each name.
pub(crate) struct Groups<'a>(Vec<(&'a str, Vec<&'a str>)>);

impl<'a> Groups<'a> {
    /// Groups fields by their exact names.
    pub(crate) fn new(fields: &'a [(String, String)]) -> Self {
        let mut groups: Vec<(&'a str, Vec<&'a str>)> = Vec::with_capacity(fields.len());
        let mut places = HashMap::with_capacity(fields.len());
        for (name, value) in fields {
            let place = *places.entry(name.as_str()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, values)) => values.push(value),
                None => groups.push((name, vec![value])),
            }
        }
        Self(groups)
    }

    /// Returns true if a name has more than one value.
    pub(crate) fn repeat(&self) -> bool {
        self.0.iter().any(|(_, values)| values.len() > 1)
    }

    /// Returns true if there are no fields.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns an object of each name's last value.
    pub(crate) fn single(&self) -> Single<'_, 'a> {
        Single(self)
    }

    /// Returns an object of each name's values.
    pub(crate) fn multi(&self) -> Multi<'_, 'a> {
        Multi(self)
    }
}

/// An object of each name's last value.
pub(crate) struct Single<'g, 'a>(&'g Groups<'a>);

impl Serialize for Single<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.0.iter().map(|(name, values)| (name, values.last())))
    }
}

/// An object of each name's values.
pub(crate) struct Multi<'g, 'a>(&'g Groups<'a>);

impl Serialize for Multi<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.0.iter().map(|(name, values)| (name, values)))
    }
}

/// The members of a JSON object, in order.
pub(crate) struct Members<V>(pub(crate) Vec<(String, V)>);

/// An object of scalars. A null member counts as absent.
pub(crate) type SingleValues = Members<Option<Scalar>>;
/// An object of lists of scalars.
pub(crate) type MultiValues = Members<Option<Vec<Scalar>>>;

/// An object of scalars in an event, which keeps its other members if one is odd.
pub(crate) type SingleOptionals = Members<Optional<Scalar>>;
/// An object of lists of scalars in an event, which keeps its other members if one is odd.
pub(crate) type MultiOptionals = Members<Optional<Vec<Optional<Scalar>>>>;

impl<V> Default for Members<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl Members<Option<Scalar>> {
    /// Converts the members that are not null to fields.
    pub(crate) fn into_fields(self) -> Fields {
        self.0.into_iter().filter_map(|(name, value)| Some((name, value?.0))).collect()
    }
}

impl Members<Option<Vec<Scalar>>> {
    /// Converts the members that are not null to fields.
    pub(crate) fn into_fields(self) -> Fields {
        let mut fields = Vec::with_capacity(self.0.len());
        for (name, values) in self.0 {
            fields.extend(values.unwrap_or_default().into_iter().map(|value| (name.clone(), value.0)));
        }
        fields
    }
}

impl Members<Optional<Scalar>> {
    /// Converts the members to fields, except null and odd ones. `name` is the name of the object.
    pub(crate) fn into_fields(self, name: &'static str, ignored: &mut Ignored) -> Fields {
        let value = |(field, mut value): (String, Optional<Scalar>)| Some((field, value.take(name, ignored)?.0));
        self.0.into_iter().filter_map(value).collect()
    }
}

impl Members<Optional<Vec<Optional<Scalar>>>> {
    /// Converts the members to fields, except null and odd ones. `name` is the name of the object.
    pub(crate) fn into_fields(self, name: &'static str, ignored: &mut Ignored) -> Fields {
        let mut fields = Vec::with_capacity(self.0.len());
        for (field, mut values) in self.0 {
            for mut value in values.take(name, ignored).unwrap_or_default() {
                fields.extend(value.take(name, ignored).map(|value| (field.clone(), value.0)));
            }
        }
        fields
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Members<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

struct MembersVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for MembersVisitor<V> {
    type Value = Members<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
