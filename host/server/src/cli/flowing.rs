//! Long descriptions that are broken where the terminal ends, and not where their lines end in the source.

/// Joins the lines of each paragraph, in a command and all below it. Lines that begin with a space stay as they are.
pub(super) fn all(mut command: clap::Command) -> clap::Command {
    if let Some(about) = command.get_long_about().map(ToString::to_string) {
        command = command.long_about(text(&about));
    }
    command.mut_subcommands(all)
}

fn text(source: &str) -> String {
    let mut flowing = String::new();
    for line in source.lines() {
        let begun = !flowing.is_empty() && !flowing.ends_with('\n');
        if line.is_empty() || line.starts_with(' ') {
            flowing.push_str(if begun { "\n" } else { "" });
            flowing.push_str(line);
            flowing.push('\n');
        } else {
            flowing.push_str(if begun { " " } else { "" });
            flowing.push_str(line);
        }
    }
    flowing.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_flow_and_examples_stay() {
        assert_eq!(text("a\nb\n\nc:\n  d\n  e\n\nf\ng\n"), "a b\n\nc:\n  d\n  e\n\nf g");
    }
}
