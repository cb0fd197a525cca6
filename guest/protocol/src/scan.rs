//! Reads JSON (RFC 8259) once, piece by piece, and keeps only what it is told to.
//!
//! Every state that is written passes through here, whole, in an instance that has little memory. General readers
//! were measured to take more of a write than all the rest together: those for pieces look at each byte through
//! several layers, and the fast ones want the whole text in memory. This one knows nothing but whether the text is
//! JSON in UTF-8, as Go's `encoding/json` takes it.

mod words;

use self::words::{ink_in, is_blank, is_special, special_in, until};

/// How deep values may be nested: what Go's `encoding/json`, which the CLIs use, allows.
const MAX_DEPTH: usize = 10_000;

/// Why a text is not JSON, or not what was asked for. Tells places, never content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    /// Not JSON; what is wrong, and the offset in bytes.
    #[error("it is not JSON: {0} at byte {1}")]
    Syntax(&'static str, u64),
    /// Nested too deep, from this offset on.
    #[error("values are nested deeper than {MAX_DEPTH} levels at byte {0}")]
    Deep(u64),
    /// Not UTF-8.
    #[error("it is not JSON in UTF-8")]
    Encoding,
}

/// What kind of value begins at some place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

/// Bytes of a string or a number as they stand in the text, escapes and all, up to a limit.
#[derive(Default)]
pub(crate) struct Raw {
    bytes: Vec<u8>,
    limit: usize,
    /// There were more bytes than the limit.
    pub(crate) cut: bool,
}

impl Raw {
    /// Keeps at most so many bytes.
    pub(crate) fn up_to(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, cut: false }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.bytes.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.cut |= taken.len() < bytes.len();
        self.bytes.extend_from_slice(taken);
    }

    /// The string that these bytes write; none if they were cut, or name half a character (`\ud800`).
    pub(crate) fn string(&self) -> Option<String> {
        if self.cut {
            return None;
        }
        if !self.bytes.contains(&b'\\') {
            return String::from_utf8(self.bytes.clone()).ok();
        }
        serde_json::from_slice(&[b"\"", self.bytes.as_slice(), b"\""].concat()).ok()
    }

    /// The whole number that these bytes write.
    pub(crate) fn whole_number(&self) -> Option<u64> {
        if self.cut { None } else { std::str::from_utf8(&self.bytes).ok()?.parse().ok() }
    }
}

/// A text that comes in pieces, and a place in it.
pub(crate) struct Scanner<F> {
    /// Gives the next piece; an empty one at the end.
    fetch: F,
    piece: Vec<u8>,
    /// The place in the piece.
    at: usize,
    /// Bytes in the pieces before.
    before: u64,
    /// The beginning of a character that the last piece has cut.
    begun: Vec<u8>,
}

impl<F: FnMut() -> Vec<u8>> Scanner<F> {
    pub(crate) fn new(fetch: F) -> Self {
        Self { fetch, piece: Vec::new(), at: 0, before: 0, begun: Vec::new() }
    }

