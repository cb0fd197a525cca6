//! What a recording says in place of what must not be told: every text is replaced by a keyed hash of equal length,
//! the same one wherever it comes again.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What hashes are made of: any reader of JSON, headers and paths takes them.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789xy";

/// Names of fields of a state (version 4, and encrypted ones) and of a LockInfo. Others are somebody's own words.
const FIELDS: &[&str] = &[
    "version",
    "terraform_version",
    "serial",
    "lineage",
    "outputs",
    "resources",
    "check_results",
    "value",
    "type",
    "sensitive",
    "module",
    "mode",
    "name",
    "each",
    "provider",
    "instances",
    "index_key",
    "status",
    "deposed",
    "schema_version",
    "attributes",
    "attributes_flat",
    "sensitive_attributes",
    "identity",
    "identity_schema_version",
    "private",
    "dependencies",
    "create_before_destroy",
    "object_kind",
    "config_addr",
    "objects",
    "object_addr",
    "failure_messages",
    "encrypted_data",
    "encryption_version",
    "meta",
    "ID",
    "Operation",
    "Info",
    "Who",
    "Version",
    "Created",
    "Path",
];

/// Fields at the top of a state that are told: its header.
const STATE_HEADER: &[&str] = &["version", "terraform_version", "serial", "lineage", "encryption_version"];

/// Fields of a LockInfo that are told: what the protocol and policies look at.
const LOCK_HEADER: &[&str] = &["ID", "Operation", "Version", "Created"];

/// Replaces texts. Whoever has not its key cannot find out what stood there by trying.
pub(crate) struct Secrecy(Hmac<Sha256>);

impl Secrecy {
    /// With a key that nobody keeps.
    pub(crate) fn new(key: &[u8; 64]) -> Self {
        Self(Hmac::new(key.into()))
    }

    /// What stands in the place of `text`, with `length` letters.
    fn hashed(&self, text: &[u8], length: usize) -> Vec<u8> {
        let mut made = Vec::with_capacity(length);
        let mut round = 0_u64;
        while made.len() < length {
            let mut hasher = self.0.clone();
            hasher.update(&round.to_be_bytes());
            hasher.update(text);
            let letter = |byte: u8| LETTERS.get(usize::from(byte & 63)).copied().unwrap_or(b'x');
            made.extend(hasher.finalize().into_bytes().into_iter().map(letter).take(length - made.len()));
            round += 1;
        }
        made
    }

    /// What stands in the place of `text`.
    pub(crate) fn text(&self, text: &str) -> String {
        String::from_utf8(self.hashed(text.as_bytes(), text.len())).unwrap_or_default()
    }

    /// A state, or whatever was sent as one, with its shape and header.
    pub(crate) fn state(&self, bytes: &[u8]) -> Vec<u8> {
        self.json(bytes, STATE_HEADER)
    }

    /// A LockInfo.
    pub(crate) fn lock_info(&self, bytes: &[u8]) -> Vec<u8> {
        self.json(bytes, LOCK_HEADER)
    }

    /// JSON of equal length, in which strings, numbers and names that are not known fields are replaced, but for
    /// those of the fields in `told` at its top. It need not be whole, or JSON at all.
    fn json(&self, bytes: &[u8], told: &[&str]) -> Vec<u8> {
        let mut walk =
            Walk { secrecy: self, told, made: Vec::with_capacity(bytes.len()), open: Vec::new(), field: None };
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            rest = match first {
                b'"' => walk.string(after),
                b'-' | b'0'..=b'9' => walk.number(rest),
                b'{' | b'[' | b'}' | b']' | b',' | b':' => walk.structure(*first, after),
                _ if first.is_ascii_whitespace() => walk.plain(*first, after),
                _ => walk.word(rest),
            };
        }
        walk.made
    }
}

struct Walk<'a> {
    secrecy: &'a Secrecy,
    told: &'a [&'a str],
    made: Vec<u8>,
    /// Objects and lists that are open; of an object, whether its next string is a name.
    open: Vec<Option<bool>>,
    /// The field at the top whose value comes next.
    field: Option<String>,
}

