//! HCL 1, the language of the CLIs' own configuration: <https://github.com/hashicorp/hcl/tree/hcl1>
//!
//! It is not the language of `.tf` files: keys may be quoted anywhere, and a key may have several parts. JSON is read
//! into the same tree, as the CLIs do.

use serde_json::Value as Json;

/// How deep objects and lists may lie in each other.
const MOST_DEEP: usize = 32;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A string, its escapes replaced.
    Text(String),
    /// A number or a truth value, as it is written.
    Word(String),
    List(Vec<Value>),
    Object(Vec<Item>),
}

/// A key with its value: `key = value`, `key { … }` or `key "label" { … }`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) keys: Vec<String>,
    pub(super) value: Value,
    pub(super) line: usize,
}

impl Value {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn object(&self) -> Option<&[Item]> {
        match self {
            Self::Object(items) => Some(items),
            _ => None,
        }
    }

    /// A list's texts; one text alone counts as a list, as in HCL 1.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        match self {
            Self::Text(text) => Some(vec![text.clone()]),
            Self::List(values) => values.iter().map(|value| value.text().map(str::to_owned)).collect(),
            _ => None,
        }
    }
}

/// Reads a whole file.
pub(super) fn parse(text: &str) -> Result<Vec<Item>, (usize, String)> {
    if text.trim_start().starts_with('{') {
        let json: Json = serde_json::from_str(text).map_err(|error| (error.line(), error.to_string()))?;
        return Ok(json.as_object().map(|object| object.iter().flat_map(from_json).collect()).unwrap_or_default());
    }
    let mut parser = Parser { rest: text, line: 1, deep: 0 };
    let items = parser.items(false)?;
    Ok(items)
}

/// Lists of objects are several items: that is how JSON writes blocks.
fn from_json((key, value): (&String, &Json)) -> Vec<Item> {
    let item = |value| Item { keys: vec![key.clone()], value, line: 1 };
    match value {
        Json::Array(values) if !values.is_empty() && values.iter().all(Json::is_object) => {
            values.iter().map(|value| item(json_value(value))).collect()
        }
        value => vec![item(json_value(value))],
    }
}

fn json_value(value: &Json) -> Value {
    match value {
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(values) => Value::List(values.iter().map(json_value).collect()),
        Json::Object(object) => Value::Object(object.iter().flat_map(from_json).collect()),
        other => Value::Word(other.to_string()),
    }
}

struct Parser<'a> {
    rest: &'a str,
    line: usize,
    deep: usize,
}

type Parsed<T> = Result<T, (usize, String)>;

impl<'a> Parser<'a> {
    fn wrong<T>(&self, what: &str) -> Parsed<T> {
        Err((self.line, what.to_owned()))
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.line = self.line.saturating_add(taken.matches('\n').count());
        self.rest = rest;
        taken
    }

    /// White space and comments.
    fn skip(&mut self) -> Parsed<()> {
        loop {
            let blank = self.rest.len().saturating_sub(self.rest.trim_start().len());
            self.take(blank);
            if self.rest.starts_with('#') || self.rest.starts_with("//") {
                let line = self.rest.find('\n').unwrap_or(self.rest.len());
                self.take(line);
            } else if self.rest.starts_with("/*") {
                match self.rest.find("*/") {
                    Some(end) => self.take(end.saturating_add(2)),
                    None => return self.wrong("a comment has no end"),
                };
            } else {
                return Ok(());
            }
        }
    }

    fn eat(&mut self, sign: char) -> bool {
        let is = self.rest.starts_with(sign);
        if is {
            self.take(sign.len_utf8());
        }
        is
    }

    fn items(&mut self, inside: bool) -> Parsed<Vec<Item>> {
        self.deep = self.deep.saturating_add(1);
        if self.deep > MOST_DEEP {
            return self.wrong("objects lie too deep in each other");
        }
        let mut items = Vec::new();
        loop {
            self.skip()?;
            if self.rest.is_empty() && !inside || inside && self.eat('}') {
                self.deep = self.deep.saturating_sub(1);
                return Ok(items);
            }
            let line = self.line;
            let mut keys = Vec::new();
            let value = loop {
                self.skip()?;
                if self.eat('=') {
                    self.skip()?;
                    break self.value()?;
                }
                if self.eat('{') {
                    break Value::Object(self.items(true)?);
                }
                let key = if self.rest.starts_with('"') { self.string()? } else { self.word() };
                if key.is_empty() {
                    return self.wrong("a name, a value or a block is wanted here");
                }
                keys.push(key);
            };
            if keys.is_empty() {
                return self.wrong("a value has no name");
            }
            items.push(Item { keys, value, line });
            self.skip()?;
            self.eat(',');
        }
    }

