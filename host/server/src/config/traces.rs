//! Where traces are sent, and which: OpenTelemetry's own variables
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>,
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).
//!
//! What concerns the exporter can also be said for traces alone, as `OTEL_EXPORTER_OTLP_TRACES_…`. Without
//! an endpoint nothing is traced, and what else is set is checked all the same.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::mistakes::Wrong;
use super::settings::{self, Setting};
use super::source::Reading;
use super::values;
use crate::telemetry::traces::exporter::{self, Batching};
use crate::telemetry::traces::sampler::Sampler;

/// What a collector is called that calls itself nothing else.
const SERVICE: &str = "tofu-state";

/// How long one call, or a batch, may be given.
const LONGEST_TIME: u32 = 600_000;

/// A request leaves about ten spans, and all of them or none: a queue too short for that holds nothing.
const SHORTEST_QUEUE: u32 = 100;

/// A connection that is silent for so long is looked after.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Where traces are sent, and which.
pub struct Traces {
    /// How they are sent.
    pub exporter: exporter::Settings,
    /// Which.
    pub sampler: Sampler,
}

impl fmt::Debug for Traces {
    /// The headers may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("endpoint", self.exporter.endpoint.uri()).finish_non_exhaustive()
    }
}

/// Reads all of it. None where traces are off, or after a mistake.
pub(super) fn traces(r: &mut Reading<'_>) -> Option<Traces> {
    let disabled = r.value(&settings::OTEL_SDK_DISABLED, |text| values::boolean(&text.to_ascii_lowercase()));
    let exporting =
        r.value(&settings::OTEL_TRACES_EXPORTER, |text| values::choice(text, &[("otlp", true), ("none", false)]));
    let _ = exporter(r, &settings::OTEL_EXPORTER_OTLP_PROTOCOL, |text| values::choice(text, &[("grpc", ())]));
    let insecure =
        exporter(r, &settings::OTEL_EXPORTER_OTLP_INSECURE, |text| values::boolean(&text.to_ascii_lowercase()));
    let target = exporter(r, &settings::OTEL_EXPORTER_OTLP_ENDPOINT, |text| target(text, insecure.unwrap_or_default()));
    let headers = headers(r);
    let gzip = exporter(r, &settings::OTEL_EXPORTER_OTLP_COMPRESSION, |text| {
        values::choice(text, &[("gzip", true), ("none", false)])
    });
    let call_time = exporter(r, &settings::OTEL_EXPORTER_OTLP_TIMEOUT, |text| values::number(text, 1, LONGEST_TIME));
    let tls = tls(r);
    let resource = resource(r);
    let sampler = sampler(r);
    let batching = batching(r);

    let target = target?;
    if disabled? || !exporting? {
        return None;
    }
    if target.port_u16() == Some(4318) {
        r.warnings.push(format!(
            "OTEL_EXPORTER_OTLP_ENDPOINT {target}: 4318 is the usual port for OTLP over HTTP, and 4317 that for gRPC, which is spoken here"
        ));
    }
    if target.scheme_str() == Some("http") && !headers.as_ref()?.is_empty() && !values::is_loopback(target.host()?) {
        r.warnings.push(format!(
            "OTEL_EXPORTER_OTLP_ENDPOINT {target} is plain HTTP to another machine: OTEL_EXPORTER_OTLP_HEADERS cross the network in clear text"
        ));
    }
    let call_time = Duration::from_millis(call_time?.into());
    let https = target.scheme_str() == Some("https");
    let mut endpoint = Endpoint::from(target)
        .timeout(call_time)
        .connect_timeout(call_time)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .user_agent(concat!("tofu-state/", env!("CARGO_PKG_VERSION")))
        .ok()?;
    if https {
        match endpoint.tls_config(tls?) {
            Ok(with_tls) => endpoint = with_tls,
            Err(error) => {
                let wrong = Wrong::new(format!("TLS cannot be set up: {error}"), "check the certificates and the key");
                r.mistake(settings::OTEL_EXPORTER_OTLP_CERTIFICATE.name, None, wrong);
                return None;
            }
        }
    }
    let exporter =
        exporter::Settings { endpoint, headers: headers?, gzip: gzip?, resource: resource?, batching: batching? };
    Some(Traces { exporter, sampler: sampler? })
}

/// The name of an exporter's setting for traces alone.
fn for_traces(setting: &Setting) -> String {
    setting.name.replacen("OTLP_", "OTLP_TRACES_", 1)
}

