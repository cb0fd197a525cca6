//! Revisions that are thinned out, on every store: whatever stays keeps its chunks, and what goes leaves none behind.

use reqwest::Method;
use serde_json::json;
use tofu_state_testing::bao::Bao;

use super::openbao::store_with;
use super::*;

/// How long a run is, and how many of its versions stay beside its newest while it goes on.
const WRITES: u64 = 9;
const KEPT: u64 = 3;

/// Three runs as the protocol writes them, the second one with a fence in its middle; all that was written.
async fn runs(raw: Arc<dyn History>, time: &Time) -> BTreeMap<Revision, Bytes> {
    let layout = time.layout(Arc::clone(&raw));
    let mut written = BTreeMap::new();
    let mut newest = 0;
    for run in 0..3_u64 {
        for step in 0..WRITES {
            let content = noise(run * 100 + step + 1, 3 * ENTRY);
            let retention = match step {
                0 if run > 0 => Retention::Thinned { first: newest - KEPT, last: newest - 1 },
                0 => Retention::History,
                step => Retention::Passing { beside: step.min(KEPT), gone: (step > KEPT).then(|| newest - KEPT) },
            };
            let outcome = layout.put_cas(&state(), Write { retention, ..write(&content, newest) }).await;
            let Ok(Outcome::Written(revision)) = outcome else { panic!("{outcome:?}") };
            newest = revision;
            written.insert(newest, content.clone());
            time.pass(20);
            layout.settled().await;
        }
        if run == 1 {
            let Entry { revision, meta, content } = entry(&layout).await;
            written.insert(revision + 1, content.clone().unwrap());
            let retention = Retention::Passing { beside: KEPT, gone: None };
            let fence = Write { meta, content, expected: revision, retention };
            assert_eq!(layout.put_cas(&state(), fence).await, Ok(Outcome::Written(revision + 1)));
            newest = revision + 1;
        }
    }
    time.pass(60);
    layout.settled().await;
    written
}

/// Every revision that is kept is whole, and there is no chunk that none of them names.
async fn check(raw: Arc<dyn History>, time: &Time, written: &BTreeMap<Revision, Bytes>) -> Vec<Revision> {
    let layout = time.layout(Arc::clone(&raw));
    let revisions = raw.revisions(&state()).await.unwrap();
    for revision in &revisions {
        let Ok(Slot::Entry(kept)) = layout.revision(&state(), *revision).await else { panic!("{revision} is lost") };
        assert_same(kept.content.as_ref(), &written[revision]);
    }
    let newest = *revisions.last().unwrap();
    put(&layout, &noise(999, 4), newest).await;
    layout.settled().await;
    assert_eq!(sets(&*raw).await, named_sets(&*raw).await);
    revisions
}

/// The last of each run; of the second, which was fenced, one more; and the last run's newest few.
const LEFT: [Revision; 7] = [9, 15, 19, 25, 26, 27, 28];

#[tokio::test]
async fn in_memory_and_embedded() {
    let (raw, time) = (Arc::new(Memory::keeping(100)), Time::new());
    let written = runs(Arc::<Memory>::clone(&raw), &time).await;
    assert_eq!(check(raw, &time, &written).await, LEFT);
    let ((_folder, raw), time) = (embedded(100), Time::new());
    let written = runs(Arc::<Embedded>::clone(&raw), &time).await;
    assert_eq!(check(raw, &time, &written).await, LEFT);
    // Where few are kept, the runs' last ones are among them although their numbers are far behind.
    // What the last one passes through does not count.
    for (keep, left) in [(4, &LEFT[..]), (3, &LEFT[1..]), (2, &LEFT[2..])] {
        let ((_folder, raw), time) = (embedded(keep), Time::new());
        let written = runs(Arc::<Embedded>::clone(&raw), &time).await;
        assert_eq!(check(raw, &time, &written).await, left, "KEEP_VERSIONS {keep}");
    }
}

/// On OpenBao the ends of runs stay because the key has as many places more as are taken by what runs passed through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openbao_makes_places_for_them() {
    let bao = Bao::dev().await;
    for (keep, first) in [(100, 1), (6, 1), (2, 2)] {
        let (raw, time) = (store_with(&bao, bao.token(), keep), Time::new());
        let written = runs(Arc::<tofu_state_store::openbao::OpenBao>::clone(&raw), &time).await;
        let kept = check(raw, &time, &written).await;
        assert_eq!(kept, (first..=28).collect::<Vec<_>>(), "KEEP_VERSIONS {keep}");
        bao.ok(Method::DELETE, "states/metadata/g/p", json!(null)).await;
    }
}

/// Why OpenBao destroys nothing for it: `max_versions` counts destroyed versions, so that no older one would stay for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openbao_gives_a_destroyed_versions_place_to_no_other() {
    let bao = Bao::dev().await;
    let raw = store_with(&bao, bao.token(), 4);
    for expected in 0..4 {
        put(&*raw, &noise(expected, 4), expected).await;
    }
    bao.ok(Method::PUT, "states/destroy/g/p", json!({"versions": [2, 3]})).await;
    put(&*raw, &noise(9, 4), 4).await;
    let (_, metadata) = bao.api(Method::GET, "states/metadata/g/p", None).await;
    let versions: Vec<&String> = metadata["data"]["versions"].as_object().unwrap().keys().collect();
    assert_eq!(versions, ["2", "3", "4", "5"], "version 1 is gone, and two that hold nothing are not");
}
