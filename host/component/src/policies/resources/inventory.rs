//! The resource instances of one state, by digest.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};

use sha2::{Digest, Sha256};
use struson::reader::{JsonReader, JsonStreamReader, ReaderSettings, ValueType};
use struson::writer::{JsonStreamWriter, JsonWriter};

const MAX_INSTANCES: usize = 100_000;
const MAX_TYPES: usize = 2_000;
const MAX_OUTPUTS: usize = 4_000;
const MAX_NAME_BYTES: usize = 256;
/// What the protocol takes at most, see `guest/protocol/src/header.rs`.
const MAX_DEPTH: u32 = 10_000;

/// Half of a SHA-256: nobody can make two that are equal.
type Half = [u8; 16];

/// One resource instance.
pub(super) struct Instance {
    pub(super) attributes: Half,
    resource_type: usize,
}

/// The resource instances of a state, and its outputs' names.
#[derive(Default)]
pub(super) struct Inventory {
    /// By their addresses.
    pub(super) instances: HashMap<Half, Instance>,
    pub(super) outputs: BTreeSet<String>,
    types: Vec<String>,
}

/// Why a state is not counted does not matter: only that it is not.
struct Beyond;

impl<E: std::error::Error> From<E> for Beyond {
    fn from(_: E) -> Self {
        Self
    }
}

/// A resource while it is read: its instances may stand before its name.
#[derive(Default)]
struct Resource {
    module: String,
    mode: String,
    resource_type: String,
    name: String,
    /// Digests of index key and attributes.
    instances: Vec<(Half, Half)>,
}

impl Inventory {
    /// Reads a state once.
    pub(super) fn of(state: &[u8]) -> Option<Self> {
        let mut inventory = Self::default();
        inventory.read(state).ok().map(|()| inventory)
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.instances.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn type_of(&self, instance: &Instance) -> &str {
        self.types.get(instance.resource_type).map_or("", String::as_str)
    }

    fn read(&mut self, state: &[u8]) -> Result<(), Beyond> {
        let settings = ReaderSettings {
            max_nesting_depth: Some(MAX_DEPTH),
            track_path: false,
            restrict_number_values: false,
            ..ReaderSettings::default()
        };
        let mut json = JsonStreamReader::new_custom(state, settings);
        let mut version = None;
        json.begin_object()?;
        while json.has_next()? {
            match json.next_name()? {
                "version" => version = Some(json.next_number::<u64>()??),
                "outputs" => self.read_outputs(&mut json)?,
                "resources" => self.read_resources(&mut json)?,
                _ => json.skip_value()?,
            }
        }
        json.end_object()?;
        if version == Some(4) { Ok(()) } else { Err(Beyond) }
    }

    fn read_resources(&mut self, json: &mut impl JsonReader) -> Result<(), Beyond> {
        if json.peek()? == ValueType::Null {
            return Ok(json.next_null()?);
        }
        json.begin_array()?;
        while json.has_next()? {
            let left = MAX_INSTANCES.saturating_sub(self.instances.len());
            let resource = Resource::read(json, left)?;
            self.take(&resource)?;
        }
        Ok(json.end_array()?)
    }

    fn read_outputs(&mut self, json: &mut impl JsonReader) -> Result<(), Beyond> {
        if json.peek()? == ValueType::Null {
            return Ok(json.next_null()?);
        }
        json.begin_object()?;
        while json.has_next()? {
            self.outputs.insert(bounded(json.next_name_owned()?)?);
            if self.outputs.len() > MAX_OUTPUTS {
                return Err(Beyond);
            }
            json.skip_value()?;
        }
        Ok(json.end_object()?)
    }

    fn take(&mut self, resource: &Resource) -> Result<(), Beyond> {
        if resource.mode == "data" || resource.instances.is_empty() {
            return Ok(());
        }
        let known = self.types.iter().rposition(|known| *known == resource.resource_type);
        let resource_type = known.unwrap_or(self.types.len());
        if known.is_none() {
            self.types.push(resource.resource_type.clone());
        }
        if self.types.len() > MAX_TYPES {
            return Err(Beyond);
        }
        for (index, attributes) in &resource.instances {
            let address = resource.address(index);
            self.instances.insert(address, Instance { attributes: *attributes, resource_type });
        }
        Ok(())
    }
}

impl Resource {
    fn read(json: &mut impl JsonReader, most: usize) -> Result<Self, Beyond> {
        let mut resource = Self::default();
        json.begin_object()?;
        while json.has_next()? {
            match json.next_name()? {
                "module" => resource.module = json.next_string()?,
                "mode" => resource.mode = bounded(json.next_string()?)?,
                "type" => resource.resource_type = bounded(json.next_string()?)?,
                "name" => resource.name = json.next_string()?,
                "instances" => resource.read_instances(json, most)?,
                _ => json.skip_value()?,
            }
        }
        json.end_object()?;
        Ok(resource)
    }

    fn read_instances(&mut self, json: &mut impl JsonReader, most: usize) -> Result<(), Beyond> {
        json.begin_array()?;
        while json.has_next()? {
            self.instances.extend(instance(json)?);
            if self.instances.len() > most {
                return Err(Beyond);
            }
        }
        Ok(json.end_array()?)
    }

    fn address(&self, index: &Half) -> Half {
        let mut hasher = Sha256::new();
        for part in [&self.module, &self.resource_type, &self.name] {
            // With its length, so that nothing moves from one part to the next unseen.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.update(index);
        half(hasher)
    }
}

/// Digests of an instance's index key and attributes; none for a deposed object.
fn instance(json: &mut impl JsonReader) -> Result<Option<(Half, Half)>, Beyond> {
    let mut deposed = false;
    let mut index = Half::default();
    let mut attributes = Half::default();
    json.begin_object()?;
    while json.has_next()? {
        match json.next_name()? {
            "index_key" => index = digest_of(json)?,
            "attributes" | "attributes_flat" => attributes = digest_of(json)?,
            "deposed" => deposed = matches!(json.peek()?, ValueType::String) && !json.next_string()?.is_empty(),
            _ => json.skip_value()?,
        }
    }
    json.end_object()?;
    Ok((!deposed).then_some((index, attributes)))
}

/// The digest of the next value, however it is spaced.
fn digest_of(json: &mut impl JsonReader) -> Result<Half, Beyond> {
    let mut writer = JsonStreamWriter::new(Hashing(Sha256::new()));
    json.transfer_to(&mut writer)?;
    Ok(half(writer.finish_document()?.0))
}

fn bounded(name: String) -> Result<String, Beyond> {
    if name.len() > MAX_NAME_BYTES { Err(Beyond) } else { Ok(name) }
}

fn half(hasher: Sha256) -> Half {
    let mut half = Half::default();
    half.iter_mut().zip(hasher.finalize()).for_each(|(half, byte)| *half = byte);
    half
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
