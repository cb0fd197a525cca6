//! The settings that say where states lie.

use super::Setting;

/// The heading in the help.
const STORES: &str = "Store";

/// Which store holds the states.
pub const STORE: Setting = Setting {
    name: "STORE",
    value: "openbao|embedded",
    default: None,
    secret: false,
    heading: STORES,
    help: "Which store holds the states. `openbao` is implied by BAO_TOKEN or another login. There is no default: the server \
           never falls back to a disk nobody chose.",
};

/// Where OpenBao is.
pub const BAO_ADDR: Setting = Setting {
    name: "BAO_ADDR",
    value: "URL",
    default: Some("http://localhost:8200"),
    secret: false,
    heading: STORES,
    help: "Where OpenBao is.",
};

/// OpenBao's namespace.
pub const BAO_NAMESPACE: Setting = Setting {
    name: "BAO_NAMESPACE",
    value: "NAMESPACE",
    default: None,
    secret: false,
    heading: STORES,
    help: "OpenBao's namespace, if states lie in one.",
};

/// The server's own token for OpenBao.
pub const BAO_TOKEN: Setting = Setting {
    name: "BAO_TOKEN",
    value: "TOKEN",
    default: None,
    secret: true,
    heading: STORES,
    help: "The server's own token for OpenBao. It is renewed where it can be.",
};

/// AppRole's role.
pub const BAO_ROLE_ID: Setting = Setting {
    name: "BAO_ROLE_ID",
    value: "ID",
    default: None,
    secret: false,
    heading: STORES,
    help: "Log in to OpenBao by AppRole, as this role, instead of with BAO_TOKEN.",
};

/// AppRole's secret.
pub const BAO_SECRET_ID: Setting = Setting {
    name: "BAO_SECRET_ID",
    value: "ID",
    default: None,
    secret: true,
    heading: STORES,
    help: "The secret ID that belongs to BAO_ROLE_ID. Its file is read at each login.",
};

/// The role of a service account.
pub const BAO_KUBERNETES_ROLE: Setting = Setting {
    name: "BAO_KUBERNETES_ROLE",
    value: "ROLE",
    default: None,
    secret: false,
    heading: STORES,
    help: "Log in to OpenBao as a Kubernetes service account, with this role, instead of with BAO_TOKEN.",
};

/// The service account's token.
pub const BAO_KUBERNETES_TOKEN_FILE: Setting = Setting {
    name: "BAO_KUBERNETES_TOKEN_FILE",
    value: "FILE",
    default: Some("/var/run/secrets/kubernetes.io/serviceaccount/token"),
    secret: false,
    heading: STORES,
    help: "The service account's token, for BAO_KUBERNETES_ROLE. It is read at each login.",
};

/// Where the auth method is mounted.
pub const BAO_AUTH_MOUNT: Setting = Setting {
    name: "BAO_AUTH_MOUNT",
    value: "MOUNT",
    default: None,
    secret: false,
    heading: STORES,
    help: "Where the auth method to log in by is mounted below `auth/`: `approle` or `kubernetes` if nothing is said.",
};

/// The KV v2 mount.
pub const BAO_MOUNT: Setting = Setting {
    name: "BAO_MOUNT",
    value: "MOUNT",
    default: Some("states"),
    secret: false,
    heading: STORES,
    help: "The KV v2 mount that holds the states.",
};

/// A private CA.
pub const BAO_CACERT: Setting = Setting {
    name: "BAO_CACERT",
    value: "FILE",
    default: None,
    secret: false,
    heading: STORES,
    help: "Certificates (PEM) of a private CA that signed OpenBao's certificate.",
};

/// How long requests wait for a store that fails over.
pub const STORE_WAIT: Setting = Setting {
    name: "STORE_WAIT",
    value: "DURATION",
    default: Some("20s"),
    secret: false,
    heading: STORES,
    help: "How long requests, all but LOCK, wait for a store that fails over, before they are answered with 503. \
           At most 2m; 0s: not at all.",
};

/// Where the embedded store lies.
pub const DATA_DIR: Setting = Setting {
    name: "DATA_DIR",
    value: "FOLDER",
    default: Some("./tofu-state-data"),
    secret: false,
    heading: STORES,
    help: "The embedded store's folder. One server at a time may use it.",
};

/// How many revisions stay recoverable.
pub const KEEP_VERSIONS: Setting = Setting {
    name: "KEEP_VERSIONS",
    value: "NUMBER",
    default: Some("100"),
    secret: false,
    heading: STORES,
    help: "How many revisions of each state stay recoverable. A long apply writes one every 20 seconds.",
};
