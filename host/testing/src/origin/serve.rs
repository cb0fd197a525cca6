//! What the server answers.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::{ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION, RANGE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::fault::Fault;
use super::signing::Key;
use super::{Inner, OFFERED, State};

/// Bytes sent at once.
const PIECE: usize = 64 << 10;

/// How zips trickle: so many bytes, each time after a pause.
const TRICKLE: (usize, Duration) = (64, Duration::from_millis(10));

type Body = BoxBody<Bytes, io::Error>;

/// Serves until it is aborted.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, inner: Arc<Inner>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, inner) = (tls.clone(), Arc::clone(&inner));
        tokio::spawn(async move {
            match tls {
                None => connection(stream, inner).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, inner).await;
                    }
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, inner: Arc<Inner>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let inner = Arc::clone(&inner);
        async move { Ok::<_, Infallible>(answer(&inner, &request.into_parts().0).await) }
    });
    // Clients may go away when they like.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// What is to be sent once the state is free again.
enum Plan {
    Now(Response<Body>),
    Never,
    File { path: PathBuf, from: u64, cut: bool, hang: bool, trickle: bool, ranges: bool },
}

async fn answer(inner: &Inner, parts: &Parts) -> Response<Body> {
    let plan = plan(inner, &mut inner.state(), parts);
    match plan {
        Plan::Now(response) => response,
        Plan::Never => std::future::pending().await,
        Plan::File { path, from, cut, hang, trickle, ranges } => {
            let pace = if trickle { Some(TRICKLE) } else { None };
            let response = file(&path, from, (cut, hang), pace, ranges, parts.method == Method::HEAD).await;
            let length = response.headers().get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
            inner.state().counts.zip_bytes += length.unwrap_or(0);
            response
        }
    }
}

fn plan(inner: &Inner, state: &mut State, parts: &Parts) -> Plan {
    let path = parts.uri.path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        [".well-known", "terraform.json"] => {
            state.counts.discoveries += 1;
            let host = inner.url.split("://").nth(1).unwrap_or_default();
            Plan::Now(json(&json!({"providers.v1": format!("/{host}/v1/providers/")})))
        }
        [host, "v1", "providers", namespace, kind, rest @ ..] => {
            if let Some(token) = state.tokens.get(*host) {
                let sent = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
                if sent != Some(&format!("Bearer {token}")) {
                    return Plan::Now(status(StatusCode::UNAUTHORIZED));
                }
            }
            registry(inner, state, &format!("{host}/{namespace}/{kind}"), rest)
        }
        ["files", host, namespace, kind, version, name] => {
            state.counts.leaks += usize::from(parts.headers.contains_key(AUTHORIZATION));
            files(state, parts, &format!("{host}/{namespace}/{kind}"), version, name)
        }
        [OFFERED, rest @ ..] if !rest.contains(&"..") => offered(state, &rest.join("/")),
        _ => Plan::Now(status(StatusCode::NOT_FOUND)),
    }
}

/// A file of the offered folder, with the type that its name says.
fn offered(state: &State, name: &str) -> Plan {
    let path = state.offered.as_ref().map(|folder| folder.join(name)).filter(|path| path.is_file());
    match path {
        Some(path) if name.ends_with(".json") => {
            Plan::Now(whole(std::fs::read(path).expect("an offered file"), "application/json"))
        }
        Some(path) => Plan::File { path, from: 0, cut: false, hang: false, trickle: false, ranges: false },
        None => Plan::Now(status(StatusCode::NOT_FOUND)),
    }
}

/// The fault that strikes now.
fn fault(state: &mut State, provider: &str) -> Option<Fault> {
    let fault = state.faults.get_mut(provider)?;
    let now = fault.clone();
    fault.once_more().then_some(now)
}

