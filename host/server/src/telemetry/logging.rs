//! Sets up the log: text for people on a terminal, else one JSON object a line, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogFormat, Logging};

/// Starts logging for the whole process.
///
/// # Errors
/// If somebody has set up logging before.
pub fn start(logging: &Logging) -> Result<(), TryInitError> {
    let terminal = std::io::stderr().is_terminal();
    let format = logging.format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    // The configuration has checked the filter.
    let filter = EnvFilter::try_new(&logging.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).finish().try_init()
        }
        // https://no-color.org
        LogFormat::Text => {
            let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            lines.with_ansi(colours).finish().try_init()
        }
    }
}
