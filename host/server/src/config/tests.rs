//! Every mistake at once, no secret in any, and what the defaults are.

use std::collections::HashMap;
use std::ffi::OsString;

use super::*;

fn read_with(flags: &[(&str, &str)], variables: &[(&str, &str)], options: &Options) -> Result<Config, Mistakes> {
    let flags: HashMap<_, _> = flags.iter().copied().collect();
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let flag = |name: &str| flags.get(name).map(|value| (*value).to_owned());
    let variable = |name: &str| variables.get(name).map(OsString::from);
    Config::read(&Source { flag: &flag, variable: &variable }, options)
}

fn read(variables: &[(&str, &str)]) -> Result<Config, Mistakes> {
    read_with(&[], variables, &Options::default())
}

const TOKEN: (&str, &str) = ("API_TOKEN", "a-token-that-is-long-enough");

#[test]
fn defaults_with_the_least_that_must_be_said() {
    let config = read(&[TOKEN, ("STORE", "embedded")]).unwrap();
    assert_eq!(config.listen.to_string(), ":8080");
    assert_eq!(config.admin.to_string(), "127.0.0.1:9090");
    assert!(matches!(&config.store, StoreChoice::Embedded(folder) if folder.ends_with("tofu-state-data")));
    assert_eq!(config.store_wait, Some(Duration::from_secs(20)));
    assert_eq!(config.keep_versions, 100);
    assert_eq!((config.max_state_bytes, config.max_body_memory), (64 << 20, 256 << 20));
    assert_eq!((config.protocol.path_segments, config.protocol.lock_ttl), (2, None));
    assert!(matches!(config.protocol.force_unlock, ForceUnlock::Any));
    assert_eq!(config.logging, Logging { format: None, filter: "info".to_owned() });
    assert_eq!((config.audit, config.metrics_groups), (None, false));
    assert_eq!(config.warnings.len(), 1, "plaintext beyond loopback: {:?}", config.warnings);
}

#[test]
fn all_mistakes_at_once_and_no_secret_among_them() {
    let secret = "hunter2 with a space";
    let mistakes = read(&[
        ("LISTEN_ADDR", "nowhere"),
        ("ADMIN_ADDR", "::1:9"),
        ("STORE", "disk"),
        ("STORE_WAIT", "soon"),
        ("API_TOKEN", secret),
        ("MAX_STATE_BYTES", "1"),
        ("PATH_SEGMENTS", "9"),
        ("LOCK_TTL", "5m"),
        ("FORCE_UNLOCK", "maybe"),
        ("LOG_FORMAT", "xml"),
        ("KEEP_VERSIONS", "0"),
        ("BAO_TOKEN", "a"),
        ("BAO_TOKEN_FILE", "/b"),
        ("PROTOCOL_COMPONENT", "file.wasm"),
        ("POLICY_FILE", "/no/such/policies.toml"),
        ("TLS_TERMINATED", "yes"),
        ("AUDIT_MAX_BYTES", "1"),
        ("AUDIT_KEEP_FILES", "some"),
        ("METRICS_GROUPS", "all"),
    ])
    .unwrap_err();
    let text = mistakes.to_string();
    for setting in [
        "LISTEN_ADDR",
        "ADMIN_ADDR",
        "STORE",
        "STORE_WAIT",
        "API_TOKEN",
        "MAX_STATE_BYTES",
        "PATH_SEGMENTS",
        "LOCK_TTL",
        "FORCE_UNLOCK",
        "LOG_FORMAT",
        "KEEP_VERSIONS",
        "BAO_TOKEN",
        "PROTOCOL_COMPONENT",
        "POLICY_FILE",
        "TLS_TERMINATED",
        "AUDIT_MAX_BYTES",
        "AUDIT_KEEP_FILES",
        "METRICS_GROUPS",
    ] {
        assert!(mistakes.0.iter().any(|mistake| mistake.setting == setting), "{setting} is missing in {text}");
    }
    assert_eq!(mistakes.0.len(), 18, "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn no_store_and_no_token_are_refused_with_an_explanation() {
    let text = read(&[]).unwrap_err().to_string();
    assert!(text.contains("never falls back to a disk nobody chose") && text.contains("API_TOKEN"), "{text}");
}

#[test]
fn a_token_implies_openbao() {
    let config = read(&[TOKEN, ("BAO_TOKEN", "root"), ("BAO_ADDR", "http://bao.example:8200/")]).unwrap();
    let StoreChoice::OpenBao(bao) = &config.store else { panic!("{:?}", config.store) };
    assert_eq!((bao.address.as_str(), bao.mount.as_str()), ("http://bao.example:8200", "states"));
    assert!(config.warnings.iter().any(|warning| warning.contains("BAO_ADDR")));
    assert!(!format!("{config:?}").contains("root"));
    assert!(read(&[TOKEN, ("STORE", "openbao")]).unwrap_err().to_string().contains("BAO_TOKEN"));
}

#[test]
fn sizes_that_could_not_work_are_refused() {
    let read =
        |state, memory| read(&[TOKEN, ("STORE", "embedded"), ("MAX_STATE_BYTES", state), ("MAX_BODY_MEMORY", memory)]);
    assert!(read("256MiB", "256MiB").is_ok());
    let text = read("257MiB", "1GiB").unwrap_err().to_string();
    assert!(text.contains("MAX_STATE_BYTES=\"257MiB\": too large") && text.contains("256.0 MiB"), "{text}");
    let text = read("64MiB", "63MiB").unwrap_err().to_string();
    assert!(text.contains("MAX_BODY_MEMORY") && text.contains("smaller than MAX_STATE_BYTES"), "{text}");
}

#[test]
fn empty_is_unset_and_flags_win() {
    let config = read_with(
        &[("listen-addr", "127.0.0.1:1"), ("keep-versions", "7")],
        &[TOKEN, ("STORE", "embedded"), ("LISTEN_ADDR", "bad"), ("STORE_WAIT", ""), ("KEEP_VERSIONS", "8")],
        &Options::default(),
    )
    .unwrap();
    assert_eq!((config.listen.to_string().as_str(), config.keep_versions), ("127.0.0.1:1", 7));
    assert!(config.warnings.is_empty());
}

#[test]
fn a_secret_in_a_file_loses_its_newline() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "a-token-that-is-long-enough\n").unwrap();
    let file = file.to_str().unwrap();
    let config = read(&[("API_TOKEN_FILE", file), ("STORE", "embedded")]).unwrap();
    let Callers::Configured(sources, _) = &config.callers else { panic!() };
    let secret = sources.shared.as_ref().unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&secret.value), "a-token-that-is-long-enough");
    let both = read(&[TOKEN, ("API_TOKEN_FILE", file), ("STORE", "embedded")]).unwrap_err();
    assert!(both.to_string().contains("set one of the two"));
    let missing = read(&[("API_TOKEN_FILE", "/nowhere/at/all"), ("STORE", "embedded")]).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/at/all"));
}

