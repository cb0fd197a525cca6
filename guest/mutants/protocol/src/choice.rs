//! Which mutant a component is: a word at a place in its bytes that can be found and written over; or a request's
//! header, which no server passes on, for who tries all of them and will not compile a component for each.

use crate::Mutant;

/// What stands before the word. The word itself is filled up with dots.
const MARK: &[u8; 19] = b"tofu-state mutant: ";
const WORD_BYTES: usize = 45;

/// The component of a mutant, made of the one that holds them all; none if it does not.
#[must_use]
pub fn component(all: &[u8], mutant: Mutant) -> Option<Vec<u8>> {
    let mut places = all.windows(MARK.len()).enumerate().filter(|(_, bytes)| bytes == MARK).map(|(at, _)| at);
    let begin = places.next()?.checked_add(MARK.len())?;
    if places.next().is_some() {
        return None;
    }
    let mut made = all.to_vec();
    let word = mutant.name().bytes().chain(std::iter::repeat(b'.'));
    made.get_mut(begin..begin.checked_add(WORD_BYTES)?)?.iter_mut().zip(word).for_each(|(place, byte)| *place = byte);
    Some(made)
}

/// The mutant that this component is for a request with this header ([`HEADER`](crate::HEADER)); none: it is the real
/// protocol still.
#[cfg(target_arch = "wasm32")]
pub(crate) fn chosen(header: Option<&str>) -> Option<Mutant> {
    let named = |word: &[u8]| Mutant::ALL.iter().copied().find(|mutant| mutant.name().as_bytes() == word);
    if let Some(word) = header {
        return named(word.as_bytes());
    }
    #[used]
    static CHOICE: [u8; MARK.len() + WORD_BYTES] = *b"tofu-state mutant: .............................................";
    // Whatever stands there when this runs, and not when it was compiled.
    let choice = std::hint::black_box(&CHOICE);
    let word = choice.get(MARK.len()..)?.split(|byte| *byte == b'.').next()?;
    named(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_written_over_and_nothing_else() {
        let all = [b"before".as_slice(), MARK, &[b'.'; WORD_BYTES], b"after"].concat();
        let made = component(&all, Mutant::BreakWithoutFence).unwrap();
        assert_eq!(made.len(), all.len());
        let text = String::from_utf8(made).unwrap();
        assert!(text.starts_with("beforetofu-state mutant: break-without-fence....") && text.ends_with(".after"));
        assert_eq!(component(b"another component", Mutant::BreakWithoutFence), None);
        assert_eq!(component(&all.repeat(2), Mutant::BreakWithoutFence), None, "which of the two?");
    }

    #[test]
    fn every_name_fits_and_is_its_own() {
        for (at, mutant) in Mutant::ALL.iter().enumerate() {
            assert!(mutant.name().len() < WORD_BYTES && !mutant.name().contains('.'), "{}", mutant.name());
            assert!(Mutant::ALL.iter().skip(at + 1).all(|other| other.name() != mutant.name()), "{}", mutant.name());
        }
    }
}
