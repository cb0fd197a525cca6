//! Questions to whoever runs a command.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

/// How questions are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// `--yes`: all of them, with yes.
    Yes,
    /// By whoever sits at the terminal; without one, with no.
    Terminal,
}

impl Answers {
    /// Asks on standard error, so that standard output holds results alone.
    pub async fn ask(self, question: &str) -> bool {
        match self {
            Self::Yes => true,
            Self::Terminal => {
                let question = question.to_owned();
                tokio::task::spawn_blocking(move || at_terminal(&question)).await.unwrap_or(false)
            }
        }
    }
}

fn at_terminal(question: &str) -> bool {
    let mut out = stderr();
    if !stdin().is_terminal() {
        let _ = writeln!(out, "{question}\nNobody is there to answer: say --yes.");
        return false;
    }
    let _ = write!(out, "{question} [y/N] ");
    let _ = out.flush();
    let mut line = String::new();
    let read = stdin().lock().read_line(&mut line);
    read.is_ok() && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