/// A setting of the exporter: that for traces alone, or else the general one.
fn exporter<T>(r: &mut Reading<'_>, setting: &Setting, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
    let name = for_traces(setting);
    let Some(text) = r.variable(&name) else { return r.value(setting, parse) };
    match parse(&text) {
        Ok(value) => Some(value),
        Err(wrong) => {
            r.mistake(&name, Some(text), wrong);
            None
        }
    }
}

/// A URL, or `host:port` as gRPC takes it.
fn target(text: &str, insecure: bool) -> Result<http::Uri, Wrong> {
    let text = match text {
        text if text.contains("://") => text.to_owned(),
        text if insecure => format!("http://{text}"),
        text => format!("https://{text}"),
    };
    let url = values::url(&text)?;
    let wrong = |what: &str| Wrong::new(what, "write a URL such as `http://collector.example:4317`");
    let uri = http::Uri::from_str(&url.text).map_err(|_| wrong("not a URL"))?;
    // Over HTTP, OTLP has paths.
    if uri.path() != "/" { Err(wrong("a path, which OTLP over gRPC has none of")) } else { Ok(uri) }
}

/// `name=value` pairs, joined by commas, percent-encoded.
fn pairs(text: &str) -> Result<Vec<(String, String)>, Wrong> {
    let wrong = |what: &str| Wrong::new(what, "write `name=value` pairs, joined by commas, values percent-encoded");
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(|| wrong("a pair without `=`"))?;
            let decode = |text: &str| {
                let decoded = percent_decode_str(text.trim()).decode_utf8();
                decoded.map(|text| text.into_owned()).map_err(|_| wrong("not UTF-8 once it is decoded"))
            };
            let name = decode(name)?;
            if name.is_empty() { Err(wrong("a pair without a name")) } else { Ok((name, decode(value)?)) }
        })
        .collect()
}

/// What is sent along; the values stay out of mistakes.
fn headers(r: &mut Reading<'_>) -> Option<MetadataMap> {
    let setting = &settings::OTEL_EXPORTER_OTLP_HEADERS;
    let name = for_traces(setting);
    let (name, secret) = match r.variable(&name) {
        Some(text) => (name, SecretString::from(text)),
        None => match r.secret_that_is(setting, |text| metadata(text).map(drop)) {
            Some(secret) => (setting.name.to_owned(), secret.value),
            None => return Some(MetadataMap::new()),
        },
    };
    match metadata(secret.expose_secret()) {
        Ok(headers) => Some(headers),
        Err(wrong) => {
            r.mistake(&name, None, wrong);
            None
        }
    }
}