impl Walk<'_> {
    fn plain<'b>(&mut self, byte: u8, after: &'b [u8]) -> &'b [u8] {
        self.made.push(byte);
        after
    }

    fn structure<'b>(&mut self, byte: u8, after: &'b [u8]) -> &'b [u8] {
        if byte != b':' {
            self.field = None;
        }
        match byte {
            b'{' => self.open.push(Some(true)),
            b'[' => self.open.push(None),
            b'}' | b']' => drop(self.open.pop()),
            b',' => self.expects_name(true),
            _ => self.expects_name(false),
        }
        self.plain(byte, after)
    }

    fn expects_name(&mut self, name: bool) {
        if let Some(Some(expects)) = self.open.last_mut() {
            *expects = name;
        }
    }

    /// Whether a value that comes now is one that is told. Another behind it is not the field's.
    fn is_told(&mut self) -> bool {
        let field = self.field.take();
        self.open.len() == 1 && field.is_some_and(|field| self.told.contains(&field.as_str()))
    }

    /// A string, from behind its opening quote.
    fn string<'b>(&mut self, after: &'b [u8]) -> &'b [u8] {
        let mut end = 0;
        while let Some(byte) = after.get(end) {
            match byte {
                b'"' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        let (text, rest) = after.split_at(end.min(after.len()));
        let is_name = self.open.last() == Some(&Some(true));
        let is_kept = if is_name {
            let name = std::str::from_utf8(text).ok().filter(|name| FIELDS.contains(name));
            if self.open.len() == 1 {
                self.field = name.map(str::to_owned);
            }
            name.is_some()
        } else {
            self.is_told()
        };
        self.made.push(b'"');
        if is_kept {
            self.made.extend_from_slice(text);
        } else {
            self.made.extend(self.secrecy.hashed(&decoded(text), text.len()));
        }
        match rest.split_first() {
            Some((quote, rest)) => self.plain(*quote, rest),
            None => rest,
        }
    }

    /// A number: its digits are replaced, so that it stays a number of that length.
    fn number<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let end = bytes.iter().position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'0'..=b'9' | b'e' | b'E'));
        let (number, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if self.is_told() {
            self.made.extend_from_slice(number);
            return rest;
        }
        let mut is_exponent = false;
        for (digit, hash) in number.iter().zip(self.secrecy.hashed(number, number.len())) {
            is_exponent |= matches!(digit, b'e' | b'E');
            // Not zero, which may not stand everywhere; and an exponent that grows may be too large.
            let replaced =
                if digit.is_ascii_digit() && *digit != b'0' && !is_exponent { b'1' + hash % 9 } else { *digit };
            self.made.push(replaced);
        }
        rest
    }

    /// `true`, `false`, `null`; or what has no place in JSON.
    fn word<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        self.field = None;
        let ends =
            |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b',' | b':') || byte.is_ascii_whitespace();
        let end = bytes.iter().position(ends).unwrap_or(bytes.len());
        let (word, rest) = bytes.split_at(end);
        if matches!(word, b"true" | b"false" | b"null") {
            self.made.extend_from_slice(word);
        } else {
            self.made.extend(self.secrecy.hashed(word, word.len()));
        }
        rest
    }
}

