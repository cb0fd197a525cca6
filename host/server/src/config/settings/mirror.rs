//! The settings of the mirror of providers.

use super::Setting;

/// The heading in the help.
const MIRROR: &str = "Mirror of providers";

/// Where the mirror of providers keeps what it has.
pub const MIRROR_DIR: Setting = Setting {
    name: "MIRROR_DIR",
    value: "FOLDER",
    default: None,
    secret: false,
    heading: MIRROR,
    help: "Serve a mirror of providers at /-/mirror/ and /-/registry/, and keep what it has fetched in this folder. Without \
           it there is none.",
};

/// Which providers are mirrored.
pub const MIRROR_PROVIDERS: Setting = Setting {
    name: "MIRROR_PROVIDERS",
    value: "PATTERNS",
    default: None,
    secret: false,
    heading: MIRROR,
    help: "Which providers are mirrored: `HOST/NAMESPACE/TYPE` with commas between them, where TYPE or NAMESPACE/TYPE may be \
           `*`, such as `registry.opentofu.org/*/*`.",
};

/// Which providers are uploaded.
pub const MIRROR_UPLOADS: Setting = Setting {
    name: "MIRROR_UPLOADS",
    value: "PATTERNS",
    default: None,
    secret: false,
    heading: MIRROR,
    help: "Which providers are uploaded to the mirror, in the same form. They are never looked for anywhere else.",
};

/// How much of the disk the mirror takes.
pub const MIRROR_MAX_BYTES: Setting = Setting {
    name: "MIRROR_MAX_BYTES",
    value: "SIZE",
    default: Some("20GiB"),
    secret: false,
    heading: MIRROR,
    help: "How many bytes of packages the mirror keeps. Those that were not used for longest go first, uploaded ones never; \
           hashes stay.",
};

/// For which platforms packages are hashed.
pub const MIRROR_PLATFORMS: Setting = Setting {
    name: "MIRROR_PLATFORMS",
    value: "PLATFORMS",
    default: Some("linux_amd64,linux_arm64,darwin_amd64,darwin_arm64"),
    secret: false,
    heading: MIRROR,
    help: "For which platforms the mirror fetches and hashes a release's packages in the background, with commas between \
           them, or `all`. Others are fetched when they are asked for.",
};

/// How old a list of versions may be.
pub const MIRROR_FRESH: Setting = Setting {
    name: "MIRROR_FRESH",
    value: "DURATION",
    default: Some("5m"),
    secret: false,
    heading: MIRROR,
    help: "How long the mirror gives a list of versions before it asks the registry again.",
};

/// Where registries are, and their tokens.
pub const MIRROR_CLI_CONFIG_FILE: Setting = Setting {
    name: "MIRROR_CLI_CONFIG_FILE",
    value: "FILE",
    default: None,
    secret: false,
    heading: MIRROR,
    help: "A file in the form of the CLIs' own configuration; its `host` and `credentials` blocks say where the mirror finds \
           registries and which tokens it sends them.",
};
