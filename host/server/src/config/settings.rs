//! The settings: their names, defaults and what they mean. The command line's flags and its help are
//! made of this table, so that neither can drift from what is read.

mod logs;
mod mirror;
mod store;
mod traces;

pub use logs::*;
pub use mirror::*;
pub use store::*;
pub use traces::*;

/// One setting. It is read from a flag, or else from the environment.
#[derive(Debug)]
pub struct Setting {
    /// The name in the environment.
    pub name: &'static str,
    /// What stands in the help for the value.
    pub value: &'static str,
    /// What holds where nothing is given.
    pub default: Option<&'static str>,
    /// A secret is no flag (a command line is seen by everybody on the machine), may be read from a file
    /// named by `<name>_FILE`, and is never shown.
    pub secret: bool,
    /// The heading in the help under which it stands.
    pub heading: &'static str,
    /// What it means, with units.
    pub help: &'static str,
}

impl Setting {
    /// The flag's long name: `listen-addr` for `LISTEN_ADDR`.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }

    /// The variable that names a file with the secret.
    #[must_use]
    pub fn file_variable(&self) -> String {
        format!("{}_FILE", self.name)
    }
}

const ADDRESSES: &str = "Addresses";
const CALLERS: &str = "Callers";
const LIMITS: &str = "Limits";
const PROTOCOL: &str = "Protocol";
const MODULES: &str = "Components and policy modules";

/// Where states are served.
pub const LISTEN_ADDR: Setting = Setting {
    name: "LISTEN_ADDR",
    value: "ADDRESS",
    default: Some(":8080"),
    secret: false,
    heading: ADDRESSES,
    help: "Where states are served: `host:port`, or `:port` for all addresses. Port 0 takes a free one.",
};

/// Where the server is watched.
pub const ADMIN_ADDR: Setting = Setting {
    name: "ADMIN_ADDR",
    value: "ADDRESS",
    default: Some("127.0.0.1:9090"),
    secret: false,
    heading: ADDRESSES,
    help: "Where /livez, /readyz and /metrics are served, without authentication.",
};

/// Where the server takes commands.
pub const ADMIN_SOCKET: Setting = Setting {
    name: "ADMIN_SOCKET",
    value: "PATH",
    default: None,
    secret: false,
    heading: ADDRESSES,
    help: "A Unix socket that takes commands (`tofu-state reload`, `policy list`, `policy roll-back`) from the server's \
           own user. Without it there is none.",
};

/// The certificate to serve with.
pub const TLS_CERT_FILE: Setting = Setting {
    name: "TLS_CERT_FILE",
    value: "FILE",
    default: None,
    secret: false,
    heading: ADDRESSES,
    help: "Serve states over TLS with this certificate (PEM: the server's, then those between it and its authority). \
           It is read again when it changes.",
};

/// Its private key.
pub const TLS_KEY_FILE: Setting = Setting {
    name: "TLS_KEY_FILE",
    value: "FILE",
    default: None,
    secret: false,
    heading: ADDRESSES,
    help: "The certificate's private key (PEM, not encrypted). It is read again when it changes.",
};

/// Whether something in front of the server speaks TLS.
pub const TLS_TERMINATED: Setting = Setting {
    name: "TLS_TERMINATED",
    value: "true|false",
    default: Some("false"),
    secret: false,
    heading: ADDRESSES,
    help: "Whether a proxy in front speaks TLS; silences the warning about tokens sent in clear text.",
};

/// The token that all callers share.
pub const API_TOKEN: Setting = Setting {
    name: "API_TOKEN",
    value: "TOKEN",
    default: None,
    secret: true,
    heading: CALLERS,
    help: "A token that all callers share, with all rights. Callers send it as a Bearer token, or as the password \
           of Basic authentication with any user name.",
};

/// The file of named tokens.
pub const TOKENS_FILE: Setting = Setting {
    name: "TOKENS_FILE",
    value: "FILE",
    default: None,
    secret: false,
    heading: CALLERS,
    help: "A TOML file of named tokens with paths, rights and expiry (see `tofu-state token hash --help`). It is \
           read again when it changes.",
};

/// The largest state.
pub const MAX_STATE_BYTES: Setting = Setting {
    name: "MAX_STATE_BYTES",
    value: "SIZE",
    default: Some("64MiB"),
    secret: false,
    heading: LIMITS,
    help: "The largest state that is accepted, at most 256MiB; larger ones are answered with 413.",
};

/// Memory for bodies in flight.
pub const MAX_BODY_MEMORY: Setting = Setting {
    name: "MAX_BODY_MEMORY",
    value: "SIZE",
    default: Some("256MiB"),
    secret: false,
    heading: LIMITS,
    help: "How much memory the bodies of requests and of answers with a state may take together, at least MAX_STATE_BYTES; \
           above it requests are answered with 503.",
};

/// Another component than the one built in.
pub const PROTOCOL_COMPONENT: Setting = Setting {
    name: "PROTOCOL_COMPONENT",
    value: "PATH@sha256:HEX",
    default: None,
    secret: false,
    heading: PROTOCOL,
    help: "A protocol component to serve instead of the one built in, pinned by its digest; or \
           `oci://REGISTRY/REPOSITORY@sha256:HEX`.",
};

/// A file that names another component than the one built in.
pub const PROTOCOL_COMPONENT_FILE: Setting = Setting {
    name: "PROTOCOL_COMPONENT_FILE",
    value: "FILE",
    default: None,
    secret: false,
    heading: PROTOCOL,
    help: "A file with one line as in PROTOCOL_COMPONENT; a relative path counts from its folder. When it changes, the \
           component that it names is checked and takes over while the server serves.",
};

