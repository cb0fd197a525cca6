//! Its configuration.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::Deserialize;
use toml::value::Datetime;

use crate::window::{Boundary, Frozen, Span, Window};

/// The configuration as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    /// An IANA name such as `Europe/Berlin`, for all windows that name none.
    time_zone: Option<String>,
    /// Callers who are let through: names in `TOKENS_FILE`.
    #[serde(default)]
    callers: Vec<String>,
    /// What else to tell whoever is refused.
    message: Option<String>,
    #[serde(default)]
    weekly: Vec<Weekly>,
    #[serde(default)]
    dates: Vec<Dates>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Weekly {
    /// `Fri 16:00`.
    from: String,
    to: String,
    time_zone: Option<String>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Dates {
    /// `2026-12-20`, or `2026-12-20T18:00`.
    from: Moment,
    /// A date alone means its end.
    to: Moment,
    time_zone: Option<String>,
    reason: Option<String>,
}

/// A local date, or date and time, as a text or as TOML's own.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Moment {
    Toml(Datetime),
    Text(String),
}

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Configuration {
    pub(crate) callers: Vec<String>,
    pub(crate) message: Option<String>,
    windows: Vec<Window>,
}

impl Configuration {
    /// The window that is open at `now`; of several, the one that closes last.
    pub(crate) fn frozen(&self, now: Timestamp) -> Option<Frozen> {
        self.windows.iter().filter_map(|window| window.frozen(now)).max_by_key(|frozen| frozen.until.timestamp())
    }
}

impl TryFrom<Written> for Configuration {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { time_zone, callers, message, weekly, dates } = written;
        if weekly.is_empty() && dates.is_empty() {
            return Err("there is no window: write [[weekly]] or [[dates]] with `from` and `to`".to_owned());
        }
        if callers.iter().any(|caller| caller == "shared") {
            return Err(
                "`callers`: \"shared\" is everybody who has API_TOKEN; give those who may a token of their own \
                        in TOKENS_FILE, and write its name"
                    .to_owned(),
            );
        }
        let zone = |own: Option<String>| find_zone(own.as_deref().or(time_zone.as_deref()));
        let mut windows = Vec::new();
        for Weekly { from, to, time_zone, reason } in weekly {
            let (from, to) = (read_boundary(&from)?, read_boundary(&to)?);
            if from == to {
                return Err("a [[weekly]] window ends when it begins, so it never does: write another `to`".to_owned());
            }
            windows.push(Window { span: Span::Weekly { from, to }, zone: zone(time_zone)?, reason });
        }
        for Dates { from, to, time_zone, reason } in dates {
            let (from, to) = (read_moment(&from, false)?, read_moment(&to, true)?);
            if from >= to {
                return Err(format!("a [[dates]] window ends ({to}) before it begins ({from})"));
            }
            windows.push(Window { span: Span::Dates { from, to }, zone: zone(time_zone)?, reason });
        }
        Ok(Self { callers, message, windows })
    }
}

fn find_zone(name: Option<&str>) -> Result<TimeZone, String> {
    let name = name.ok_or("a window has no time zone: write time-zone = \"Europe/Berlin\"")?;
    let zones = TimeZoneDatabase::bundled();
    zones.get(name).map_err(|_| format!("`time-zone`: {name:?} is none: write an IANA name such as \"Europe/Berlin\""))
}

/// `Fri 16:00`.
fn read_boundary(text: &str) -> Result<Boundary, String> {
    let read = || {
        let (day, time) = text.split_once(' ')?;
        Some(Boundary { day: read_day(day)?, time: read_time(time.trim())? })
    };
    read().ok_or_else(|| format!("{text:?} is no day of the week with a time: write \"Fri 16:00\""))
}

/// In full, or its first three letters.
fn read_day(text: &str) -> Option<Weekday> {
    let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let text = text.to_ascii_lowercase();
    let found = names.iter().position(|name| *name == text || name.get(..3) == Some(text.as_str()))?;
    Weekday::from_monday_zero_offset(i8::try_from(found).ok()?).ok()
}

/// `16:00`.
fn read_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

/// A date and time; of a date alone its beginning, or its end.
fn read_moment(moment: &Moment, end: bool) -> Result<DateTime, String> {
    let text = match moment {
        Moment::Toml(moment) => moment.to_string(),
        Moment::Text(text) => text.clone(),
    };
    let wrong = || {
        format!("{text:?} is no local date or time: write \"2026-12-20\" or \"2026-12-20T18:00\", in time-zone's time")
    };
    // An offset in the text would contradict `time-zone`.
    if text.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-', '['])) {
        return Err(wrong());
    }
    if text.len() > 10 {
        return text.parse().map_err(|_| wrong());
    }
    let date: Date = text.parse().map_err(|_| wrong())?;
    let date = if end { date.tomorrow().map_err(|_| wrong())? } else { date };
    Ok(date.to_datetime(Time::midnight()))
}
