//! Packets (RFC 9580, section 4), and the fields in them.

use super::Malformed;

/// A packet: what it is, and its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

/// Takes fields from the front of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed("a packet ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn number(&mut self, bytes: usize) -> Result<usize, Malformed> {
        let bytes = self.bytes(bytes)?;
        Ok(bytes.iter().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte)))
    }

    /// A number of any size, without leading zeros: its length in bits, and its bytes.
    pub(super) fn mpi(&mut self) -> Result<&'a [u8], Malformed> {
        let bits = self.number(2)?;
        let bytes = self.bytes(bits.div_ceil(8))?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Ok(bytes.get(zeros..).unwrap_or_default())
    }

    /// A length as new packets and subpackets write it; for subpackets, `partial` lengths do not exist.
    fn new_length(&mut self, subpacket: bool) -> Result<usize, Malformed> {
        match self.number(1)? {
            short @ 0..=191 => Ok(short),
            first if first < 224 || (subpacket && first < 255) => {
                Ok(((first - 192) << 8).saturating_add(self.number(1)?).saturating_add(192))
            }
            255 => self.number(4),
            _ => Err(Malformed("a packet comes in parts")),
        }
    }

    /// The next packet, if there is one.
    pub(super) fn packet(&mut self) -> Result<Option<Packet<'a>>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let head = self.number(1)?;
        if head & 0x80 == 0 {
            return Err(Malformed("it is no OpenPGP packet"));
        }
        let (tag, length) = if head & 0x40 != 0 {
            (head & 0x3f, self.new_length(false)?)
        } else {
            let length = match head & 3 {
                0 => self.number(1)?,
                1 => self.number(2)?,
                2 => self.number(4)?,
                _ => self.0.len(),
            };
            ((head >> 2) & 0x0f, length)
        };
        let tag = u8::try_from(tag).unwrap_or(0);
        Ok(Some(Packet { tag, body: self.bytes(length)? }))
    }

    /// The next subpacket of a signature: its type and its data, and whether it is critical.
    pub(super) fn subpacket(&mut self) -> Result<Option<(Packet<'a>, bool)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let length = self.new_length(true)?;
        let mut inner = Fields(self.bytes(length)?);
        let kind = inner.number(1)?;
        let tag = u8::try_from(kind & 0x7f).unwrap_or(0);
        Ok(Some((Packet { tag, body: inner.0 }, kind & 0x80 != 0)))
    }
}
