//! Bounds on what a module says. It goes to people's terminals, logs and traces.

use super::contract::Label;

const MAX_REASON_BYTES: usize = 1024;
const MAX_LABELS: usize = 16;
const MAX_NAME_BYTES: usize = 64;
const MAX_VALUE_BYTES: usize = 256;

/// A reason on at most 1,024 bytes, without control characters: it may quote what a caller sent.
pub(super) fn reason(text: &str) -> String {
    let text = plain(text, MAX_REASON_BYTES);
    if text.trim().is_empty() { "it gave no reason".to_owned() } else { text }
}

/// The first 16 labels, each cut to what a label may hold.
pub(super) fn labels(labels: Vec<Label>) -> Vec<(String, String)> {
    let cut = |label: Label| (plain(&label.name, MAX_NAME_BYTES), plain(&label.value, MAX_VALUE_BYTES));
    labels.into_iter().take(MAX_LABELS).map(cut).collect()
}

fn plain(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    let kept = text.get(..end).unwrap_or_default();
    kept.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_letters_and_hold_no_escape_codes() {
        assert_eq!(reason("the window\nis \u{1b}[31mclosed"), "the window is  [31mclosed");
        assert_eq!(reason(&"x".repeat(5000)).len(), 1024);
        assert_eq!(reason(&format!("x{}", "ä".repeat(2000))).len(), 1023);
        assert_eq!(reason(" \n"), "it gave no reason");
        let label = || Label { name: "n".repeat(100), value: "ü".repeat(200) };
        let cut = labels((0..40).map(|_| label()).collect());
        assert_eq!((cut.len(), cut[0].0.len(), cut[0].1.len()), (16, 64, 256));
    }
}
