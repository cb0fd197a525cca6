//! A request's query. What is not known is refused: a misspelt `revision` must not answer with the present one.

use crate::lock_info::checked_id;
use crate::outside::Revision;
use crate::reply::Refusal;

/// The largest number that every JSON reader understands (RFC 8259, section 6).
const LARGEST: u64 = (1 << 53) - 1;

/// How many items a page has where nobody says.
const DEFAULT_LIMIT: usize = 100;

/// How many items a page may have.
const MOST: usize = 500;

/// More characters than any path has, a digest behind it included.
const LONGEST_PATH: usize = 1200;

/// The parameters of a query, each at most once.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, Refusal> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if !known.contains(&&*name) {
                let names = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let names = if names.is_empty() { "none".to_owned() } else { names };
                return Err(Refusal::InvalidRequest(format!(
                    "the query has a parameter that is not known here; there are: {names}"
                )));
            }
            if parameters.iter().any(|(own, _)| *own == name) {
                return Err(Refusal::InvalidRequest(format!("the query has `{name}` more than once")));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    /// A parameter as it was sent.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// A whole number from 1 on.
    pub(super) fn revision(&self, name: &str) -> Result<Option<Revision>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match number.and_then(|text| text.parse().ok()) {
            Some(number @ 1..=LARGEST) => Ok(Some(number)),
            _ => {
                Err(Refusal::InvalidRequest(format!("`{name}` in the query is no revision, a whole number from 1 on")))
            }
        }
    }

    /// `true` or `false`; false where it is missing.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            Some("true") => Ok(true),
            None | Some("false") => Ok(false),
            Some(_) => Err(Refusal::InvalidRequest(format!("`{name}` in the query is neither `true` nor `false`"))),
        }
    }

    /// A lock's ID.
    pub(super) fn lock_id(&self) -> Result<Option<String>, Refusal> {
        self.text("id").map(checked_id).transpose().map_err(Refusal::InvalidRequest)
    }

    /// How many items a page is to have.
    pub(super) fn limit(&self) -> Result<usize, Refusal> {
        let Some(text) = self.text("limit") else { return Ok(DEFAULT_LIMIT) };
        let number = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match number.and_then(|text| text.parse().ok()) {
            Some(number @ 1..=MOST) => Ok(number),
            _ => Err(Refusal::InvalidRequest(format!("`limit` in the query is no whole number from 1 to {MOST}"))),
        }
    }

    /// A SHA-256, which must be there.
    pub(super) fn sha256(&self) -> Result<&str, Refusal> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        self.text("sha256").filter(|text| text.len() == 64 && text.bytes().all(digit)).ok_or_else(|| {
            Refusal::InvalidRequest(
                "`sha256` in the query is not the 64 hexadecimal digits of a refused state".to_owned(),
            )
        })
    }

    /// A path, or the beginning of one, as segments.
    pub(super) fn segments(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let text = self.text(name).unwrap_or_default();
        if text.chars().count() > LONGEST_PATH {
            return Err(Refusal::InvalidRequest(format!(
                "`{name}` in the query is longer than {LONGEST_PATH} characters, as no path is"
            )));
        }
        let text = text.trim_end_matches('/');
        Ok(if text.is_empty() { Vec::new() } else { text.split('/').map(str::to_owned).collect() })
    }
}
