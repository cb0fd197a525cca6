//! Scenarios, exploration and replay of protocol components, on `host/component` and a store in memory.
//!
//! A wall of the house that a later issue fills. It will know no sockets.