/// The policies.
pub const POLICY_FILE: Setting = Setting {
    name: "POLICY_FILE",
    value: "FILE",
    default: None,
    secret: false,
    heading: MODULES,
    help: "A TOML file of the policies that judge changes, in order; read again when it or one of its modules changes. \
           Without it: `lineage-guard`.",
};

/// Who signs components.
pub const MODULE_PUBLIC_KEY: Setting = Setting {
    name: "MODULE_PUBLIC_KEY",
    value: "KEY",
    default: None,
    secret: false,
    heading: MODULES,
    help: "A minisign public key (its second line). With it, no component and no policy module is used without a \
           signature by that key, in PATH.minisig or in the manifest's annotation `org.tofu-state.minisig`.",
};

/// Where components from registries are kept.
pub const MODULE_CACHE_DIR: Setting = Setting {
    name: "MODULE_CACHE_DIR",
    value: "FOLDER",
    default: Some("./tofu-state-modules"),
    secret: false,
    heading: MODULES,
    help: "Where components from registries are kept, so that a start needs no registry.",
};

/// Credentials for registries.
pub const OCI_CREDENTIALS_FILE: Setting = Setting {
    name: "OCI_CREDENTIALS_FILE",
    value: "FILE",
    default: None,
    secret: false,
    heading: MODULES,
    help: "Credentials for registries, as `docker login` writes them (config.json; credential helpers are not asked).",
};

/// A private CA of registries.
pub const OCI_CACERT: Setting = Setting {
    name: "OCI_CACERT",
    value: "FILE",
    default: None,
    secret: false,
    heading: MODULES,
    help: "Certificates (PEM) of a private CA that signed the registries' certificates. A registry on this machine is \
           asked over plain HTTP without it, any other never.",
};

/// How deep a state's path may be.
pub const PATH_SEGMENTS: Setting = Setting {
    name: "PATH_SEGMENTS",
    value: "NUMBER",
    default: Some("2"),
    secret: false,
    heading: PROTOCOL,
    help: "How many segments a state's path may have at most, 1 to 8.",
};

/// From which age a lock may be taken over.
pub const LOCK_TTL: Setting = Setting {
    name: "LOCK_TTL",
    value: "DURATION|off",
    default: Some("off"),
    secret: false,
    heading: PROTOCOL,
    help: "How long after its holder's last sign of life a lock may be taken over; at least 10m, or `off`: never.",
};

/// Which forced unlocks are allowed.
pub const FORCE_UNLOCK: Setting = Setting {
    name: "FORCE_UNLOCK",
    value: "any|id|off",
    default: Some("any"),
    secret: false,
    heading: PROTOCOL,
    help: "Which forced unlocks are allowed: `any`; only with the lock's `id` (Terraform's force-unlock sends none, \
           OpenTofu's does); or `off`.",
};

/// All settings, in the order of the help.
pub const ALL: &[&Setting] = &[
    &LISTEN_ADDR,
    &ADMIN_ADDR,
    &ADMIN_SOCKET,
    &TLS_CERT_FILE,
    &TLS_KEY_FILE,
    &TLS_TERMINATED,
    &STORE,
    &BAO_ADDR,
    &BAO_NAMESPACE,
    &BAO_TOKEN,
    &BAO_ROLE_ID,
    &BAO_SECRET_ID,
    &BAO_KUBERNETES_ROLE,
    &BAO_KUBERNETES_TOKEN_FILE,
    &BAO_AUTH_MOUNT,
    &BAO_MOUNT,
    &BAO_CACERT,
    &STORE_WAIT,
    &DATA_DIR,
    &KEEP_VERSIONS,
    &API_TOKEN,
    &TOKENS_FILE,
    &MAX_STATE_BYTES,
    &MAX_BODY_MEMORY,
    &PROTOCOL_COMPONENT,
    &PROTOCOL_COMPONENT_FILE,
    &POLICY_FILE,
    &MODULE_PUBLIC_KEY,
    &MODULE_CACHE_DIR,
    &OCI_CREDENTIALS_FILE,
    &OCI_CACERT,
    &PATH_SEGMENTS,
    &LOCK_TTL,
    &FORCE_UNLOCK,
    &LOG_FORMAT,
    &RUST_LOG,
    &AUDIT_LOG,
    &AUDIT_MAX_BYTES,
    &AUDIT_KEEP_FILES,
    &RECORD,
    &METRICS_GROUPS,
    &OTEL_EXPORTER_OTLP_ENDPOINT,
    &OTEL_EXPORTER_OTLP_PROTOCOL,
    &OTEL_EXPORTER_OTLP_INSECURE,
    &OTEL_EXPORTER_OTLP_HEADERS,
    &OTEL_EXPORTER_OTLP_TIMEOUT,
    &OTEL_EXPORTER_OTLP_COMPRESSION,
    &OTEL_EXPORTER_OTLP_CERTIFICATE,
    &OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE,
    &OTEL_EXPORTER_OTLP_CLIENT_KEY,
    &OTEL_SERVICE_NAME,
    &OTEL_RESOURCE_ATTRIBUTES,
    &OTEL_TRACES_SAMPLER,
    &OTEL_TRACES_SAMPLER_ARG,
    &OTEL_BSP_SCHEDULE_DELAY,
    &OTEL_BSP_EXPORT_TIMEOUT,
    &OTEL_BSP_MAX_QUEUE_SIZE,
    &OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
    &OTEL_TRACES_EXPORTER,
    &OTEL_SDK_DISABLED,
    &MIRROR_DIR,
    &MIRROR_PROVIDERS,
    &MIRROR_UPLOADS,
    &MIRROR_MAX_BYTES,
    &MIRROR_PLATFORMS,
    &MIRROR_FRESH,
    &MIRROR_CLI_CONFIG_FILE,
];
