//! Which attributes of an instance the state itself calls sensitive (`sensitive_attributes`: paths, as both CLIs
//! write them).

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::address::Step;
use super::bounded::Items;

/// The sensitive parts of an instance.
#[derive(Debug)]
pub(super) enum Sensitive {
    /// Those at these paths, and all below them.
    At(Vec<Vec<Step>>),
    /// All of it: what is marked cannot be understood.
    All,
}

#[derive(Deserialize)]
struct Marked {
    #[serde(rename = "type")]
    kind: String,
    value: Value,
}

impl Sensitive {
    /// What `marks` says; none: nothing is sensitive.
    pub(super) fn of(marks: Option<&RawValue>) -> Self {
        let Some(marks) = marks else { return Self::At(Vec::new()) };
        let paths: serde_json::Result<Items<Items<Marked>>> = serde_json::from_str(marks.get());
        let Ok(Items(paths)) = paths else { return Self::All };
        let paths: Option<Vec<Vec<Step>>> =
            paths.into_iter().map(|Items(steps)| steps.into_iter().map(step).collect()).collect();
        paths.map_or(Self::All, Self::At)
    }

    /// Whether something at `path`, below it, or around it is sensitive.
    pub(super) fn covers(&self, path: &[Step]) -> bool {
        match self {
            Self::All => true,
            Self::At(paths) => paths.iter().any(|marked| marked.iter().zip(path).all(|(marked, step)| marked == step)),
        }
    }
}

/// `{"type":"get_attr","value":"name"}`, or `{"type":"index","value":{"value":0,"type":"number"}}`.
fn step(Marked { kind, value }: Marked) -> Option<Step> {
    match (kind.as_str(), &value) {
        ("get_attr", Value::String(name)) => Some(Step::Member(name.clone())),
        ("index", Value::Object(key)) => match key.get("value")? {
            Value::String(name) => Some(Step::Member(name.clone())),
            Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()).map(Step::Item),
            _ => None,
        },
        _ => None,
    }
}
