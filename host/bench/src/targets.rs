//! What is aimed at, and what this run reached. It is printed, never asserted.

use crate::report::Figures;
use crate::table::{Cell, Table};

/// Which side of the bound is the right one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// A count that depends on no machine.
    Exactly(f64),
}

/// One value that is aimed at.
pub(crate) struct Target {
    /// What it is, for people.
    pub(crate) what: &'static str,
    /// The figure's name in the report.
    pub(crate) figure: &'static str,
    pub(crate) bound: Bound,
    pub(crate) unit: &'static str,
}

impl Target {
    /// Whether a value reaches it.
    pub(crate) fn is_reached(&self, value: f64) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => value >= bound,
            Bound::AtMost(bound) => value <= bound,
            Bound::Exactly(bound) => value == bound,
        }
    }

    /// How far a value goes towards it: 1 and more is reached.
    pub(crate) fn reach(&self, value: f64) -> f64 {
        match self.bound {
            Bound::AtLeast(bound) => value / bound,
            // What is not worth measuring has reached it many times over.
            Bound::AtMost(bound) => bound / value.max(bound / 100.0),
            Bound::Exactly(bound) => f64::from(u8::from(value == bound)),
        }
    }

    /// A value, for people.
    pub(crate) fn shown(&self, value: f64) -> String {
        let digits = if matches!(self.bound, Bound::Exactly(_)) { 0 } else { 2 };
        format!("{value:.digits$}{}", self.unit)
    }

    /// The bound, for people.
    pub(crate) fn aim(&self) -> String {
        match self.bound {
            Bound::AtLeast(bound) => format!(">= {bound}{}", self.unit),
            Bound::AtMost(bound) => format!("<= {bound}{}", self.unit),
            Bound::Exactly(bound) => format!("{bound}{}", self.unit),
        }
    }
}

