//! OpenTelemetry's settings, by its own names.

use super::Setting;

/// The heading in the help.
const TRACES: &str = "Traces";

/// Where traces are sent.
pub const OTEL_EXPORTER_OTLP_ENDPOINT: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    value: "URL",
    default: None,
    secret: false,
    heading: TRACES,
    help: "Where traces are sent, by OTLP over gRPC, such as `http://collector:4317`. Without it nothing is traced. Each OTEL_EXPORTER_OTLP_… can be set for traces alone as OTEL_EXPORTER_OTLP_TRACES_….",
};

/// How traces are sent.
pub const OTEL_EXPORTER_OTLP_PROTOCOL: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_PROTOCOL",
    value: "grpc",
    default: Some("grpc"),
    secret: false,
    heading: TRACES,
    help: "Only `grpc` is spoken.",
};

/// Whether an endpoint without a scheme is reached without TLS.
pub const OTEL_EXPORTER_OTLP_INSECURE: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_INSECURE",
    value: "true|false",
    default: Some("false"),
    secret: false,
    heading: TRACES,
    help: "Whether an endpoint that is written without http:// or https:// is reached without TLS.",
};

/// What is sent with every call of the collector.
pub const OTEL_EXPORTER_OTLP_HEADERS: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_HEADERS",
    value: "NAME=VALUE,…",
    default: None,
    secret: true,
    heading: TRACES,
    help: "Sent with every call of the collector: `name=value` pairs, joined by commas, values percent-encoded.",
};

/// How long one call of the collector may take.
pub const OTEL_EXPORTER_OTLP_TIMEOUT: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_TIMEOUT",
    value: "MILLISECONDS",
    default: Some("10000"),
    secret: false,
    heading: TRACES,
    help: "How long one call of the collector may take.",
};

/// Whether calls of the collector are compressed.
pub const OTEL_EXPORTER_OTLP_COMPRESSION: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_COMPRESSION",
    value: "none|gzip",
    default: Some("none"),
    secret: false,
    heading: TRACES,
    help: "Whether calls of the collector are compressed.",
};

/// The collector's private CA.
pub const OTEL_EXPORTER_OTLP_CERTIFICATE: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_CERTIFICATE",
    value: "FILE",
    default: None,
    secret: false,
    heading: TRACES,
    help: "Certificates (PEM) of a private CA that signed the collector's certificate.",
};

/// The certificate that is shown to the collector.
pub const OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    value: "FILE",
    default: None,
    secret: false,
    heading: TRACES,
    help: "The certificate (PEM) that is shown to the collector.",
};

/// The key of that certificate.
pub const OTEL_EXPORTER_OTLP_CLIENT_KEY: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    value: "FILE",
    default: None,
    secret: false,
    heading: TRACES,
    help: "Its key (PEM).",
};

/// What the server calls itself in traces.
pub const OTEL_SERVICE_NAME: Setting = Setting {
    name: "OTEL_SERVICE_NAME",
    value: "NAME",
    default: None,
    secret: false,
    heading: TRACES,
    help: "What the server calls itself in traces; without it `service.name` of OTEL_RESOURCE_ATTRIBUTES, or `tofu-state`.",
};

/// What else is told of the server.
pub const OTEL_RESOURCE_ATTRIBUTES: Setting = Setting {
    name: "OTEL_RESOURCE_ATTRIBUTES",
    value: "NAME=VALUE,…",
    default: None,
    secret: false,
    heading: TRACES,
    help: "What else is told of the server, such as `deployment.environment.name=production`. service.version is always told, service.instance.id is made up at each start.",
};

/// Which traces are recorded.
pub const OTEL_TRACES_SAMPLER: Setting = Setting {
    name: "OTEL_TRACES_SAMPLER",
    value: "SAMPLER",
    default: Some("parentbased_always_on"),
    secret: false,
    heading: TRACES,
    help: "Which traces are recorded: `always_on`, `always_off`, `traceidratio`, or these with `parentbased_` before them, where whoever began a trace decides.",
};

/// The part of the traces that is recorded.
pub const OTEL_TRACES_SAMPLER_ARG: Setting = Setting {
    name: "OTEL_TRACES_SAMPLER_ARG",
    value: "NUMBER",
    default: Some("1.0"),
    secret: false,
    heading: TRACES,
    help: "The part of the traces that `traceidratio` records, from 0 to 1.",
};

/// How long spans may wait.
pub const OTEL_BSP_SCHEDULE_DELAY: Setting = Setting {
    name: "OTEL_BSP_SCHEDULE_DELAY",
    value: "MILLISECONDS",
    default: Some("5000"),
    secret: false,
    heading: TRACES,
    help: "How long spans may wait to be sent together.",
};

/// How long it is tried to send a batch.
pub const OTEL_BSP_EXPORT_TIMEOUT: Setting = Setting {
    name: "OTEL_BSP_EXPORT_TIMEOUT",
    value: "MILLISECONDS",
    default: Some("30000"),
    secret: false,
    heading: TRACES,
    help: "How long it is tried to send a batch before it is dropped.",
};

/// How many spans may wait.
pub const OTEL_BSP_MAX_QUEUE_SIZE: Setting = Setting {
    name: "OTEL_BSP_MAX_QUEUE_SIZE",
    value: "NUMBER",
    default: Some("2048"),
    secret: false,
    heading: TRACES,
    help: "How many spans may wait; what finds no room is dropped and counted.",
};

/// How many spans are sent at once.
pub const OTEL_BSP_MAX_EXPORT_BATCH_SIZE: Setting = Setting {
    name: "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    value: "NUMBER",
    default: Some("512"),
    secret: false,
    heading: TRACES,
    help: "How many spans are sent at once.",
};

/// Whether traces are sent.
pub const OTEL_TRACES_EXPORTER: Setting = Setting {
    name: "OTEL_TRACES_EXPORTER",
    value: "otlp|none",
    default: Some("otlp"),
    secret: false,
    heading: TRACES,
    help: "`none` turns traces off.",
};

/// Whether all of it is off.
pub const OTEL_SDK_DISABLED: Setting = Setting {
    name: "OTEL_SDK_DISABLED",
    value: "true|false",
    default: Some("false"),
    secret: false,
    heading: TRACES,
    help: "`true` turns traces off.",
};
