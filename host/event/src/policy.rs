//! The subset of IAM's policy language that authorizers use.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use crate::error::DecodeError;

/// The version of the policy language.
pub(crate) const VERSION: &str = "2012-10-17";
/// The action that an authorizer allows or denies.
pub(crate) const INVOKE: &str = "execute-api:Invoke";

/// The result of evaluating a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A statement allows the action, and no statement denies it.
    Allowed,
    /// A statement denies the action, or no statement matches.
    Denied,
}

/// A policy document. Its version and the ids of its statements are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
pub(crate) struct Policy {
    statement: OneOrMany<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Statement {
    effect: Effect,
    action: Option<OneOrMany<String>>,
    resource: Option<OneOrMany<String>>,
    not_action: Option<IgnoredAny>,
    not_resource: Option<IgnoredAny>,
    condition: Option<IgnoredAny>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

impl Policy {
    /// Evaluates the policy for an invocation of `resource`. An explicit deny overrides any allow, and the default is
    /// deny.
    pub(crate) fn evaluate(&self, resource: &str) -> Result<Verdict, DecodeError> {
        let mut verdict = Verdict::Denied;
        let mut denied = false;
        for (place, statement) in self.statement.0.iter().enumerate() {
            if !statement.covers(place, resource)? {
                continue;
            }
            match statement.effect {
                Effect::Allow => verdict = Verdict::Allowed,
                Effect::Deny => denied = true,
            }
        }
        Ok(if denied { Verdict::Denied } else { verdict })
    }
}

impl Statement {
    fn covers(&self, place: usize, resource: &str) -> Result<bool, DecodeError> {
        let path = |member: &str| format!("policyDocument.Statement[{place}].{member}");
        let unsupported =
            [("NotAction", &self.not_action), ("NotResource", &self.not_resource), ("Condition", &self.condition)];
        if let Some((member, _)) = unsupported.iter().find(|(_, value)| value.is_some()) {
            return Err(DecodeError::invalid(
                path(member),
                "is not evaluated here: expected `Action` and `Resource` alone",
            ));
        }
        let actions = self.action.as_ref().ok_or_else(|| DecodeError::missing(path("Action")))?;
        let resources = self.resource.as_ref().ok_or_else(|| DecodeError::missing(path("Resource")))?;
        // IAM matches actions regardless of case, and resources with case.
        let invoke = INVOKE.to_ascii_lowercase();
        Ok(actions.0.iter().any(|action| matches(&action.to_ascii_lowercase(), &invoke))
            && resources.0.iter().any(|pattern| matches(pattern, resource)))
    }
}

/// Returns true if `pattern` matches `text`. `*` matches any text, and `?` matches any single character.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let mut at = 0;
    let mut from = 0;
    // If the text after the last `*` does not match, matching resumes here, and the `*` takes one more character.
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(from) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((star_at, star_from)) => {
                    star = Some((star_at, star_from + 1));
                    at = star_at + 1;
                    from = star_from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

/// A single value or a list of values.
struct OneOrMany<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one, or a list")
    }

    fn visit_str<E: de::Error>(self, one: &str) -> Result<Self::Value, E> {
        Ok(OneOrMany(vec![T::deserialize(one.into_deserializer())?]))
    }

    fn visit_map<A: MapAccess<'de>>(self, one: A) -> Result<Self::Value, A::Error> {
        Ok(OneOrMany(vec![T::deserialize(MapAccessDeserializer::new(one))?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, many: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(many)).map(OneOrMany)
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_match_any_text_or_any_single_character() {
        let arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/dev/$connect";
        for pattern in ["*", arn, "arn:aws:execute-api:*:*:*/dev/*", "arn:aws:execute-api:eu-west-?:*/$connect", "*t"] {
            assert!(matches(pattern, arn), "{pattern}");
        }
        for pattern in ["", "?", "*/prod/*", "arn:aws:execute-api:eu-west-??:*", "*$connec", &arn[1..]] {
            assert!(!matches(pattern, arn), "{pattern}");
        }
        assert!(matches("a*b*c", "axxbyybc"));
        assert!(matches("**", ""));
        assert!(!matches("a?", "a"));
    }
}
