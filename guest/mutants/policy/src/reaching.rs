//! Reaching for what no component gets.

use std::net::TcpStream;
use std::time::{Instant, SystemTime};

/// Uses a file, the network and both clocks, so that the component imports them.
pub(crate) fn reach() {
    drop(std::fs::read("secret"));
    drop(TcpStream::connect("127.0.0.1:1"));
    std::hint::black_box((Instant::now(), SystemTime::now(), std::env::var("SECRET").ok()));
}
