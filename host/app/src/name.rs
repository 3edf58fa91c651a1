//! Names of apps, components, keys and stages.

/// The maximum length of the name of an app, a component or a key, in bytes.
///
/// The name of an app is part of a stack's name, which CloudFormation limits to 128 characters. The name of a component
/// is part of a file's name.
pub const MAX_NAME_BYTES: usize = 64;

/// The maximum length of a stage's name, in bytes.
///
/// <https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html>
pub const MAX_STAGE_BYTES: usize = 128;

/// A name that is empty, too long, or has a character that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid name `{name}`: expected 1 to {max_bytes} letters, digits, `-` and `_`")]
pub struct NameError {
    /// The name as given.
    pub name: String,
    /// The maximum length in bytes.
    pub max_bytes: usize,
}

/// Checks that a name has 1 to `max_bytes` ASCII letters, ASCII digits, `-` and `_`.
///
/// # Errors
/// [`NameError`] otherwise.
///
/// ```
/// use tidegate_app::{MAX_STAGE_BYTES, check_name};
///
/// assert!(check_name("prod-2", MAX_STAGE_BYTES).is_ok());
/// assert!(check_name("pr/od", MAX_STAGE_BYTES).is_err());
/// ```
pub fn check_name(name: &str, max_bytes: usize) -> Result<(), NameError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > max_bytes || !name.bytes().all(allowed) {
        return Err(NameError { name: name.to_owned(), max_bytes });
    }
    Ok(())
}