fn registry(inner: &Inner, state: &mut State, provider: &str, rest: &[&str]) -> Plan {
    let mut listing = false;
    match rest {
        ["versions"] => {
            state.counts.versions += 1;
            listing = true;
        }
        _ => state.counts.packages += 1,
    }
    // A fault of zips must not be used up here.
    let zips_only = matches!(state.faults.get(provider), Some(Fault::Truncated(_) | Fault::TruncatedWithoutRanges(_)));
    let fault = if zips_only { None } else { fault(state, provider) };
    match fault {
        Some(Fault::Refuses(_, code)) => return Plan::Now(status(StatusCode::from_u16(code).expect("a status"))),
        Some(Fault::Hangs) if listing => return Plan::Never,
        Some(Fault::AllHangs) => return Plan::Never,
        Some(Fault::Endless) if listing => return Plan::Now(endless()),
        Some(Fault::Nonsense) => return Plan::Now(whole(b"<html>Welcome to the hotel</html>".to_vec(), "text/html")),
        _ => {}
    }
    let Some(releases) = state.providers.get(provider) else { return Plan::Now(status(StatusCode::NOT_FOUND)) };
    match rest {
        ["versions"] => {
            let version = |release: &super::Published| {
                let platform = |name: &String| {
                    let (os, arch) = name.split_once('_').expect("a platform");
                    json!({"os": os, "arch": arch})
                };
                let platforms: Vec<_> = release.packages.keys().map(platform).collect();
                json!({"version": release.version, "protocols": ["5.0"], "platforms": platforms})
            };
            let mut versions: Vec<_> = releases.iter().map(version).collect();
            if fault == Some(Fault::FalseVersions) {
                versions.push(json!({"version": "99.0.0", "protocols": ["5.0"], "platforms": []}));
                versions.push(json!({"version": "latest and greatest", "protocols": ["5.0"], "platforms": []}));
            }
            Plan::Now(json(&json!({"versions": versions, "warnings": null})))
        }
        [version, "download", os, arch] => {
            let release = releases.iter().find(|release| release.version == *version);
            let platform = format!("{os}_{arch}");
            let Some(package) = release.and_then(|release| release.packages.get(&platform)) else {
                return Plan::Now(status(StatusCode::NOT_FOUND));
            };
            let files = format!("{}/files/{provider}/{version}", inner.url);
            let keys = match fault {
                Some(Fault::NoKeys) => json!([]),
                _ => json!([{"key_id": inner.key.id, "ascii_armor": inner.key.public, "trust_signature": "",
                             "source": "", "source_url": null}]),
            };
            let sum = if fault == Some(Fault::WrongSum) { "0".repeat(64) } else { package.sha256.clone() };
            let os = if fault == Some(Fault::WrongPlatform) { "plan9" } else { os };
            Plan::Now(json(&json!({
                "protocols": ["5.0"], "os": os, "arch": arch, "filename": package.name,
                "download_url": format!("{files}/{}", package.name),
                "shasums_url": format!("{files}/SHA256SUMS"),
                "shasums_signature_url": format!("{files}/SHA256SUMS.sig"),
                "shasum": sum, "signing_keys": {"gpg_public_keys": keys},
            })))
        }
        _ => Plan::Now(status(StatusCode::NOT_FOUND)),
    }
}