/// What a string of JSON says, so that it has the same hash wherever it stands. One with escapes is longer in JSON than
/// elsewhere, and so is its hash: the shorter one begins the longer.
fn decoded(text: &[u8]) -> Vec<u8> {
    let quoted = [b"\"", text, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).map_or_else(|_| text.to_vec(), String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrecy() -> Secrecy {
        Secrecy::new(&[7; 64])
    }

    fn json(bytes: &[u8]) -> serde_json::Value {
        serde_json::from_slice(bytes).unwrap()
    }

    const STATE: &str = r#"{
  "version": 4, "terraform_version": "1.12.6", "serial": 17, "lineage": "3f1c0a2e",
  "outputs": {"db_password": {"value": "hunter2 \"quoted\" \u00e4", "type": "string", "sensitive": true}},
  "resources": [{"mode": "managed", "type": "aws_db", "name": "main", "instances": [
    {"schema_version": 0, "attributes": {"pin": 4711, "ratio": -1.50e10, "tags": {"owner": "ann"}, "none": null}}]}]
}"#;

    #[test]
    fn a_state_keeps_shape_header_and_length_and_nothing_else() {
        let made = secrecy().state(STATE.as_bytes());
        assert_eq!(made.len(), STATE.len());
        let value = json(&made);
        assert_eq!(value["version"], 4);
        assert_eq!(value["terraform_version"], "1.12.6");
        assert_eq!((&value["serial"], &value["lineage"]), (&17.into(), &"3f1c0a2e".into()));
        let instance = &value["resources"][0]["instances"][0];
        assert_eq!(instance["schema_version"], 0);
        assert_eq!(instance["attributes"].as_object().unwrap().len(), 4);
        assert!(value["resources"][0]["mode"].is_string());
        let text = String::from_utf8(made).unwrap();
        for secret in ["hunter2", "quoted", "4711", "1.50", "ann", "owner", "db_password", "aws_db", "main", "managed"]
        {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(text.contains("true") && text.contains("null"));
    }

    #[test]
    fn the_same_text_is_the_same_hash_under_one_key_only() {
        let (one, other) = (secrecy(), Secrecy::new(&[8; 64]));
        assert_eq!(one.text("ann@host"), secrecy().text("ann@host"));
        assert_ne!(one.text("ann@host"), other.text("ann@host"));
        assert_eq!(one.text("ann@host").len(), 8);
        assert_eq!(one.text(&"x".repeat(1000)).len(), 1000);
        assert_eq!(one.text(""), "");
        let escaped = json(&one.lock_info(br#"{"Who":"DOMAIN\\ann\u0040host"}"#));
        assert!(escaped["Who"].as_str().unwrap().starts_with(&one.text("DOMAIN\\ann@host")), "{escaped}");
    }

    #[test]
    fn a_lock_info_keeps_what_policies_look_at() {
        let info = br#"{"ID":"0a1b","Operation":"OperationTypeApply","Info":"by night","Who":"ann@host","Version":"1.12.6","Created":"2026-01-01T00:00:00Z","Path":"secret/place"}"#;
        let made = json(&secrecy().lock_info(info));
        assert_eq!((&made["ID"], &made["Operation"]), (&"0a1b".into(), &"OperationTypeApply".into()));
        assert_eq!(made["Who"], secrecy().text("ann@host"));
        assert_eq!(made["Path"].as_str().unwrap().len(), "secret/place".len());
        assert_ne!(made["Path"], "secret/place");
    }

    #[test]
    fn a_header_below_the_top_is_none() {
        let made = secrecy().state(br#"{"serial":1,"outputs":{"x":{"value":{"lineage":"secret","serial":42}}}}"#);
        let text = String::from_utf8(made).unwrap();
        assert!(!text.contains("secret") && !text.contains("42"), "{text}");
    }

    #[test]
    fn what_is_no_json_is_replaced_too() {
        for text in [
            "hunter2",
            "password: hunter2",
            r#"{"serial":1,"x":"hunter2"#,
            r#"{"x":hunter2}"#,
            r#"["hunter2\"#,
            "\u{fe}hunter2",
            "truehunter2",
            r#"{"serial":1 "hunter2"}"#,
            r#"{"lineage":"x"}["hunter2"]"#,
            r#"{"lineage"}["hunter2"]"#,
            r#"{"lineage":null"hunter2"}"#,
            "nullhunter2",
            r#"{"lineage" "hunter2"}"#,
            r#"hunter2{"lineage":"x"}"#,
        ] {
            let made = secrecy().state(text.as_bytes());
            assert_eq!(made.len(), text.len(), "{text}");
            assert!(!String::from_utf8_lossy(&made).contains("hunter2"), "{text}");
        }
    }
}
