//! What goes wrong meanwhile, one after the other, each once clients have gone on for a while.

use tofu_state_testing::bao::Bao;
use tofu_state_testing::server::Server;

use super::history::History;
use super::until_more;

/// How many requests are answered between two faults, and how many are not while something is paused.
const CALM: usize = 80;
const TROUBLE: usize = 4;
/// How often everything goes wrong.
const ROUNDS: usize = 2;

/// Kills and pauses both servers and OpenBao.
pub(super) async fn all([mut one, mut two]: [Server; 2], mut bao: Bao, history: &History) {
    for _ in 0..ROUNDS {
        until_more("answers", &history.answered, CALM).await;
        one.kill9();
        one.restart().await;

        until_more("answers", &history.answered, CALM).await;
        two.process().pause();
        until_more("requests of unknown outcome", &history.unknown, TROUBLE).await;
        two.process().resume();

        until_more("answers", &history.answered, CALM).await;
        bao.process().pause();
        until_more("requests of unknown outcome", &history.unknown, TROUBLE).await;
        bao.process().resume();

        until_more("answers", &history.answered, CALM).await;
        bao.kill9();
        bao.start();
        bao.unseal().await;
        bao.until_health(&[200]).await;

        until_more("answers", &history.answered, CALM).await;
        two.kill9();
        two.restart().await;
    }
    until_more("answers", &history.answered, CALM).await;
}