fn files(state: &mut State, parts: &Parts, provider: &str, version: &str, name: &str) -> Plan {
    let zip = !name.starts_with("SHA256SUMS");
    // A fault of zips must not be used up by the small files.
    let fault =
        if zip || !matches!(state.faults.get(provider), Some(Fault::Truncated(_) | Fault::TruncatedWithoutRanges(_))) {
            fault(state, provider)
        } else {
            None
        };
    match name {
        "SHA256SUMS" => state.counts.sums += 1,
        "SHA256SUMS.sig" => state.counts.signatures += 1,
        _ => state.counts.zips += usize::from(parts.method == Method::GET),
    }
    match fault {
        Some(Fault::Refuses(_, code)) => return Plan::Now(status(StatusCode::from_u16(code).expect("a status"))),
        Some(Fault::AllHangs) => return Plan::Never,
        _ => {}
    }
    let releases = state.providers.get(provider).map(Vec::as_slice).unwrap_or_default();
    let Some(release) = releases.iter().find(|release| release.version == version) else {
        return Plan::Now(status(StatusCode::NOT_FOUND));
    };
    match name {
        "SHA256SUMS" if fault == Some(Fault::WrongSums) => Plan::Now(whole(false_sums(&release.sums), "text/plain")),
        "SHA256SUMS" => Plan::Now(whole(release.sums.clone(), "text/plain")),
        "SHA256SUMS.sig" => Plan::Now(match fault {
            Some(Fault::WrongSignature) => whole(Key::new().sign(&release.sums), "application/octet-stream"),
            Some(Fault::NonsenseSignature) => whole(b"signed: me".to_vec(), "application/octet-stream"),
            Some(Fault::NoSignature) => status(StatusCode::NOT_FOUND),
            _ => whole(release.signature.clone(), "application/octet-stream"),
        }),
        _ => {
            let Some(package) = release.packages.values().find(|package| package.name == name) else {
                return Plan::Now(status(StatusCode::NOT_FOUND));
            };
            let path = package.path.clone();
            let ranges = !matches!(fault, Some(Fault::TruncatedWithoutRanges(_)));
            let from = parts
                .headers
                .get(RANGE)
                .filter(|_| ranges)
                .and_then(|value| value.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            state.counts.ranges += usize::from(from.is_some());
            match fault {
                Some(Fault::RedirectLoop) => {
                    let mut response = status(StatusCode::FOUND);
                    response.headers_mut().insert(LOCATION, parts.uri.path().parse().expect("a path"));
                    Plan::Now(response)
                }
                fault => {
                    let cut = matches!(fault, Some(Fault::Truncated(_) | Fault::TruncatedWithoutRanges(_)));
                    let hang = fault == Some(Fault::ZipHangs);
                    let trickle = fault == Some(Fault::ZipTrickles);
                    Plan::File { path, from: from.unwrap_or(0), cut, hang, trickle, ranges }
                }
            }
        }
    }
}

/// The same names with other sums.
fn false_sums(sums: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(sums);
    let turned = |line: &str| match line.split_once("  ") {
        Some((sum, name)) => format!("{}  {name}\n", sum.chars().rev().collect::<String>()),
        None => String::new(),
    };
    text.lines().map(turned).collect::<String>().into_bytes()
}

/// A file from an offset on, in pieces; half of it and an abrupt end, or half of it and nothing more.
async fn file(
    path: &Path,
    from: u64,
    (cut, hang): (bool, bool),
    pace: Option<(usize, Duration)>,
    ranges: bool,
    head: bool,
) -> Response<Body> {
    let mut file = tokio::fs::File::open(path).await.expect("a published zip");
    let length = file.metadata().await.expect("its length").len();
    let left = length.saturating_sub(from);
    file.seek(io::SeekFrom::Start(from)).await.expect("a seek");
    let sent = if cut || hang { left / 2 } else { left };
    let (piece, pause) = pace.unwrap_or((PIECE, Duration::ZERO));
    let pieces = stream::try_unfold(file.take(sent), move |mut file| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let mut bytes = vec![0; piece];
        let read = file.read(&mut bytes).await?;
        bytes.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(bytes), file)))
    });
    let end = stream::once(async move {
        if hang {
            std::future::pending::<()>().await;
        }
        Err::<Bytes, _>(io::Error::other("the connection breaks off"))
    });
    let body = if head {
        Full::default().map_err(|never| match never {}).boxed()
    } else if cut || hang {
        BodyExt::boxed(StreamBody::new(pieces.chain(end).map_ok(Frame::data)))
    } else {
        BodyExt::boxed(StreamBody::new(pieces.map_ok(Frame::data)))
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, left.into());
    headers.insert(CONTENT_TYPE, "application/zip".parse().expect("a type"));
    if ranges {
        headers.insert(ACCEPT_RANGES, "bytes".parse().expect("a unit"));
        headers.insert(ETAG, format!("\"{length}\"").parse().expect("a tag"));
    }
    if from > 0 {
        headers.insert(CONTENT_RANGE, format!("bytes {from}-{}/{length}", length - 1).parse().expect("a range"));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// The beginning of a list, and spaces for ever.
fn endless() -> Response<Body> {
    let begun = stream::iter([Ok(Bytes::from_static(b"{\"versions\": ["))]);
    let spaces = stream::repeat_with(|| Ok(Bytes::from(vec![b' '; PIECE])));
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(begun.chain(spaces).map_ok(Frame::data))));
    response.headers_mut().insert(CONTENT_TYPE, "application/json".parse().expect("a type"));
    response
}

fn json(value: &serde_json::Value) -> Response<Body> {
    whole(value.to_string().into_bytes(), "application/json")
}

fn whole(bytes: Vec<u8>, kind: &str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed());
    response.headers_mut().insert(CONTENT_TYPE, kind.parse().expect("a type"));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = whole(Vec::new(), "text/plain");
    *response.status_mut() = status;
    response
}
