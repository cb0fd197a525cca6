//! Policies that judge as a test says.

use std::cell::RefCell;
use std::rc::Rc;

use super::simulated::Bytes;
use crate::policies::{Change, Denial, Needs, Operation, Policies};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) change: Change,
    /// The contents that came with it.
    pub(crate) current: Option<Vec<u8>>,
    pub(crate) proposed: Option<Vec<u8>>,
}

type Judge = Rc<dyn Fn(&Change) -> Option<Denial>>;

/// Policies that need something, judge, and remember what they were asked.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    needs: Needs,
    judge: Option<Judge>,
    asked: Rc<RefCell<Vec<Asked>>>,
}

/// The denial that the tests look for.
pub(crate) fn denial(reason: &str) -> Denial {
    Denial { policy: "freeze".to_owned(), reason: reason.to_owned(), keep: true }
}

impl Scripted {
    pub(crate) fn new(needs: Needs, judge: impl Fn(&Change) -> Option<Denial> + 'static) -> Self {
        Self { needs, judge: Some(Rc::new(judge)), asked: Rc::default() }
    }

    /// Judges by the change alone.
    pub(crate) fn judging(judge: impl Fn(&Change) -> Option<Denial> + 'static) -> Self {
        Self::new(Needs { review: true, ..Needs::default() }, judge)
    }

    /// Denies one operation.
    pub(crate) fn denying(operation: Operation) -> Self {
        Self::judging(move |change| (change.operation == operation).then(|| denial("not now")))
    }

    pub(crate) fn allowing(needs: Needs) -> Self {
        Self::new(needs, |_| None)
    }

    /// What was asked since the last call of this.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.borrow_mut())
    }

    /// The operations that were asked about since the last call of [`asked`](Self::asked).
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.asked().iter().map(|asked| asked.change.operation).collect()
    }
}

impl Policies<Bytes> for Scripted {
    fn needed(&self, _: Operation, _: &str) -> Needs {
        self.needs
    }

    fn review(&self, change: &Change, current: Option<&Bytes>, proposed: Option<&Bytes>) -> Option<Denial> {
        let bytes = |content: Option<&Bytes>| content.map(|content| content.0.to_vec());
        let asked = Asked { change: change.clone(), current: bytes(current), proposed: bytes(proposed) };
        self.asked.borrow_mut().push(asked);
        self.judge.as_ref().and_then(|judge| judge(change))
    }
}
