//! The diagram as SVG: it stands alone, and follows the reader's light or dark colours.

use std::fmt::Write;

use super::{Diagram, Row};

/// Pixels of a letter, of a row, and around everything.
const LETTER: usize = 8;
const ROW: usize = 26;
const MARGIN: usize = 24;

/// Letters of a message that are no text.
const BEYOND: usize = 5;

const STYLE: &str = "text{font:13px ui-monospace,monospace;fill:#222}.lane{stroke:#bbb}.name{font-weight:bold}\
.message{stroke:#225ea8;fill:none;marker-end:url(#head)}.fault{stroke:#c0392b;stroke-dasharray:4 3}\
.bad{fill:#c0392b}.number{fill:#999}.back{fill:#fff}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.back{fill:#1b1b1b}.lane{stroke:#555}.message{stroke:#6aa9ff}\
.fault{stroke:#ff7b6b}.bad{fill:#ff7b6b}}";

pub(super) fn draw(diagram: &Diagram) -> String {
    let middles = diagram.middles(BEYOND);
    let left = MARGIN + 4 * LETTER;
    let x = |lane: &usize| left + middles.get(*lane).copied().unwrap_or(0) * LETTER;
    let longest = diagram.rows.iter().map(|row| end(row, &middles)).max().unwrap_or(0);
    let title = diagram.title.chars().count();
    let letters = longest.max(title).max(middles.last().copied().unwrap_or(0) + 12);
    let (width, top) = (left + letters * LETTER + MARGIN, MARGIN + 2 * ROW);
    let height = top + diagram.rows.len() * ROW + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <style>{STYLE}</style>\n<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" \
         markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"context-stroke\"/></marker></defs>\n\
         <rect class=\"back\" width=\"100%\" height=\"100%\"/>\n"
    );
    // Into a string: it cannot fail.
    let _ = writeln!(svg, "<text class=\"name\" x=\"{MARGIN}\" y=\"{MARGIN}\">{}</text>", escaped(&diagram.title));
    for (lane, name) in diagram.lanes.iter().enumerate() {
        let (x, foot) = (x(&lane), height - MARGIN);
        let _ = writeln!(
            svg,
            "<text class=\"name\" text-anchor=\"middle\" x=\"{x}\" y=\"{}\">{}</text>\n\
             <line class=\"lane\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{foot}\"/>",
            top - ROW / 2,
            escaped(name),
            top - ROW / 4
        );
    }
    for (number, row) in diagram.rows.iter().enumerate() {
        let y = top + number * ROW + ROW / 2;
        let _ = writeln!(svg, "<text class=\"number\" x=\"{MARGIN}\" y=\"{}\">{}</text>", y + 4, number + 1);
        let _ = match row {
            Row::Message { from, to, text, fault } => {
                let kind = if *fault { "message fault" } else { "message" };
                let (from, to) = (x(from), x(to));
                let bad = if *fault { " class=\"bad\"" } else { "" };
                writeln!(
                    svg,
                    "<path class=\"{kind}\" d=\"M{from} {y}L{to} {y}\"/><text{bad} x=\"{}\" y=\"{}\">{}</text>",
                    from.min(to) + 2 * LETTER,
                    y - 4,
                    escaped(text)
                )
            }
            Row::Note { lane, text, fault } => {
                let bad = if *fault { " class=\"bad\"" } else { "" };
                let mark = if *fault { '✗' } else { '●' };
                writeln!(
                    svg,
                    "<text{bad} x=\"{}\" y=\"{}\">{mark} {}</text>",
                    x(lane).saturating_sub(LETTER / 2),
                    y + 4,
                    escaped(text)
                )
            }
            Row::Broken(what) => {
                writeln!(svg, "<text class=\"bad name\" x=\"{left}\" y=\"{}\">✗ {}</text>", y + 4, escaped(what))
            }
        };
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where a row ends, in letters.
fn end(row: &Row, middles: &[usize]) -> usize {
    let at = |lane: &usize| middles.get(*lane).copied().unwrap_or(0);
    match row {
        Row::Message { from, to, text, .. } => {
            at(from).max(at(to)).max(at(from).min(at(to)) + text.chars().count() + 2)
        }
        Row::Note { lane, text, .. } => at(lane) + text.chars().count() + 3,
        Row::Broken(what) => what.chars().count() + 4,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