/// All of them.
pub(crate) const ALL: &[Target] = &[
    Target {
        what: "fresh instance and whole LOCK, over the native call (mean)",
        figure: "lock_over_native_us",
        bound: Bound::AtMost(20.0),
        unit: " µs",
    },
    Target {
        what: "a policy without resources adds to a write (mean of ten)",
        figure: "policy_each_us",
        bound: Bound::AtMost(20.0),
        unit: " µs",
    },
    Target {
        what: "two threads against one, dispatch",
        figure: "dispatch_two_threads",
        bound: Bound::AtLeast(1.6),
        unit: "x",
    },
    Target {
        what: "OpenBao, 20 KB, 8 clients: cycles/s against the floor",
        figure: "openbao_20_kb_8",
        bound: Bound::AtLeast(0.85),
        unit: "x",
    },
    Target {
        what: "OpenBao, 800 KB, 8 clients: against the floor writing it plain",
        figure: "openbao_800_kb_8",
        bound: Bound::AtLeast(1.5),
        unit: "x",
    },
    Target {
        what: "embedded, 20 KB, 8 clients: against three synced commits a cycle",
        figure: "embedded_20_kb_8",
        bound: Bound::AtLeast(2.0),
        unit: "x",
    },
    Target {
        what: "embedded, 64 clients: syncs for each acknowledged write",
        figure: "embedded_64_syncs",
        bound: Bound::AtMost(0.25),
        unit: "",
    },
    Target {
        what: "embedded, 64 clients: cycles/s against the memory store",
        figure: "embedded_64_against_memory",
        bound: Bound::AtLeast(0.5),
        unit: "x",
    },
    Target {
        what: "added memory while 64 clients write 1 MB states",
        figure: "writers_added_mib",
        bound: Bound::AtMost(200.0),
        unit: " MiB",
    },
    Target {
        what: "memory for one 64 MiB state in, by its size",
        figure: "large_in",
        bound: Bound::AtMost(3.0),
        unit: "x",
    },
    Target {
        what: "memory for one 64 MiB state out, by its size",
        figure: "large_out",
        bound: Bound::AtMost(3.0),
        unit: "x",
    },
    Target {
        what: "instances executed a second in the sandbox, on all processors",
        figure: "sandbox_instances",
        bound: Bound::AtLeast(20_000.0),
        unit: "/s",
    },
    Target { what: "idle memory, embedded store", figure: "idle_mib", bound: Bound::AtMost(40.0), unit: " MiB" },
    Target { what: "start to ready, embedded store", figure: "start_ms", bound: Bound::AtMost(200.0), unit: " ms" },
    Target {
        what: "providers lock, 200 root modules, nothing known",
        figure: "providers_cold_zips",
        bound: Bound::Exactly(8.0),
        unit: " zips",
    },
    Target {
        what: "providers lock, all known from an earlier run",
        figure: "providers_warm_zips",
        bound: Bound::Exactly(0.0),
        unit: " zips",
    },
    Target {
        what: "providers lock, nothing known, through our mirror",
        figure: "providers_mirrored_zips",
        bound: Bound::Exactly(0.0),
        unit: " zips",
    },
    Target {
        what: "providers lock, one platform more in 200 lock files",
        figure: "providers_more_zips",
        bound: Bound::Exactly(2.0),
        unit: " zips",
    },
    Target {
        what: "tofu providers lock in 200 root modules, by ours warm",
        figure: "tofu_over_warm",
        bound: Bound::AtLeast(50.0),
        unit: "x",
    },
    Target {
        what: "tofu providers lock in 200 root modules, by ours cold",
        figure: "tofu_over_cold",
        bound: Bound::AtLeast(10.0),
        unit: "x",
    },
    Target {
        what: "terraform providers lock in 200 root modules, by ours warm",
        figure: "terraform_over_warm",
        bound: Bound::AtLeast(50.0),
        unit: "x",
    },
    Target {
        what: "terraform providers lock in 200 root modules, by ours cold",
        figure: "terraform_over_cold",
        bound: Bound::AtLeast(10.0),
        unit: "x",
    },
    Target {
        what: "providers lock, 200 root modules, nothing to do",
        figure: "providers_nothing_ms",
        bound: Bound::AtMost(200.0),
        unit: " ms",
    },
    Target {
        what: "memory for locking a provider of 700 MB",
        figure: "provider_700_mb_peak_mb",
        bound: Bound::AtMost(100.0),
        unit: " MB",
    },
    Target {
        what: "what differs between two states of 50 MB, embedded store",
        figure: "difference_s",
        bound: Bound::AtMost(2.0),
        unit: " s",
    },
    Target {
        what: "memory that comparing two states of 50 MB adds",
        figure: "difference_added_mib",
        bound: Bound::AtMost(200.0),
        unit: " MiB",
    },
    Target {
        what: "memory of the server that compares two states of 50 MB",
        figure: "difference_peak_mib",
        bound: Bound::AtMost(200.0),
        unit: " MiB",
    },
];

/// The targets with what was reached.
pub(crate) fn table(figures: &Figures) -> Table {
    let mut table = Table::new("targets", "targets (printed, never asserted)", &["what", "target", "reached", ""]);
    for target in ALL {
        let value = figures.get(target.figure).copied();
        let verdict = match value {
            None => "not measured",
            Some(value) if target.is_reached(value) => "yes",
            Some(_) => "MISSED",
        };
        let reached = value.map_or("-".to_owned(), |value| target.shown(value));
        table.row([Cell::from(target.what), Cell::from(target.aim()), Cell::from(reached), Cell::from(verdict)]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_reach() {
        let target = |bound| Target { what: "", figure: "", bound, unit: "x" };
        assert!(target(Bound::AtLeast(2.0)).is_reached(2.0) && !target(Bound::AtLeast(2.0)).is_reached(1.9));
        assert!(target(Bound::AtMost(2.0)).is_reached(2.0) && !target(Bound::AtMost(2.0)).is_reached(2.1));
        assert_eq!(target(Bound::AtLeast(2.0)).reach(1.0), 0.5);
        assert_eq!(target(Bound::AtMost(2.0)).reach(4.0), 0.5);
        assert_eq!(target(Bound::AtMost(2.0)).reach(-1.0), 100.0);
        let none = target(Bound::Exactly(0.0));
        assert!(none.is_reached(0.0) && !none.is_reached(1.0));
        assert_eq!((none.reach(0.0), none.reach(1.0)), (1.0, 0.0));
    }

    #[test]
    fn every_target_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|target| target.figure).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
