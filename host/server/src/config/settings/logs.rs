//! The settings of logs, the audit, recordings and metrics.

use super::Setting;

/// The heading in the help.
const LOGS: &str = "Logs, audit, metrics";

/// How log lines look.
pub const LOG_FORMAT: Setting = Setting {
    name: "LOG_FORMAT",
    value: "text|json",
    default: None,
    secret: false,
    heading: LOGS,
    help: "How log lines look. Without it: text on a terminal, else JSON.",
};

/// Which log lines are written.
pub const RUST_LOG: Setting = Setting {
    name: "RUST_LOG",
    value: "FILTER",
    default: Some("info"),
    secret: false,
    heading: LOGS,
    help: "Which log lines are written: a level (error, warn, info, debug, trace), or levels for modules.",
};

/// Where audit records go.
pub const AUDIT_LOG: Setting = Setting {
    name: "AUDIT_LOG",
    value: "FILE|stdout|off",
    default: Some("off"),
    secret: false,
    heading: LOGS,
    help: "Where a record of every change and denial goes: a file, `stdout`, or `off`: nowhere. Of unknown callers' denials there is a bound.",
};

/// When the audit's file is rotated.
pub const AUDIT_MAX_BYTES: Setting = Setting {
    name: "AUDIT_MAX_BYTES",
    value: "SIZE",
    default: Some("64MiB"),
    secret: false,
    heading: LOGS,
    help: "The size at which the audit's file is rotated: `<file>` becomes `<file>.1`, and so on.",
};

/// How many rotated files are kept.
pub const AUDIT_KEEP_FILES: Setting = Setting {
    name: "AUDIT_KEEP_FILES",
    value: "NUMBER",
    default: Some("10"),
    secret: false,
    heading: LOGS,
    help: "How many rotated audit files are kept; the oldest are removed.",
};

/// Where requests are recorded.
pub const RECORD: Setting = Setting {
    name: "RECORD",
    value: "DIR",
    default: None,
    secret: false,
    heading: LOGS,
    help: "Record every request into this folder, to be replayed by `tofu-state sandbox replay`: its calls of the store \
           and its reply, with every text of a state but its header replaced. At most 256 MiB; the oldest are removed.",
};

/// Whether groups are labels of metrics.
pub const METRICS_GROUPS: Setting = Setting {
    name: "METRICS_GROUPS",
    value: "true|false",
    default: Some("false"),
    secret: false,
    heading: LOGS,
    help: "Whether metrics tell requests and held locks by group, the first segment of states' paths, for up to 200 groups. \
           Without it no metric names a path.",
};
