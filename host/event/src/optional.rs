//! Members that an event may lack. An odd value of such a member is ignored, so that it does not lose the event.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

/// An optional member of an event. It is decoded apart from the event, so that no value that is JSON can fail it.
#[derive(Default)]
pub(crate) enum Optional<T> {
    /// The member is missing or null.
    #[default]
    Absent,
    /// The member has another type, or a value out of range.
    Odd,
    /// The member has this value.
    Value(T),
}

/// The names of the members whose values were ignored.
#[derive(Debug, Default)]
pub(crate) struct Ignored(pub(crate) Vec<&'static str>);

impl<T> Optional<T> {
    /// Takes the value of the member `name`. An odd value is noted and ignored.
    pub(crate) fn take(&mut self, name: &'static str, ignored: &mut Ignored) -> Option<T> {
        match std::mem::take(self) {
            Self::Value(value) => Some(value),
            Self::Absent => None,
            Self::Odd => {
                ignored.0.push(name);
                None
            }
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Optional<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        Ok(match serde_json::from_str(json) {
            Ok(Some(value)) => Self::Value(value),
            Ok(None) => Self::Absent,
            Err(_) => Self::Odd,
        })
    }
}
