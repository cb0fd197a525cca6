//! The chart: how far each target is reached, and how the server compares with its floors.

use crate::report::Figures;
use crate::table::{Cell, Table};
use crate::targets;

const WIDTH: f64 = 900.0;
const LABELS: f64 = 430.0;
const BAR: f64 = 14.0;
const STEP: f64 = 22.0;
/// What lies to the right of the longest bar: its number.
const NUMBERS: f64 = 120.0;

/// One bar. `1` is the line it is compared with.
struct Bar {
    label: String,
    value: f64,
    shown: String,
    good: bool,
}

/// The chart as SVG.
pub(crate) fn draw(tables: &[Table], figures: &Figures) -> String {
    let mut body = String::new();
    let mut y = 30.0;
    y = panel(&mut body, y, "Targets: how far each is reached (at the line: reached)", &of_targets(figures));
    y = panel(
        &mut body,
        y + 30.0,
        "Server against its store's floor, cycles/s (at the line: as fast)",
        &of_server(tables),
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn of_targets(figures: &Figures) -> Vec<Bar> {
    let bar = |target: &targets::Target| {
        let value = figures.get(target.figure).copied()?;
        Some(Bar {
            label: target.what.to_owned(),
            value: target.reach(value),
            shown: format!("{} ({})", target.shown(value), target.aim()),
            good: target.is_reached(value),
        })
    };
    targets::ALL.iter().filter_map(bar).collect()
}

fn of_server(tables: &[Table]) -> Vec<Bar> {
    let Some(table) = tables.iter().find(|table| table.name == "server") else { return Vec::new() };
    let at = |name: &str| table.columns.iter().position(|column| *column == name);
    let bar = |row: &Vec<Cell>| {
        let cell = |name: &str| at(name).and_then(|position| row.get(position));
        let (Some(Cell::Text(store)), Some(Cell::Text(size))) = (cell("store"), cell("state")) else { return None };
        let (Some(Cell::Number(clients, _)), Some(Cell::Ratio(ratio))) = (cell("clients"), cell("ratio")) else {
            return None;
        };
        let label = format!("{store}, {size}, {clients:.0} {}", if *clients > 1.0 { "clients" } else { "client" });
        Some(Bar { label, value: *ratio, shown: format!("{ratio:.2}x"), good: *ratio >= 1.0 })
    };
    table.rows.iter().filter_map(bar).collect()
}

/// Draws a heading and its bars from `y` on; where they end.
fn panel(body: &mut String, y: f64, title: &str, bars: &[Bar]) -> f64 {
    let longest = bars.iter().map(|bar| bar.value).fold(1.0, f64::max).min(4.0);
    let scale = (WIDTH - LABELS - NUMBERS) / longest;
    body.push_str(&format!(
        "<text x=\"10\" y=\"{y}\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
        escape(title)
    ));
    let top = y + 12.0;
    for (at, bar) in bars.iter().enumerate() {
        let y = top + STEP * crate::statistics::count(at);
        let length = bar.value.clamp(0.0, longest) * scale;
        let colour = if bar.good { "#2a7f62" } else { "#c2703d" };
        let (text_y, number_x) = (y + 11.0, LABELS + length + 6.0);
        body.push_str(&format!(
            "<text x=\"{:.0}\" y=\"{text_y:.1}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LABELS}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
             <text x=\"{number_x:.1}\" y=\"{text_y:.1}\" fill=\"#444\">{}</text>\n",
            LABELS - 8.0,
            escape(&bar.label),
            escape(&bar.shown),
        ));
    }
    let bottom = top + STEP * crate::statistics::count(bars.len());
    let line = LABELS + scale;
    body.push_str(&format!(
        "<line x1=\"{line:.1}\" y1=\"{:.1}\" x2=\"{line:.1}\" y2=\"{bottom:.1}\" stroke=\"#222\" stroke-dasharray=\"3 3\"/>\n",
        top - 4.0
    ));
    bottom + 10.0
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_drawn_for_what_there_is() {
        let mut table = Table::new("server", "", &["store", "state", "clients", "ratio"]);
        table.row([Cell::from("openbao"), Cell::from("2 KB"), Cell::Number(8.0, 0), Cell::Ratio(0.5)]);
        table.row([Cell::from("openbao"), Cell::from("16 MB"), Cell::Number(8.0, 0), Cell::Nothing]);
        let svg = draw(&[table], &Figures::from([("start_ms", 100.0)]));
        assert_eq!(svg.matches("<rect x=").count(), 2);
        assert!(svg.contains("openbao, 2 KB, 8 clients") && svg.contains("&lt;= 200 ms"));
    }
}
