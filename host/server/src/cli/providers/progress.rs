//! Bars on a terminal; nothing elsewhere.

use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tofu_state_client::table;
use tofu_state_providers::lock::Progress;

/// How far a run is, on standard error if that is a terminal.
pub(super) struct Bars {
    packages: ProgressBar,
    begun: AtomicBool,
}

const TEMPLATE: &str = "{bar:30} {pos}/{len} packages  {wide_msg}";

/// Before it is known how many packages there are.
const AT_FIRST: &str = "{spinner} {wide_msg}";

impl Bars {
    /// `quiet` shows nothing at all.
    pub(super) fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let packages = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template(AT_FIRST) {
            packages.set_style(style);
        }
        Self { packages, begun: AtomicBool::new(false) }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.packages.finish_and_clear();
    }
}

impl Progress for Bars {
    fn roots(&self, count: usize) {
        self.packages.set_message(table::count(count, "root module"));
    }

    fn packages(&self, count: usize) {
        if count > 0 {
            self.begun.store(true, Ordering::Relaxed);
            self.packages.set_length(count as u64);
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                self.packages.set_style(style);
            }
        }
    }

    fn download(&self, package: &str) {
        self.packages.set_message(package.to_owned());
    }

    fn bytes(&self, _: u64) {
        if self.begun.load(Ordering::Relaxed) {
            self.packages.tick();
        }
    }

    fn done(&self) {
        self.packages.inc(1);
    }
}
