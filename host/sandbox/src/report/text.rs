//! The diagram as text.

use super::{Diagram, Row};

/// Letters of a message that are no text: blanks, dashes and the head of its arrow.
const BEYOND: usize = 7;

pub(super) fn draw(diagram: &Diagram) -> String {
    let middles = diagram.middles(BEYOND);
    let width = middles.last().copied().unwrap_or(0) + 1;
    let count = diagram.rows.len().to_string().len();
    let mut lines = Vec::new();
    if !diagram.title.is_empty() {
        lines.push(diagram.title.clone());
        lines.push(String::new());
    }
    let mut names = Line::empty(width);
    for (lane, middle) in diagram.lanes.iter().zip(&middles) {
        names.write(middle.saturating_sub(lane.chars().count() / 2), lane);
    }
    lines.push(format!("{:count$}  {}", "", names.text()));
    for (number, row) in diagram.rows.iter().enumerate() {
        let number = number + 1;
        let mut line = Line::empty(width);
        middles.iter().for_each(|middle| line.write(*middle, "│"));
        let at = |lane: &usize| middles.get(*lane).copied().unwrap_or(0);
        match row {
            Row::Message { from, to, text, fault } => line.arrow(at(from), at(to), text, *fault),
            Row::Note { lane, text, fault } => {
                let mark = if *fault { "✗" } else { "●" };
                line.write(at(lane), &format!("{mark} {text} "));
            }
            Row::Broken(what) => {
                lines.push(format!("{:count$}  {}", "", line.text()));
                lines.push(format!("{number:count$}  ✗ {what}"));
                continue;
            }
        }
        lines.push(format!("{number:count$}  {}", line.text()));
    }
    let mut text = lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

/// A line that is written into.
struct Line(Vec<char>);

impl Line {
    fn empty(width: usize) -> Self {
        Self(vec![' '; width])
    }

    fn write(&mut self, at: usize, text: &str) {
        for (place, letter) in text.chars().enumerate() {
            let place = at + place;
            if place >= self.0.len() {
                self.0.resize(place + 1, ' ');
            }
            if let Some(old) = self.0.get_mut(place) {
                *old = letter;
            }
        }
    }

    /// An arrow, with its text in it.
    fn arrow(&mut self, from: usize, to: usize, text: &str, fault: bool) {
        let (left, right) = (from.min(to) + 1, from.max(to));
        let dash = if fault { "╌" } else { "─" };
        let length = right.saturating_sub(left);
        self.write(left, &dash.repeat(length));
        if from < to {
            self.write(right.saturating_sub(1), "▶");
        } else {
            self.write(left, "◀");
        }
        let text = format!(" {text} ");
        let free = length.saturating_sub(text.chars().count() + 1);
        // After the head of an arrow that goes left; before that of one that goes right.
        let before = if from < to { free.min(2) } else { (free.min(2) + 1).min(free + 1) };
        self.write(left + before, &text);
    }

    fn text(&self) -> String {
        self.0.iter().collect()
    }
}
