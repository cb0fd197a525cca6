//! Which traces are recorded (`OTEL_TRACES_SAMPLER`).

use opentelemetry::trace::{SpanContext, SpanKind, TraceId};
use opentelemetry_sdk::trace::{self as sdk, SamplingDecision, ShouldSample};

/// Decides which traces are recorded.
#[derive(Clone, Debug)]
pub struct Sampler {
    /// Whoever began a trace has decided for all of it.
    parent_based: bool,
    /// For traces that begin here; or for all of them.
    root: sdk::Sampler,
}

impl Sampler {
    /// All, none, or a part of the traces, from 0 to 1; `parent_based`: of those that begin here.
    #[must_use]
    pub fn new(parent_based: bool, part: f64) -> Self {
        let root = match part {
            1.0.. => sdk::Sampler::AlwaysOn,
            ..=0.0 => sdk::Sampler::AlwaysOff,
            part => sdk::Sampler::TraceIdRatioBased(part),
        };
        Self { parent_based, root }
    }

    /// Whether a span of `trace` under `parent` is recorded.
    pub(super) fn takes(&self, parent: Option<&SpanContext>, trace: TraceId) -> bool {
        match parent {
            Some(parent) if self.parent_based => parent.is_sampled(),
            _ => {
                let result = self.root.should_sample(None, trace, "", &SpanKind::Server, &[], &[]);
                result.decision == SamplingDecision::RecordAndSample
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{SpanId, TraceFlags, TraceState};

    fn parent(sampled: bool) -> SpanContext {
        let flags = TraceFlags::default().with_sampled(sampled);
        SpanContext::new(TraceId::from(1), SpanId::from(1), flags, true, TraceState::default())
    }

    #[test]
    fn a_parent_decides_where_it_is_asked() {
        for (part, root) in [(1.0, true), (0.0, false)] {
            for parent_based in [true, false] {
                let sampler = Sampler::new(parent_based, part);
                assert_eq!(sampler.takes(None, TraceId::from(7)), root);
                for sampled in [true, false] {
                    let expected = if parent_based { sampled } else { root };
                    assert_eq!(sampler.takes(Some(&parent(sampled)), TraceId::from(7)), expected);
                }
            }
        }
    }

    #[test]
    fn a_part_is_taken_by_the_trace_alone() {
        let sampler = Sampler::new(true, 0.25);
        let trace = |number: u128| TraceId::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let taken = (1..=4000).filter(|&number| sampler.takes(None, trace(number))).count();
        assert!((800..1200).contains(&taken), "{taken} of 4000");
        let again = (1..=4000).filter(|&number| sampler.takes(None, trace(number))).count();
        assert_eq!(taken, again);
    }
}
