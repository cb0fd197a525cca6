//! The text of a lock file, as OpenTofu's `depsfile` and hclwrite lay it out.

use std::fmt::Write;

use super::{Lock, LockFile};
use crate::Style;

/// The first line.
pub(super) fn head(style: Style) -> String {
    format!("# This file is maintained automatically by \"{} init\".", style.program())
}

impl LockFile {
    /// The file's text in this style.
    #[must_use]
    pub fn write(&self, style: Style) -> String {
        let mut text = head(style);
        text.push_str("\n# Manual edits may be lost in future updates.\n");
        for (provider, lock) in &self.providers {
            // Writing to a string cannot fail.
            let _ = write!(text, "\nprovider \"{provider}\" {{\n");
            block(&mut text, lock);
            text.push_str("}\n");
        }
        text
    }
}

fn block(text: &mut String, Lock { version, constraints, hashes }: &Lock) {
    let version = quoted(&version.to_string());
    // hclwrite aligns the two texts with each other; the list beside them is not aligned.
    let _ = if constraints.is_empty() {
        writeln!(text, "  version = {version}")
    } else {
        writeln!(text, "  version     = {version}\n  constraints = {}", quoted(&constraints.to_string()))
    };
    if hashes.is_empty() {
        return;
    }
    text.push_str("  hashes = [\n");
    for hash in hashes {
        let _ = writeln!(text, "    {},", quoted(hash.as_str()));
    }
    text.push_str("  ]\n");
}

/// A text as HCL writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '$' | '%' if characters.peek() == Some(&'{') => {
                quoted.push(character);
                quoted.push(character);
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
