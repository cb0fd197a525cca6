//! Tables of results, for people and as JSON.

use serde_json::{Map, Value, json};

/// One value in a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// Words.
    Text(String),
    /// A number, shown with so many digits after the point.
    Number(f64, usize),
    /// How one side compares with the other.
    Ratio(f64),
    /// There is no value.
    Nothing,
}

impl Cell {
    /// A number, if there is one.
    pub(crate) fn number(value: Option<f64>, digits: usize) -> Self {
        value.map_or(Self::Nothing, |value| Self::Number(value, digits))
    }

    /// A ratio, if there is one.
    pub(crate) fn ratio(value: Option<f64>) -> Self {
        value.map_or(Self::Nothing, Self::Ratio)
    }

    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(value, digits) => format!("{value:.digits$}"),
            Self::Ratio(value) => format!("{value:.2}x"),
            Self::Nothing => "-".to_owned(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(value, _) | Self::Ratio(value) => json!((value * 1e4).round() / 1e4),
            Self::Nothing => Value::Null,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Its name in the JSON.
    pub(crate) name: &'static str,
    /// Its heading.
    pub(crate) title: String,
    /// What its columns are called.
    pub(crate) columns: Vec<&'static str>,
    /// As many cells as there are columns in each.
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Sentences below it.
    pub(crate) notes: Vec<String>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(name: &'static str, title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { name, title: title.into(), columns: columns.to_vec(), rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Adds a sentence below it.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// As JSON: an object for each row, by the columns' names.
    pub(crate) fn to_json(&self) -> Value {
        let object = |row: &Vec<Cell>| -> Value {
            let pairs = self.columns.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), cell.to_json()));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        json!({
            "title": self.title,
            "rows": self.rows.iter().map(object).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }

    /// As a chapter of a Markdown file.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
        let columns: Vec<String> = self.columns.iter().map(|name| (*name).to_owned()).collect();
        let below: Vec<String> =
            (0..columns.len()).map(|at| if self.is_text(at) { "---" } else { "--:" }.to_owned()).collect();
        let mut text = format!("\n## {}\n\n{}{}", self.title, line(&columns), line(&below));
        for row in &self.rows {
            text.push_str(&line(&row.iter().map(|cell| cell.shown().replace('|', "\\|")).collect::<Vec<_>>()));
        }
        if !self.notes.is_empty() {
            text.push_str(&format!("\n- {}\n", self.notes.join("\n- ")));
        }
        text
    }

    /// Whether a column holds words.
    fn is_text(&self, column: usize) -> bool {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.clone().any(|cell| matches!(cell, Cell::Text(_)))
            && !cells.clone().any(|cell| matches!(cell, Cell::Number(..) | Cell::Ratio(_)))
    }

    /// For a terminal: words to the left, numbers to the right.
    pub(crate) fn shown(&self) -> String {
        let shown: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(Cell::shown).collect()).collect();
        let width = |column: usize, name: &str| {
            let cells = shown.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.max().unwrap_or(0).max(name.chars().count())
        };
        let widths: Vec<usize> = self.columns.iter().enumerate().map(|(at, name)| width(at, name)).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded = cells.zip(&widths).enumerate().map(|(at, (cell, width))| {
                if self.is_text(at) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut text = format!("\n{}\n{}\n", self.title, line(&mut self.columns.iter().copied()));
        for row in &shown {
            text.push_str(&line(&mut row.iter().map(String::as_str)));
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str(&format!("  {note}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_for_people_and_programs() {
        let mut table = Table::new("t", "Title", &["what", "µs", "ratio"]);
        table.row([Cell::from("one"), Cell::Number(1.25, 1), Cell::Ratio(2.0)]);
        table.row([Cell::from("second"), Cell::Nothing, Cell::Nothing]);
        table.note("A note.");
        assert_eq!(table.shown(), "\nTitle\nwhat     µs  ratio\none     1.2  2.00x\nsecond    -      -\n  A note.\n");
        assert_eq!(
            table.markdown(),
            "\n## Title\n\n| what | µs | ratio |\n| --- | --: | --: |\n| one | 1.2 | 2.00x |\n| second | - | - |\n\n- A note.\n"
        );
        assert_eq!(table.to_json()["rows"][0], json!({"what": "one", "µs": 1.25, "ratio": 2.0}));
        assert_eq!(table.to_json()["rows"][1]["ratio"], Value::Null);
    }
}
