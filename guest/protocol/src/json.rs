//! JSON values of which only a little is looked at.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A JSON value, as far as anybody here looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Glimpse {
    /// What a Go program writes for a field that was not set: `null`, `false`, 0, `[]`, `{}`.
    Zero,
    /// A string, also an empty one.
    Text(String),
    /// A whole number other than 0.
    Number(u64),
    /// Anything else.
    Other,
}

impl Glimpse {
    fn zero_if(zero: bool) -> Self {
        if zero { Self::Zero } else { Self::Other }
    }
}

impl<'de> Deserialize<'de> for Glimpse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Glimpsing)
    }
}

struct Glimpsing;

impl<'de> Visitor<'de> for Glimpsing {
    type Value = Glimpse;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Glimpse, E> {
        Ok(Glimpse::Zero)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Glimpse, E> {
        Ok(Glimpse::zero_if(!value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Glimpse, E> {
        Ok(if value == 0 { Glimpse::Zero } else { Glimpse::Number(value) })
    }

    fn visit_i64<E>(self, value: i64) -> Result<Glimpse, E> {
        Ok(Glimpse::zero_if(value == 0))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Glimpse, E> {
        Ok(Glimpse::zero_if(value == 0.0))
    }

    fn visit_str<E>(self, value: &str) -> Result<Glimpse, E> {
        Ok(Glimpse::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Glimpse, A::Error> {
        let mut zero = true;
        while items.next_element::<IgnoredAny>()?.is_some() {
            zero = false;
        }
        Ok(Glimpse::zero_if(zero))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Glimpse, A::Error> {
        let mut zero = true;
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            zero = false;
        }
        Ok(Glimpse::zero_if(zero))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_zero() {
        let glimpse = |text: &str| serde_json::from_str::<Glimpse>(text).unwrap();
        for zero in ["null", "false", "0", "-0", "0.0", "[]", "{}", "0e7"] {
            assert_eq!(glimpse(zero), Glimpse::Zero, "{zero}");
        }
        for other in ["true", "-1", "1.5", "[0]", "[[]]", r#"{"a":null}"#] {
            assert_eq!(glimpse(other), Glimpse::Other, "{other}");
        }
        assert_eq!(glimpse("7"), Glimpse::Number(7));
        assert_eq!(glimpse(r#""\u0041""#), Glimpse::Text("A".to_owned()));
        for bad in ["", "[1,]", "{", "nul", r#"{"a"}"#] {
            assert!(serde_json::from_str::<Glimpse>(bad).is_err(), "{bad}");
        }
    }
}
