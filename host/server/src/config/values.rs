//! Values: from text to a type, with a mistake that says what to write.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::mistakes::Wrong;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// A name or an IP address; none: all addresses of the machine.
    pub host: Option<String>,
    /// 0: a free one.
    pub port: u16,
}

impl Bind {
    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host.as_deref().is_some_and(is_loopback)
    }
}

impl std::fmt::Display for Bind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.as_deref() {
            None => write!(f, ":{}", self.port),
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// `host:port`, `[v6]:port`, or Go's `:port`.
pub(super) fn bind(text: &str) -> Result<Bind, Wrong> {
    let wrong = |what: &str| Wrong::new(what, "write `host:port`, `[IPv6]:port`, or `:port` for all addresses");
    let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("no port"))?;
    let port = port.parse().map_err(|_| wrong("the port is not a number from 0 to 65535"))?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().map_err(|_| wrong("not an IPv6 address"))?.to_string(),
        None if host.contains(':') => return Err(wrong("an IPv6 address stands in brackets")),
        None if host.contains(|c: char| c.is_whitespace() || c == '/') => return Err(wrong("not a host")),
        None => host.to_owned(),
    };
    Ok(Bind { host: (!host.is_empty()).then_some(host), port })
}

/// A duration such as `20s` or `1h 30m`, from `least` to `most`.
pub(crate) fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, Wrong> {
    let show = humantime::format_duration;
    let remedy = || format!("write a duration from `{}` to `{}`", show(least), show(most));
    let value =
        humantime::parse_duration(text).map_err(|error| Wrong::new(format!("not a duration: {error}"), remedy()))?;
    if value < least {
        return Err(Wrong::new("too short", remedy()));
    }
    if value > most {
        return Err(Wrong::new("too long", remedy()));
    }
    Ok(value)
}

/// A size such as `64MiB` (1024-based) or `64MB` (1000-based), from `least` to `most` bytes.
pub(crate) fn size(text: &str, least: u64, most: u64) -> Result<usize, Wrong> {
    let show = |bytes: u64| bytesize::ByteSize::b(bytes).display().iec();
    let remedy = || match most {
        u64::MAX => format!("write a size of at least {}, such as `64MiB`", show(least)),
        most => format!("write a size from {} to {}, such as `64MiB`", show(least), show(most)),
    };
    let bytes = bytesize::ByteSize::from_str(text).map_err(|_| Wrong::new("not a size", remedy()))?.as_u64();
    if bytes < least {
        return Err(Wrong::new("too small", remedy()));
    }
    if bytes > most {
        return Err(Wrong::new("too large", remedy()));
    }
    usize::try_from(bytes)
        .ok()
        .filter(|bytes| isize::try_from(*bytes).is_ok())
        .ok_or_else(|| Wrong::new("too large for this machine", remedy()))
}

/// A whole number from `least` to `most`.
pub(super) fn number(text: &str, least: u32, most: u32) -> Result<u32, Wrong> {
    match text.parse() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(Wrong::new("not a number in range", format!("write a whole number from {least} to {most}"))),
    }
}

/// One of some words.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Wrong> {
    choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        Wrong::new("not one of the choices", format!("write {}", words.join(" or ")))
    })
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, Wrong> {
    choice(text, &[("true", true), ("false", false)])
}

/// A folder or file, whether it is there or not.
pub(super) fn path(text: &str) -> Result<PathBuf, Wrong> {
    Ok(PathBuf::from(text))
}

/// A file that can be read.
pub(super) fn readable_file(text: &str) -> Result<PathBuf, Wrong> {
    match std::fs::File::open(text).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() => Ok(PathBuf::from(text)),
        Ok(_) => Err(Wrong::new("not a file", "name a readable file")),
        Err(error) => Err(Wrong::new(format!("cannot be read: {error}"), "name a readable file")),
    }
}

/// A server's base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Without a `/` at the end.
    pub(super) text: String,
    /// Plain HTTP to another machine: a token would be sent in clear text.
    pub(super) in_clear_text: bool,
}

/// An `http` or `https` URL without user, query or fragment.
pub(super) fn url(text: &str) -> Result<Url, Wrong> {
    let wrong = |what: &str| Wrong::new(what, "write a URL such as `https://openbao.example:8200`");
    let uri = http::Uri::from_str(text).map_err(|_| wrong("not a URL"))?;
    let scheme = uri.scheme_str().ok_or_else(|| wrong("no scheme"))?;
    if scheme != "http" && scheme != "https" {
        return Err(wrong("neither http nor https"));
    }
    let authority = uri.authority().ok_or_else(|| wrong("no host"))?;
    if authority.as_str().contains('@') {
        return Err(wrong("a user name or password in the URL"));
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(wrong("a query or a fragment"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    Ok(Url { text: text.trim_end_matches('/').to_owned(), in_clear_text: scheme == "http" && !is_loopback(host) })
}

/// A mount or namespace: segments of printable characters, slashes at the ends left off.
pub(super) fn bao_path(text: &str) -> Result<String, Wrong> {
    let path = text.trim_matches('/');
    let fine = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    if path.split('/').all(fine) {
        Ok(path.to_owned())
    } else {
        Err(Wrong::new("not a path in OpenBao", "write segments of letters, digits, `.`, `_`, `-`, joined by `/`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(bind(":8080").unwrap(), Bind { host: None, port: 8080 });
        assert_eq!(bind("127.0.0.1:0").unwrap(), Bind { host: Some("127.0.0.1".to_owned()), port: 0 });
        assert_eq!(bind("[::1]:80").unwrap().to_string(), "[::1]:80");
        for bad in ["8080", "", "a:b", "::1:80", ":65536", "[::1:80", "http://x:80"] {
            assert!(bind(bad).is_err(), "{bad}");
        }
        assert!(bind("localhost:1").unwrap().is_loopback() && bind("[::1]:1").unwrap().is_loopback());
        assert!(!bind(":1").unwrap().is_loopback() && !bind("0.0.0.0:1").unwrap().is_loopback());
    }

    #[test]
    fn sizes_and_durations() {
        assert_eq!(size("64MiB", 1, 64 << 20).unwrap(), 64 << 20);
        assert_eq!(size("65536", 1, u64::MAX).unwrap(), 65536);
        assert!(size("64 bananas", 1, u64::MAX).is_err() && size("1KiB", 2048, u64::MAX).is_err());
        assert!(size("65MiB", 1, 64 << 20).unwrap_err().write.contains("64.0 MiB"));
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(60));
        assert_eq!(duration("20s", least, most).unwrap(), Duration::from_secs(20));
        assert!(duration("20", least, most).is_err() && duration("0s", least, most).is_err());
        assert!(duration("61s", least, most).is_err());
    }

    #[test]
    fn urls() {
        assert_eq!(
            url("https://bao:8200/").unwrap(),
            Url { text: "https://bao:8200".to_owned(), in_clear_text: false }
        );
        assert!(url("http://bao:8200").unwrap().in_clear_text && !url("http://[::1]:8200").unwrap().in_clear_text);
        for bad in ["bao:8200", "ftp://bao", "https://u:p@bao", "https://bao?x", "/x", ""] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
