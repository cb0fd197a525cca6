//! The policy that we ship (`chart/openbao/tofu-state.hcl`): with exactly these rights everything works, and with
//! any one of them taken away either the check at start says which, or what needs it is refused and nothing is lost.

use reqwest::Method;
use serde_json::json;
use tofu_state_store::openbao::{OpenBao, StartError};
use tofu_state_store::{Error, Outcome};
use tofu_state_testing::bao::Bao;

use super::openbao::store_with;
use super::*;

const POLICY: &str = include_str!("../../../../chart/openbao/tofu-state.hcl");

/// A path of the policy and what it allows there.
type Rule = (String, Vec<String>);

fn rules() -> Vec<Rule> {
    let text: String = POLICY.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let quoted = |text: &str| text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rules = text.split("path ").skip(1).map(|rule| {
        let (path, capabilities) = rule.split_once('{').unwrap();
        (quoted(path).concat(), quoted(capabilities))
    });
    rules.collect()
}

fn policy(rules: &[Rule]) -> String {
    let rule = |(path, capabilities): &Rule| format!("path {path:?} {{ capabilities = {capabilities:?} }}\n");
    rules.iter().map(rule).collect()
}

/// All that the server does on one path: reads and writes, small and in chunks, a lock, and what is tidied up after it.
struct Work {
    time: Time,
    raw: Arc<OpenBao>,
    layout: Layout,
    /// What was last acknowledged, and could be told apart from all before.
    acknowledged: Option<(Revision, Bytes)>,
    round: u64,
}

impl Work {
    fn new(bao: &Bao, token: &str) -> Self {
        let (time, raw) = (Time::new(), store_with(bao, token, 2));
        let layout = time.layout(Arc::<OpenBao>::clone(&raw));
        Self { time, raw, layout, acknowledged: None, round: 0 }
    }

    /// Tries everything; every error must say that it was denied.
    async fn try_all(&mut self) {
        let mut refused = Vec::new();
        for bytes in [10, 5 * ENTRY, 3 * ENTRY] {
            self.round += 1;
            let content = noise(self.round, bytes);
            let expected = self.acknowledged.as_ref().map_or(0, |(revision, _)| *revision);
            match self.layout.put_cas(&state(), write(&content, expected)).await {
                Ok(Outcome::Written(revision)) => self.acknowledged = Some((revision, content)),
                Ok(Outcome::Conflict) => panic!("somebody else has written"),
                Err(error) => refused.push(error),
            }
            match self.layout.get(&state()).await {
                Ok(found) => self.is_acknowledged(found),
                Err(error) => refused.push(error),
            }
            self.time.pass(60);
            self.layout.settled().await;
        }
        let lock = Key::parse(&format!("g/p{}.lock", self.round)).unwrap();
        let taken = self.layout.put_cas(&lock, write(&Bytes::new(), 0)).await;
        refused.extend(taken.err());
        assert!(refused.iter().all(|error| matches!(error, Error::Denied(_))), "{refused:?}");
    }

    fn is_acknowledged(&self, found: Slot) {
        match (found, &self.acknowledged) {
            (Slot::Absent, None) => {}
            (Slot::Entry(found), Some((revision, content))) => {
                assert_eq!(found.revision, *revision);
                assert_same(found.content.as_ref(), content);
            }
            (found, _) => panic!("{found:?} is not what was acknowledged"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_these_rights() {
    let bao = Bao::dev().await;
    let all = rules();
    assert!(all.len() >= 8 && all.iter().all(|(_, capabilities)| !capabilities.is_empty()), "{all:?}");
    bao.policy("tofu-state", POLICY).await;
    let wanted = json!({"policies": ["tofu-state"], "no_default_policy": true, "period": "1h"});
    let answer = bao.ok(Method::POST, "auth/token/create-orphan", wanted).await;
    let mut work = Work::new(&bao, answer["auth"]["client_token"].as_str().unwrap());
    assert_eq!(work.raw.check().await, Ok(Vec::new()), "nothing to say about them");
    work.try_all().await;
    let root = store_with(&bao, bao.token(), 2);
    let tidy = async || assert_eq!(sets(&*root).await, named_sets(&*root).await);
    tidy().await;

    for (at, (path, capabilities)) in all.iter().enumerate() {
        for capability in capabilities {
            let mut fewer = all.clone();
            fewer[at].1.retain(|other| other != capability);
            fewer.retain(|(_, capabilities)| !capabilities.is_empty());
            bao.policy("tofu-state", &policy(&fewer)).await;
            let said = match work.raw.check().await {
                Ok(warnings) => warnings.join("\n"),
                Err(StartError::Fatal(text)) => text,
                Err(StartError::Passing(text)) => panic!("{capability} on {path} will not come by itself: {text}"),
            };
            assert!(said.contains(capability.as_str()), "{capability} on {path}: {said:?}");
            assert!(said.contains(path.trim_end_matches('*')), "{capability} on {path}: {said:?}");
            work.try_all().await;

            bao.policy("tofu-state", &policy(&all)).await;
            assert_eq!(work.raw.check().await, Ok(Vec::new()), "{capability} on {path} is back");
            work.is_acknowledged(work.layout.get(&state()).await.unwrap());
            work.try_all().await;
            work.is_acknowledged(work.layout.get(&state()).await.unwrap());
        }
    }
    tidy().await;
}
