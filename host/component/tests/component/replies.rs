//! Requests as the component sees them, and replies that cannot be sent.

use tofu_state_component::{BodySize, Failure, Operation, Right};

use crate::common::{faulty, nothing, request, text};

#[tokio::test]
async fn a_request_arrives_whole() {
    let mut sent = request("echo/b");
    sent.query = Some("ID=1".to_owned());
    sent.headers = vec![("content-md5".to_owned(), "x".to_owned())];
    let reply = faulty().handle(sent, nothing()).await.unwrap();
    assert_eq!(reply.headers, [("content-type".to_owned(), "application/json".to_owned())]);
    assert_eq!(reply.event.operation, Operation::None);
    assert_eq!(reply.event.outcome, "done");
    assert_eq!(text(Ok(reply)).1, "GET echo|b Some(\"ID=1\") [content-md5=x] ada 1700000000123 r-1");
}

#[tokio::test]
async fn a_reply_that_cannot_be_sent_is_the_components_fault() {
    for (what, why) in [
        ("status/0", "status"),
        ("status/101", "status"),
        ("status/199", "status"),
        ("status/600", "status"),
        ("status/65535", "status"),
        ("bodiless", "body"),
        ("giant-header", "large"),
        ("many-headers", "many"),
        ("header-name", "name"),
        ("header-break", "value"),
        ("header-length", "only the server"),
        ("outcome", "outcome"),
    ] {
        let Err(Failure::Trapped(text)) = faulty().handle(request(what), nothing()).await else { panic!("{what}") };
        assert!(text.starts_with("its answer cannot be sent") && text.contains(why), "{what}: {text}");
    }
    for status in [200, 409, 599] {
        assert_eq!(text(faulty().handle(request(&format!("status/{status}")), nothing()).await).0, status);
    }
}

#[tokio::test]
async fn the_texts_of_an_event_are_cut() {
    let reply = faulty().handle(request("giant-event"), nothing()).await.unwrap();
    assert_eq!(reply.event.lock_who.unwrap(), "ä".repeat(1024));
}

#[test]
fn the_longest_fitting_prefix_is_the_route() {
    let path = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let find = |method, text: &str| {
        let (route, length) = faulty().route(method, &path(text));
        (route.right, route.body, route.waits_for_store, length)
    };
    assert_eq!(find("POST", "a/b"), (Right::Write, BodySize::State, true, 0));
    assert_eq!(find("POST", "small"), (Right::Write, BodySize::Small, false, 1));
    assert_eq!(find("POST", "small/x"), (Right::Write, BodySize::Small, false, 1));
    assert_eq!(find("POST", "small/deep/x"), (Right::Delete, BodySize::Small, true, 2));
    assert_eq!(find("POST", "smaller"), (Right::Write, BodySize::State, true, 0));
    assert_eq!(find("BREW", "small/deep"), (Right::Read, BodySize::Small, false, 0), "no route fits");
    assert_eq!(faulty().routes().len(), 3);
}
