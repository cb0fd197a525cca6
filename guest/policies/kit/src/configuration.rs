//! Reading an entry's configuration.

use serde::de::DeserializeOwned;

/// Reads TOML.
///
/// # Errors
/// What is wrong, and in which line.
pub(crate) fn read<C: DeserializeOwned>(text: &str) -> Result<C, String> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).filter(|_| !text.trim().is_empty());
        let line = before.map(|before| before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1));
        match line {
            Some(line) => format!("configuration, line {line}: {}", error.message()),
            None => format!("configuration: {}", error.message()),
        }
    })
}
