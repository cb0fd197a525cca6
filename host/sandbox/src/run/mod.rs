//! `run`: a scenario's steps, one after the other, compared with what is expected.

pub(crate) mod perform;
