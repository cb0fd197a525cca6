//! A component sees nothing of the world outside.

use crate::common::{faulty, nothing, request, text};

#[tokio::test]
async fn the_outside_is_empty_and_always_the_same() {
    let (status, first) = text(faulty().handle(request("outside"), nothing()).await);
    assert_eq!(status, 200);
    assert!(first.starts_with("0 arguments, 0 variables, Some(0) input, hash "), "{first}");
    assert!(first.ends_with(", 1 entries"), "{first}");
    let (_, second) = text(faulty().handle(request("outside"), nothing()).await);
    assert_eq!(first, second, "a component's hash maps have the same order everywhere");
}

#[tokio::test]
async fn talking_is_no_fault() {
    assert_eq!(text(faulty().handle(request("chatter"), nothing()).await), (200, "said".to_owned()));
}
