//! Placeholders in DynamoDB expressions.
//!
//! Every name and value is passed as a placeholder, so DynamoDB cannot mistake a name for syntax or a reserved word.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ExpressionAttributeNames.html>

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// Names and values in the form that requests take.
pub(crate) type Parts = (Option<HashMap<String, String>>, Option<HashMap<String, AttributeValue>>);

/// The names and values of one request's expressions. DynamoDB rejects a request with names or values that no
/// expression uses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placeholders {
    /// The placeholder of each name.
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Placeholders {
    /// Returns the placeholder for an attribute name.
    pub(crate) fn name(&mut self, name: &str) -> String {
        if let Some(placeholder) = self.names.get(name) {
            return placeholder.clone();
        }
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(name.to_owned(), placeholder.clone());
        placeholder
    }

    /// Returns a placeholder for a value.
    pub(crate) fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// Returns a placeholder for an integer.
    pub(crate) fn number(&mut self, number: impl ToString) -> String {
        self.value(AttributeValue::N(number.to_string()))
    }

    /// Returns a placeholder for a string.
    pub(crate) fn string(&mut self, string: impl Into<String>) -> String {
        self.value(AttributeValue::S(string.into()))
    }

    /// Returns names and values for a request. An empty map becomes `None`, because DynamoDB rejects empty maps.
    pub(crate) fn into_parts(self) -> Parts {
        let names: HashMap<_, _> = self.names.into_iter().map(|(name, placeholder)| (placeholder, name)).collect();
        let names = (!names.is_empty()).then_some(names);
        let values = (!self.values.is_empty()).then_some(self.values);
        (names, values)
    }
}
