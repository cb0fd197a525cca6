//! A schedule for people: who asked what, in which order, as a sequence diagram.

pub(crate) mod describe;
mod svg;
mod text;

/// A sequence diagram: lanes for clients, servers and the store, and what passes between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagram {
    /// What it shows, in a sentence.
    pub title: String,
    /// Names over the lanes, from left to right.
    pub lanes: Vec<String>,
    /// What happens, in order.
    pub rows: Vec<Row>,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// Somebody says something to somebody else; the numbers are places among the lanes.
    Message {
        /// Who says it.
        from: usize,
        /// To whom.
        to: usize,
        /// What.
        text: String,
        /// It goes wrong here.
        fault: bool,
    },
    /// Something happens to this lane.
    Note {
        /// Its place among the lanes.
        lane: usize,
        /// What.
        text: String,
        /// It goes wrong here.
        fault: bool,
    },
    /// The rule that is broken here.
    Broken(String),
}

impl Diagram {
    /// As text of a fixed width for each letter.
    #[must_use]
    pub fn text(&self) -> String {
        text::draw(self)
    }

    /// As SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::draw(self)
    }

    /// How far apart lanes have to stand so that what is written between them fits. Widths are in letters; each lane
    /// gets its middle.
    fn middles(&self, beyond: usize) -> Vec<usize> {
        let count = |text: &str| text.chars().count();
        let mut gaps = Vec::new();
        for pair in self.lanes.windows(2) {
            let [left, right] = pair else { continue };
            gaps.push((count(left) + count(right)) / 2 + 3);
        }
        // Short distances first, so that long ones get only what is still missing.
        let mut messages: Vec<(usize, usize, usize)> = self
            .rows
            .iter()
            .filter_map(|row| match row {
                Row::Message { from, to, text, .. } => Some((*(from.min(to)), *(from.max(to)), count(text) + beyond)),
                Row::Note { .. } | Row::Broken(_) => None,
            })
            .collect();
        messages.sort_by_key(|(from, to, _)| to - from);
        for (from, to, wide) in messages {
            let has: usize = gaps.get(from..to).unwrap_or_default().iter().sum();
            // What is missing is added before the last lane of a message: most end at a server or the store.
            if let Some(last) = to.checked_sub(1).and_then(|last| gaps.get_mut(last)) {
                *last += wide.saturating_sub(has);
            }
        }
        let mut at = self.lanes.first().map_or(0, |name| count(name) / 2 + 1);
        let mut middles = vec![at];
        for gap in gaps {
            at += gap;
            middles.push(at);
        }
        middles
    }
}
