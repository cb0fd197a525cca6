use crate::{key, open, put};
use std::sync::Arc;
use std::time::Duration;
use tofu_state_store::{Slot, Store, patience};
use tofu_state_testing::cluster::Cluster;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn window() {
    let mut cluster = Cluster::start().await;
    for round in 0..6 {
        let asleep = cluster.leader().await;
        let sleeper = Arc::new(open(&cluster.addresses()[asleep], cluster.token()));
        let other = open(&cluster.addresses()[(asleep + 1) % 3], cluster.token());
        let (changed, created) = (key(&format!("deposed/changed{round}")), key(&format!("deposed/created{round}")));
        put(&sleeper, &changed, "old", 0).await.unwrap();
        cluster.node(asleep).process().pause();
        let deadline = Some(Instant::now() + Duration::from_secs(60));
        patience::until(deadline, || put(&other, &changed, "new", 1)).await.unwrap();
        patience::until(deadline, || put(&other, &created, "new", 0)).await.unwrap();
        let start = Instant::now();
        cluster.node(asleep).process().resume();
        let readers = (0..4).map(|number| {
            let (sleeper, key) =
                (Arc::clone(&sleeper), if number % 2 == 0 { changed.clone() } else { created.clone() });
            tokio::spawn(async move {
                let mut out = Vec::new();
                while start.elapsed() < Duration::from_secs(3) {
                    let begun = start.elapsed();
                    let r = match sleeper.get(&key).await {
                        Ok(Slot::Entry(e)) => String::from_utf8(e.meta.to_vec()).unwrap(),
                        Ok(o) => format!("{o:?}"),
                        Err(e) => e.to_string(),
                    };
                    out.push((begun.as_micros(), start.elapsed().as_micros(), r));
                }
                out
            })
        });
        let mut bad = 0;
        let mut last = (0, 0);
        let mut firstnew = u128::MAX;
        let mut errs = 0;
        for r in futures_util::future::join_all(readers).await {
            for (a, b, t) in r.unwrap() {
                if t == "old" || t == "Absent" {
                    bad += 1;
                    if b > last.1 {
                        last = (a, b);
                    }
                } else if t == "new" {
                    firstnew = firstnew.min(b);
                } else {
                    errs += 1;
                    if errs < 3 {
                        println!("{t}");
                    }
                }
            }
        }
        println!("round {round}: bad {bad} last bad begun/ended us {last:?} first new {firstnew} errors {errs}");
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}
