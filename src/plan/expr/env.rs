//! Values as environment variables.

use serde_json::Value as Json;
use thiserror::Error;

use super::number::to_text;

/// The most bytes that a variable's value may have: a quarter of what Linux allows for one string.
pub const MAX_ENV: usize = 32 * 1024;

/// Why a value can't be an environment variable. The words contain nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvError {
    /// There is no text for null that a script couldn't take for a string.
    #[error("the value is null, which a variable can't be; write .orValue('') or the like")]
    Null,
    /// A NUL ends a C string.
    #[error("the value contains a NUL character, which a variable can't hold")]
    Nul,
    /// More bytes than [`MAX_ENV`].
    #[error(
        "the value has {bytes} bytes, a variable may have {max}; pass large data by a file or a volume"
    )]
    TooLarge {
        /// Bytes of the value as text.
        bytes: usize,
        /// The bound.
        max: usize,
    },
}

/// The text of `value` as an environment variable: strings as they are, ints in decimal, `true` and
/// `false`, doubles in the fewest digits that read back the same, lists and maps as compact JSON.
///
/// # Errors
///
/// Null, a NUL character, and more than [`MAX_ENV`] bytes are refused.
pub fn to_env(value: &Json) -> Result<String, EnvError> {
    let text = match value {
        Json::Null => return Err(EnvError::Null),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) if number.is_f64() => {
            number.as_f64().map_or_else(|| number.to_string(), to_text)
        }
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.clone(),
        Json::Array(_) | Json::Object(_) => value.to_string(),
    };
    if text.contains('\0') {
        return Err(EnvError::Nul);
    }
    match text.len() {
        bytes if bytes > MAX_ENV => Err(EnvError::TooLarge {
            bytes,
            max: MAX_ENV,
        }),
        _ => Ok(text),
    }
}

/// `text` with every `$` doubled, so that the kubelet, which expands `$(NAME)` and turns `$$` into `$`,
/// hands on exactly `text`.
#[must_use]
pub fn escape_dollars(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
#[path = "env_tests.rs"]
mod tests;