    /// The kind of the value that comes next.
    pub(crate) fn kind(&mut self) -> Result<Kind, Wrong> {
        match self.token()? {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.wrong("no value")),
        }
    }

    /// Passes over `{`, or over `,` or `}` after a member; whether a name comes next.
    pub(crate) fn next_member(&mut self, first: bool) -> Result<bool, Wrong> {
        match (self.token()?, first) {
            (Some(b'{'), true) => {
                self.at += 1;
                if self.token()? != Some(b'}') {
                    return Ok(true);
                }
            }
            (Some(b','), false) => {
                self.at += 1;
                return Ok(true);
            }
            (Some(b'}'), false) => {}
            _ => return Err(self.wrong("neither a comma nor the end of an object")),
        }
        self.at += 1;
        Ok(false)
    }

    /// Passes over a name and its colon.
    pub(crate) fn name(&mut self, raw: Option<&mut Raw>) -> Result<(), Wrong> {
        if self.token()? != Some(b'"') {
            return Err(self.wrong("no name"));
        }
        self.string(raw)?;
        if self.token()? != Some(b':') {
            return Err(self.wrong("no colon"));
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over a string whose opening quote comes next.
    pub(crate) fn string(&mut self, mut raw: Option<&mut Raw>) -> Result<(), Wrong> {
        self.at += 1;
        loop {
            let rest = self.rest()?;
            let plain = until(rest, special_in, is_special);
            if let (Some(raw), Some(kept)) = (raw.as_deref_mut(), rest.get(..plain)) {
                raw.keep(kept);
            }
            let special = rest.get(plain).copied();
            self.at += plain;
            match special {
                None => {}
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(raw.as_deref_mut())?,
                Some(_) => return Err(self.wrong("a control character in a string")),
            }
        }
    }

    fn escape(&mut self, mut raw: Option<&mut Raw>) -> Result<(), Wrong> {
        let mut keep = |byte| raw.as_deref_mut().into_iter().for_each(|raw| raw.keep(&[byte]));
        self.at += 1;
        let kind = self.byte()?;
        keep(b'\\');
        keep(kind);
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    let digit = self.byte()?;
                    if !digit.is_ascii_hexdigit() {
                        return Err(self.wrong("an escape that is none"));
                    }
                    keep(digit);
                }
                Ok(())
            }
            _ => Err(self.wrong("an escape that is none")),
        }
    }

    /// Passes over a number.
    pub(crate) fn number(&mut self, mut raw: Option<&mut Raw>) -> Result<(), Wrong> {
        let mut keep = |byte| raw.as_deref_mut().into_iter().for_each(|raw| raw.keep(&[byte]));
        if self.peek()? == Some(b'-') {
            self.at += 1;
            keep(b'-');
        }
        if self.peek()? == Some(b'0') {
            self.at += 1;
            keep(b'0');
        } else {
            self.digits(&mut keep)?;
        }
        if self.peek()? == Some(b'.') {
            self.at += 1;
            keep(b'.');
            self.digits(&mut keep)?;
        }
        if let Some(e @ (b'e' | b'E')) = self.peek()? {
            self.at += 1;
            keep(e);
            if let Some(sign @ (b'+' | b'-')) = self.peek()? {
                self.at += 1;
                keep(sign);
            }
            self.digits(&mut keep)?;
        }
        Ok(())
    }

    /// One digit at least.
    fn digits(&mut self, keep: &mut impl FnMut(u8)) -> Result<(), Wrong> {
        let mut some = false;
        while let Some(digit @ b'0'..=b'9') = self.peek()? {
            self.at += 1;
            keep(digit);
            some = true;
        }
        if some { Ok(()) } else { Err(self.wrong("no digit")) }
    }

    /// Passes over a value within the outermost one; whether there is something in it: it is neither null nor an
    /// array or object without elements.
    pub(crate) fn skip(&mut self) -> Result<bool, Wrong> {
        // What is open: an object, or else an array.
        let mut open: Vec<bool> = Vec::new();
        let mut filled = None;
        loop {
            let kind = self.kind()?;
            let mut holds = kind != Kind::Null;
            match kind {
                Kind::Object | Kind::Array => {
                    let object = kind == Kind::Object;
                    self.at += 1;
                    holds = self.token()? != Some(if object { b'}' } else { b']' });
                    if holds {
                        // The outermost value counts, too.
                        if open.len() + 2 > MAX_DEPTH {
                            return Err(Wrong::Deep(self.offset()));
                        }
                        open.push(object);
                        filled.get_or_insert(holds);
                        if object {
                            self.name(None)?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                Kind::String => self.string(None)?,
                Kind::Number => self.number(None)?,
                Kind::Boolean | Kind::Null => self.word()?,
            }
            let filled = *filled.get_or_insert(holds);
            loop {
                let Some(object) = open.last().copied() else { return Ok(filled) };
                match (self.token()?, object) {
                    (Some(b','), _) => {
                        self.at += 1;
                        if object {
                            self.name(None)?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        open.pop();
                    }
                    _ => return Err(self.wrong("neither a comma nor the end of what is open")),
                }
            }
        }
    }

    /// Passes over `true`, `false` or `null`.
    fn word(&mut self) -> Result<(), Wrong> {
        let word: &[u8] = match self.peek()? {
            Some(b't') => b"true",
            Some(b'f') => b"false",
            _ => b"null",
        };
        for letter in word {
            if self.peek()? != Some(*letter) {
                return Err(self.wrong("no value"));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Nothing but white space follows.
    pub(crate) fn end(&mut self) -> Result<(), Wrong> {
        match self.token()? {
            None => Ok(()),
            Some(_) => Err(self.wrong("something after the end")),
        }
    }

    /// Passes over white space; what comes then, not passed over.
    fn token(&mut self) -> Result<Option<u8>, Wrong> {
        loop {
            let rest = self.piece.get(self.at..).unwrap_or_default();
            self.at += match rest.first() {
                // Most tokens follow each other.
                Some(byte) if *byte > b' ' => 0,
                _ => until(rest, ink_in, |byte| !is_blank(byte)),
            };
            match self.piece.get(self.at).copied() {
                Some(byte) => return Ok(Some(byte)),
                None if self.refill()? => {}
                None => return Ok(None),
            }
        }
    }

    /// What comes next.
    fn peek(&mut self) -> Result<Option<u8>, Wrong> {
        if self.at == self.piece.len() && !self.refill()? {
            return Ok(None);
        }
        Ok(self.piece.get(self.at).copied())
    }

    /// Passes over one byte, which must be there.
    fn byte(&mut self) -> Result<u8, Wrong> {
        let byte = self.peek()?.ok_or_else(|| self.wrong("the end"))?;
        self.at += 1;
        Ok(byte)
    }

    /// What is left of the piece, or the next one: one byte at least.
    fn rest(&mut self) -> Result<&[u8], Wrong> {
        if self.peek()?.is_none() {
            return Err(self.wrong("the end"));
        }
        Ok(self.piece.get(self.at..).unwrap_or_default())
    }

    /// Gets the next piece; whether there was one.
    fn refill(&mut self) -> Result<bool, Wrong> {
        self.before += self.piece.len() as u64;
        self.at = 0;
        self.piece = (self.fetch)();
        self.decode()?;
        Ok(!self.piece.is_empty())
    }

    /// Looks whether the piece goes on in UTF-8. (Outside strings only ASCII is JSON, so that it need not be known
    /// where they are.)
    fn decode(&mut self) -> Result<(), Wrong> {
        let mut text = self.piece.as_slice();
        if text.is_empty() && !self.begun.is_empty() {
            return Err(Wrong::Encoding);
        }
        while let (Some(first), Some((next, rest))) = (self.begun.first(), text.split_first()) {
            let whole = if *first < 0xe0 { 2 } else { 3 + usize::from(*first >= 0xf0) };
            self.begun.push(*next);
            text = rest;
            if self.begun.len() == whole {
                std::str::from_utf8(&self.begun).map_err(|_| Wrong::Encoding)?;
                self.begun.clear();
            }
        }
        if let Err(error) = std::str::from_utf8(text) {
            if error.error_len().is_some() {
                return Err(Wrong::Encoding);
            }
            self.begun = text.get(error.valid_up_to()..).unwrap_or_default().to_vec();
        }
        Ok(())
    }

    fn offset(&self) -> u64 {
        self.before + self.at as u64
    }

    fn wrong(&self, what: &'static str) -> Wrong {
        Wrong::Syntax(what, self.offset())
    }
}

#[cfg(test)]
mod tests;