fn metadata(text: &str) -> Result<MetadataMap, Wrong> {
    let mut headers = MetadataMap::new();
    for (name, value) in pairs(text)? {
        let wrong = |what: &str| Wrong::new(what, "write names as HTTP has them, and values of printable ASCII");
        let name = MetadataKey::<Ascii>::from_bytes(name.to_ascii_lowercase().as_bytes())
            .map_err(|_| wrong("a name that is no header's"))?;
        let mut value =
            MetadataValue::<Ascii>::try_from(value).map_err(|_| wrong("a value that no header can have"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The authorities that are trusted, and who we are.
fn tls(r: &mut Reading<'_>) -> Option<ClientTlsConfig> {
    let authorities = file(r, &settings::OTEL_EXPORTER_OTLP_CERTIFICATE, certificates)?;
    let certificate = file(r, &settings::OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, certificates)?;
    let key = file(r, &settings::OTEL_EXPORTER_OTLP_CLIENT_KEY, private_key)?;
    let config = match authorities {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    match (certificate, key) {
        (None, None) => Some(config),
        (Some(certificate), Some(key)) => Some(config.identity(Identity::from_pem(certificate, key))),
        (certificate, _) => {
            let (given, missing) =
                (&settings::OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, &settings::OTEL_EXPORTER_OTLP_CLIENT_KEY);
            let (given, missing) = if certificate.is_some() { (given, missing) } else { (missing, given) };
            let wrong = Wrong::new(format!("{} is not set", missing.name), "set both or none");
            r.mistake(given.name, None, wrong);
            None
        }
    }
}

/// A PEM file's content; `None` within if none is named. `holds` says what is wrong with it.
fn file(
    r: &mut Reading<'_>,
    setting: &Setting,
    holds: impl Fn(&[u8]) -> Result<(), &'static str>,
) -> Option<Option<Vec<u8>>> {
    let name = for_traces(setting);
    if r.variable(&name).is_none() && r.given(setting).is_none() {
        return Some(None);
    }
    exporter(r, setting, |text| {
        let wrong = |what: String| Wrong::new(what, "name a readable PEM file");
        let pem = std::fs::read(text).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        holds(&pem).map_err(|what| wrong(what.to_owned()))?;
        Ok(Some(pem))
    })
}

/// Certificates, one at least: without any, nobody would be trusted, and nothing would say so.
fn certificates(pem: &[u8]) -> Result<(), &'static str> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(found) if !found.is_empty() => Ok(()),
        Ok(_) => Err("it holds no certificate"),
        Err(_) => Err("not PEM"),
    }
}

fn private_key(pem: &[u8]) -> Result<(), &'static str> {
    PrivateKeyDer::from_pem_slice(pem).map(drop).map_err(|_| "it holds no private key that is not encrypted")
}

/// What this process is.
fn resource(r: &mut Reading<'_>) -> Option<Vec<(String, String)>> {
    let given = match r.given(&settings::OTEL_RESOURCE_ATTRIBUTES) {
        None => Vec::new(),
        Some(_) => r.value(&settings::OTEL_RESOURCE_ATTRIBUTES, pairs)?,
    };
    let name = r.given(&settings::OTEL_SERVICE_NAME).map(|given| given.text);
    let instance = uuid::Uuid::new_v4().to_string();
    let mut resource = Vec::from([("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
    // What is set is told, but for the name, which has a variable of its own; the rest is ours.
    let set = |name: &str| given.iter().any(|(set, _)| set == name);
    if !set("service.instance.id") {
        resource.push(("service.instance.id".to_owned(), instance));
    }
    match name {
        Some(name) => resource.push(("service.name".to_owned(), name)),
        None if !set("service.name") => resource.push(("service.name".to_owned(), SERVICE.to_owned())),
        None => {}
    }
    for (key, value) in given {
        if !resource.iter().any(|(set, _)| *set == key) {
            resource.push((key, value));
        }
    }
    Some(resource)
}

fn sampler(r: &mut Reading<'_>) -> Option<Sampler> {
    let part = r.value(&settings::OTEL_TRACES_SAMPLER_ARG, |text| match text.parse::<f64>() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err(Wrong::new("not a part of the traces", "write a number from 0 to 1, such as `0.25`")),
    });
    let (parent_based, all) = r.value(&settings::OTEL_TRACES_SAMPLER, |text| {
        let (on, off) = (Some(1.0), Some(0.0));
        let choices = [
            ("parentbased_always_on", (true, on)),
            ("parentbased_always_off", (true, off)),
            ("parentbased_traceidratio", (true, None)),
            ("always_on", (false, on)),
            ("always_off", (false, off)),
            ("traceidratio", (false, None)),
        ];
        values::choice(text, &choices)
    })?;
    Some(Sampler::new(parent_based, all.or(part)?))
}

fn batching(r: &mut Reading<'_>) -> Option<Batching> {
    let delay = r.value(&settings::OTEL_BSP_SCHEDULE_DELAY, |text| values::number(text, 1, LONGEST_TIME));
    let time = r.value(&settings::OTEL_BSP_EXPORT_TIMEOUT, |text| values::number(text, 1, LONGEST_TIME));
    let queue = r.value(&settings::OTEL_BSP_MAX_QUEUE_SIZE, |text| values::number(text, SHORTEST_QUEUE, 1_000_000));
    let batch = r.value(&settings::OTEL_BSP_MAX_EXPORT_BATCH_SIZE, |text| values::number(text, 1, 100_000));
    let (queue, batch) = (queue?, batch?);
    if batch > queue {
        let wrong = Wrong::new(
            format!("larger than OTEL_BSP_MAX_QUEUE_SIZE ({queue})"),
            "lower it, or raise OTEL_BSP_MAX_QUEUE_SIZE",
        );
        r.mistake(settings::OTEL_BSP_MAX_EXPORT_BATCH_SIZE.name, Some(batch.to_string()), wrong);
        return None;
    }
    let milliseconds = |number: u32| Duration::from_millis(number.into());
    Some(Batching {
        delay: milliseconds(delay?),
        queue: queue as usize,
        batch: batch as usize,
        time: milliseconds(time?),
    })
}