    fn value(&mut self) -> Parsed<Value> {
        if self.rest.starts_with('"') {
            return Ok(Value::Text(self.string()?));
        }
        if self.rest.starts_with("<<") {
            return Ok(Value::Text(self.heredoc()?));
        }
        if self.eat('{') {
            return Ok(Value::Object(self.items(true)?));
        }
        if self.eat('[') {
            self.deep = self.deep.saturating_add(1);
            if self.deep > MOST_DEEP {
                return self.wrong("lists lie too deep in each other");
            }
            let mut values = Vec::new();
            loop {
                self.skip()?;
                if self.eat(']') {
                    self.deep = self.deep.saturating_sub(1);
                    return Ok(Value::List(values));
                }
                values.push(self.value()?);
                self.skip()?;
                if !self.eat(',') && !self.rest.starts_with(']') {
                    return self.wrong("a list goes on without a comma");
                }
            }
        }
        let word = self.word();
        if word.is_empty() { self.wrong("a value is wanted here") } else { Ok(Value::Word(word)) }
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || "_-.+".contains(c))).unwrap_or(self.rest.len());
        self.take(end).to_owned()
    }

    fn string(&mut self) -> Parsed<String> {
        self.take(1);
        let mut text = String::new();
        loop {
            let Some(sign) = self.rest.chars().next() else { return self.wrong("a string has no end") };
            self.take(sign.len_utf8());
            match sign {
                '"' => return Ok(text),
                '\n' => return self.wrong("a string goes over the end of its line"),
                '\\' => {
                    let Some(escaped) = self.rest.chars().next() else { return self.wrong("a string has no end") };
                    self.take(escaped.len_utf8());
                    text.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        '"' | '\\' => escaped,
                        _ => return self.wrong("a string has an escape that is not known"),
                    });
                }
                sign => text.push(sign),
            }
        }
    }

    fn heredoc(&mut self) -> Parsed<String> {
        self.take(2);
        self.eat('-');
        let line = self.rest.find('\n').unwrap_or(self.rest.len());
        let mark = self.take(line).trim().to_owned();
        self.eat('\n');
        let mut text = String::new();
        loop {
            if mark.is_empty() || self.rest.is_empty() {
                return self.wrong("a here-document has no end");
            }
            let line = self.rest.find('\n').map_or(self.rest.len(), |end| end.saturating_add(1));
            let line = self.take(line);
            if line.trim() == mark {
                return Ok(text);
            }
            text.push_str(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_and_json_are_one_tree() {
        let native = r#"
            # A comment.
            host "a.example" { services = { "providers.v1" = "https://a/", x = 1 } }  // another
            provider_installation {
              dev_overrides { "acme/web" = "/home/x" }
              direct { exclude = ["a/b", "c/*",] /* and
                a third */ }
            }
            plugin_cache_dir = <<EOT
/cache
EOT
        "#;
        let items = parse(native).unwrap();
        let keys: Vec<_> = items.iter().map(|item| item.keys.join(" ")).collect();
        assert_eq!(keys, ["host a.example", "provider_installation", "plugin_cache_dir"]);
        assert_eq!(items[1].line, 4);
        let inner = items[1].value.object().unwrap();
        assert_eq!(inner[0].value.object().unwrap()[0].value.text(), Some("/home/x"));
        assert_eq!(inner[1].value.object().unwrap()[0].value.texts().unwrap(), ["a/b", "c/*"]);
        assert_eq!(items[2].value.text(), Some("/cache\n"));
        let json = parse(r#"{"provider_installation": [{"direct": [{}, {"include": ["a/b"]}]}], "x": true}"#).unwrap();
        assert_eq!(json[0].value.object().unwrap().len(), 2);
        assert_eq!(json[1].value, Value::Word("true".to_owned()));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, line) in [
            ("a = \"x", 1),
            ("a = 1\nb = ", 2),
            ("a {\n\n", 3),
            ("a = [1 2]", 1),
            ("\n}", 2),
            ("a = \"\\q\"", 1),
            ("/* x", 1),
            ("= 1", 1),
            ("a = <<X\ny\n", 3),
            ("{\"a\":\n]", 2),
        ] {
            let (found, _) = parse(text).unwrap_err();
            assert_eq!(found, line, "{text:?}");
        }
        assert!(parse(&"a {".repeat(100)).is_err());
        assert!(parse(&format!("a = {}", "[".repeat(100_000))).is_err());
    }
}
