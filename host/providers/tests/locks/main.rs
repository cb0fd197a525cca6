//! `providers lock` against a local origin, and against what both real CLIs write.

mod cases;
mod common;
mod compare;
mod hostile;
mod initialised;
mod many;
