//! JSON arrays and objects of which no more is taken than there can sensibly be, and an answer that does not grow
//! beyond its limit.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The most resources, instances, outputs, or members of one attribute.
pub(super) const MOST: usize = 200_000;

/// An array of at most [`MOST`] items; `null` is an empty one.
pub(super) struct Items<T>(pub(super) Vec<T>);

/// An object of at most [`MOST`] members; `null` is an empty one. Of two with the same name the last one counts.
#[derive(Default)]
pub(super) struct Members<'a>(pub(super) BTreeMap<String, &'a RawValue>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemsVisitor(PhantomData))
    }
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct ItemsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ItemsVisitor<T> {
    type Value = Items<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_unit<E>(self) -> Result<Items<T>, E> {
        Ok(Items::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Items<T>, A::Error> {
        let mut taken = Vec::new();
        while let Some(item) = items.next_element()? {
            if taken.len() == MOST {
                return Err(A::Error::custom("too many items"));
            }
            taken.push(item);
        }
        Ok(Items(taken))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MembersVisitor(PhantomData))
    }
}

struct MembersVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for MembersVisitor<'a> {
    type Value = Members<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Members<'a>, E> {
        Ok(Members::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members<'a>, A::Error> {
        let mut taken = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, &'de RawValue>()? {
            if taken.len() == MOST {
                return Err(A::Error::custom("too many members"));
            }
            taken.insert(name, value);
        }
        Ok(Members(taken))
    }
}

/// Bytes up to a limit; what does not fit is refused as a whole by whoever writes in parts.
pub(super) struct Limited {
    pub(super) bytes: Vec<u8>,
    limit: usize,
}

impl Limited {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// Appends the JSON form of `item`, after a comma if it is not the first; false, and nothing appended, if it
    /// does not fit.
    pub(super) fn push(&mut self, item: &impl serde::Serialize) -> bool {
        let before = self.bytes.len();
        let comma = if before == 0 { Ok(()) } else { self.write_all(b",") };
        let fits = comma.is_ok() && serde_json::to_writer(&mut *self, item).is_ok();
        if !fits {
            self.bytes.truncate(before);
        }
        fits
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
