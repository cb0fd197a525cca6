//! Sizes, memory, and time (paused, so no test waits).

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Frame, SizeHint};
use sha2::{Digest, Sha256};

use super::*;

/// A body that sends pieces, each after a pause.
struct Paced {
    pieces: VecDeque<(Duration, Result<Bytes, &'static str>)>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
    declared: Option<u64>,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        let Some((pause, _)) = self.pieces.front() else { return Poll::Ready(None) };
        let pause = *pause;
        let sleep = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        if !pause.is_zero() && sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.pause = None;
        Poll::Ready(self.pieces.pop_front().map(|(_, piece)| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.declared.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Pieces of so many bytes, each after so many seconds.
fn body(pieces: &[(u64, usize)], declared: Option<u64>) -> Paced {
    let pieces = pieces
        .iter()
        .map(|(seconds, len)| (Duration::from_secs(*seconds), Ok(Bytes::from(vec![b'x'; *len]))))
        .collect();
    Paced { pieces, pause: None, declared }
}

async fn take(mut body: Paced, limit: usize, budget: &Budget) -> Result<Option<Blob>, BodyError> {
    read(&mut body, limit, budget, &Limits::default()).await
}

#[tokio::test(start_paused = true)]
async fn whole_hashed_and_paid_for_until_it_is_dropped() {
    let budget = Budget::new(1 << 20);
    let blob = take(body(&[(0, 3), (1, 4)], Some(7)), 100, &budget).await.unwrap().unwrap();
    assert_eq!(blob.bytes().as_ref(), b"xxxxxxx");
    assert_eq!(blob.digests().sha256, <[u8; 32]>::from(Sha256::digest(b"xxxxxxx")));
    assert_eq!(budget.taken(), 7);
    let clone = blob.clone();
    drop(blob);
    assert_eq!(budget.taken(), 7);
    drop(clone);
    assert_eq!(budget.taken(), 0);
    assert!(take(body(&[], Some(0)), 100, &budget).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_with_and_without_a_declared_length() {
    let budget = Budget::new(1 << 20);
    assert!(take(body(&[(0, 100)], Some(100)), 100, &budget).await.is_ok());
    assert!(take(body(&[(0, 100)], None), 100, &budget).await.is_ok());
    assert_eq!(take(body(&[(0, 1)], Some(101)), 100, &budget).await.unwrap_err(), BodyError::TooLarge);
    assert_eq!(take(body(&[(0, 60), (0, 41)], None), 100, &budget).await.unwrap_err(), BodyError::TooLarge);
    assert_eq!(take(body(&[(0, 1)], Some(u64::MAX)), 100, &budget).await.unwrap_err(), BodyError::TooLarge);
    assert_eq!(budget.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn memory_follows_what_came_in_not_what_was_announced() {
    let budget = Budget::new(64 * 1024);
    let mut waiting = Vec::new();
    for _ in 0..200 {
        let budget = budget.clone();
        let slow = body(&[(0, 100), (5, 100), (60, 1)], Some(60_000));
        waiting.push(tokio::spawn(async move { take(slow, 60_000, &budget).await }));
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(budget.taken(), 200 * 200);
    for task in waiting {
        assert_eq!(task.await.unwrap().unwrap_err(), BodyError::Slow);
    }
    assert_eq!(budget.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn too_much_at_once_is_refused_and_given_back() {
    let budget = Budget::new(100);
    let first = take(body(&[(0, 80)], Some(80)), 100, &budget).await.unwrap();
    assert_eq!(take(body(&[(0, 30)], Some(30)), 100, &budget).await.unwrap_err(), BodyError::Overloaded);
    drop(first);
    assert!(take(body(&[(0, 30)], Some(30)), 100, &budget).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn slow_senders_are_given_up() {
    let budget = Budget::new(1 << 20);
    // A byte now and then never makes enough progress.
    let dripping: Vec<_> = (0..1000).map(|_| (3, 1)).collect();
    let began = Instant::now();
    assert_eq!(take(body(&dripping, None), 1 << 20, &budget).await.unwrap_err(), BodyError::Slow);
    assert_eq!(began.elapsed().as_secs(), 10);
    // Enough progress in every span, but never an end.
    let endless: Vec<_> = (0..1000).map(|_| (5, 1024)).collect();
    let began = Instant::now();
    assert_eq!(take(body(&endless, None), 1 << 30, &budget).await.unwrap_err(), BodyError::Slow);
    assert_eq!(began.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_broken_body_is_no_body() {
    let budget = Budget::new(1 << 20);
    let mut broken = body(&[(0, 3)], Some(7));
    broken.pieces.push_back((Duration::ZERO, Err("the connection ended")));
    assert_eq!(take(broken, 100, &budget).await.unwrap_err(), BodyError::Broken);
}

/// Uploads may take their time, and not all the time there is.
#[tokio::test(start_paused = true)]
async fn uploads_are_bounded_too() {
    let limits = Limits::default().of_uploads();
    let all = async |mut body: Paced, most: u64| {
        let mut pieces = Pieces::of(&body, most, &limits)?;
        let mut bytes = 0;
        while let Some(piece) = pieces.next(&mut body).await? {
            bytes += piece.len();
        }
        Ok(bytes)
    };
    // Nine minutes at the least pace, which is more than a state may take.
    assert_eq!(all(body(&[(9, 64 << 10); 60], None), 64 << 20).await, Ok(60 * (64 << 10)));
    // A trickle, though it never stops.
    assert_eq!(all(body(&[(1, 1000); 60], None), 64 << 20).await, Err(BodyError::Slow));
    // The same pace for more than an hour.
    assert_eq!(all(body(&[(9, 64 << 10); 401], None), 64 << 20).await, Err(BodyError::Slow));
    assert_eq!(all(body(&[(0, 60), (0, 41)], None), 100).await, Err(BodyError::TooLarge));
    assert_eq!(all(body(&[(0, 1)], Some(101)), 100).await, Err(BodyError::TooLarge));
}
