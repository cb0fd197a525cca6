//! Looks at eight bytes at a time: most of a state is strings and indentation.

/// How many bytes come before the first that is meant. `word` looks at eight at a time and marks those that are
/// meant, exactly up to the first; `byte` looks at one.
pub(super) fn until(bytes: &[u8], word: impl Fn(u64) -> u64, byte: impl Fn(u8) -> bool) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, eight) in words.iter().enumerate() {
        let marks = word(u64::from_le_bytes(*eight));
        if marks != 0 {
            return at * 8 + (marks.trailing_zeros() / 8) as usize;
        }
    }
    words.len() * 8 + rest.iter().position(|one| byte(*one)).unwrap_or(rest.len())
}

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Marks (the highest bit of each byte) bytes below `limit`, which is at most 0x80: exactly up to the first.
/// <https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(eight(limit)) & !word & eight(0x80)
}

/// Marks what ends the plain part of a string.
pub(super) fn special_in(word: u64) -> u64 {
    below(word, b' ') | below(word ^ eight(b'"'), 1) | below(word ^ eight(b'\\'), 1)
}

/// Marks, all exactly, what is no white space.
pub(super) fn ink_in(word: u64) -> u64 {
    // The highest bit is set unless the byte is 0.
    let differs = |byte: u8| {
        let other = word ^ eight(byte);
        ((other & eight(0x7f)) + eight(0x7f)) | other
    };
    differs(b' ') & differs(b'\n') & differs(b'\r') & differs(b'\t') & eight(0x80)
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// What ends the plain part of a string.
pub(super) fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}
