//! Large states on this machine's disk.

use super::*;

/// A state with `instances` small resources of their own, as a CLI writes it but for the white space.
pub(super) fn state_of(instances: usize) -> Bytes {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(instances * 62 + 400);
    text.push_str(
        r#"{"version":4,"terraform_version":"1.12.6","serial":1,"lineage":"0f8fad5b-d9cb-469f-a165-70867728950e",
        "outputs":{},"resources":[{"mode":"managed","type":"terraform_data","name":"many",
        "provider":"provider[\"terraform.io/builtin/terraform\"]","instances":["#,
    );
    let ids = noise(1, instances * 8);
    for (index, id) in ids.chunks(8).enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(text, r#"{comma}{{"index_key":{index},"attributes":{{"id":"{}"}}}}"#, hex::encode(id)).unwrap();
    }
    text.push_str("]}],\"check_results\":null}\n");
    Bytes::from(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_mebibytes_in_and_out_of_the_embedded_store() {
    let bytes = 64 * 1024 * 1024;
    let mut text = state_of(bytes / 60).to_vec();
    text.truncate(bytes - 1);
    text.push(b'\n');
    for (content, settings) in [
        (Bytes::from(text), Settings::for_embedded()),
        (noise(1, bytes), Settings::for_embedded()),
        (noise(2, bytes), Settings::undivided()),
    ] {
        let (_folder, raw) = embedded(2);
        let layout = Layout::new(Arc::<Embedded>::clone(&raw), settings.clone());
        let revision = put(&layout, &content, 0).await;
        layout.settled().await;
        let found = entry(&Layout::new(raw, settings)).await;
        assert_eq!((found.revision, content.len()), (revision, bytes));
        assert_same(found.content.as_ref(), &content);
    }
}
