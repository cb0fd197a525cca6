//! Medians and percentiles.

use std::time::Duration;

/// The middle of the values; none if there are none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied()?;
    match sorted.get(middle.wrapping_sub(1)).copied() {
        Some(lower) if sorted.len().is_multiple_of(2) => Some(f64::midpoint(lower, upper)),
        _ => Some(upper),
    }
}

/// The smallest time that `percent` of the times do not exceed, in milliseconds (nearest rank).
pub(crate) fn percentile_ms(times: &[Duration], percent: usize) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map(|time| time.as_secs_f64() * 1e3)
}

/// Parts of a million.
pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A quotient, where there is one.
pub(crate) fn ratio(of: Option<f64>, to: Option<f64>) -> Option<f64> {
    match (of, to) {
        (Some(of), Some(to)) if to > 0.0 => Some(of / to),
        _ => None,
    }
}

/// A count as a number to compute with.
#[allow(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

/// As [`number`].
pub(crate) fn count(of: usize) -> f64 {
    number(of as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }

    #[test]
    fn percentiles() {
        let times: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile_ms(&times, 50), Some(100.0));
        assert_eq!(percentile_ms(&times, 99), Some(198.0));
        assert_eq!(percentile_ms(times.get(..1).unwrap(), 99), Some(200.0));
        assert_eq!(percentile_ms(&[], 50), None);
    }

    #[test]
    fn ratios() {
        assert_eq!(ratio(Some(1.0), Some(2.0)), Some(0.5));
        assert_eq!(ratio(Some(1.0), Some(0.0)), None);
        assert_eq!(ratio(None, Some(1.0)), None);
    }
}