#[test]
fn a_token_is_made_for_this_machine_only() {
    let make = Options { make_token: true };
    let config = read_with(&[("store", "embedded")], &[], &make).unwrap();
    assert!(matches!(config.callers, Callers::Make(_)) && config.listen.is_loopback());
    assert!(read_with(&[("store", "embedded")], &[TOKEN], &make).is_err());
    assert!(read_with(&[("store", "embedded"), ("listen-addr", ":0")], &[], &make).is_err());
}

#[test]
fn where_audit_records_go() {
    let to = |target| read(&[TOKEN, ("STORE", "embedded"), ("AUDIT_LOG", target), ("AUDIT_KEEP_FILES", "3")]);
    assert_eq!(to("stdout").unwrap().audit, Some(Target::Stdout));
    let rotation = Rotation { max_bytes: 64 << 20, keep: 3 };
    assert_eq!(to("/var/log/audit").unwrap().audit, Some(Target::File("/var/log/audit".into(), rotation)));
}

/// A file that can be read, and holds neither a certificate nor a key.
const NO_PEM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

#[test]
fn traces_are_off_without_an_endpoint_and_checked_all_the_same() {
    let read = |more: &[(&str, &str)]| read(&[&[TOKEN, ("STORE", "embedded")], more].concat());
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
    let off = read(&[]).unwrap();
    assert!(off.traces.is_none() && !off.protocol.join_runs);
    let on = read(&[endpoint]).unwrap();
    assert!(on.traces.is_some() && on.protocol.join_runs);
    for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
        assert!(read(&[endpoint, off]).unwrap().traces.is_none(), "{off:?}");
    }
    for (name, value) in [
        ("OTEL_SDK_DISABLED", "yes"),
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://x"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x:4317/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", NO_PEM),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", NO_PEM),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", NO_PEM),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/nowhere/key.pem"),
        ("OTEL_RESOURCE_ATTRIBUTES", "name"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096"),
    ] {
        let mistakes = read(&[(name, value)]).unwrap_err();
        assert!(mistakes.0.iter().any(|mistake| mistake.setting == name), "{name}: {mistakes}");
    }
    for headers in ["hunter2", "a b=hunter2", "x-key=hunter2%0A"] {
        let text = read(&[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", headers)]).unwrap_err().to_string();
        assert!(text.contains("OTEL_EXPORTER_OTLP_HEADERS") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_collector_is_named_as_grpc_does_and_for_traces_alone() {
    let uri = |more: &[(&str, &str)]| {
        let config = read(&[&[TOKEN, ("STORE", "embedded"), ("LISTEN_ADDR", "127.0.0.1:1")], more].concat()).unwrap();
        (config.traces.unwrap().exporter.endpoint.uri().to_string(), config.warnings)
    };
    let endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
    assert_eq!(uri(&[(endpoint, "collector:4317")]).0, "https://collector:4317/");
    assert_eq!(
        uri(&[(endpoint, "collector:4317"), ("OTEL_EXPORTER_OTLP_INSECURE", "true")]).0,
        "http://collector:4317/"
    );
    let for_traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4317");
    let (uri_for_traces, warnings) = uri(&[(endpoint, "http://all:4318"), for_traces]);
    assert_eq!((uri_for_traces.as_str(), warnings), ("http://traces:4317/", vec![]));
    let key = ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hunter2");
    let warnings = uri(&[(endpoint, "http://all:4318"), key]).1.concat();
    assert!(
        warnings.contains("4317") && warnings.contains("clear text") && !warnings.contains("hunter2"),
        "{warnings}"
    );
}

#[test]
fn every_default_can_be_read() {
    for setting in settings::ALL.iter().filter(|setting| !setting.secret) {
        let Some(default) = setting.default else { continue };
        let read = read(&[TOKEN, ("STORE", "embedded"), (setting.name, default)]);
        assert!(read.is_ok(), "{}: {read:?}", setting.name);
    }
}
