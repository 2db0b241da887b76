//! A body as it arrives, up to a size and a time: for those that are too large to be held.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::problem::Problem;

/// How long the rest of a body is read that is refused. Some clients read no answer before they have sent all.
const DISCARDING: Duration = Duration::from_secs(10);

/// How large a body may be.
#[derive(Clone, Copy)]
pub struct Limit {
    /// Bytes of it.
    pub bytes: u64,
    /// How it is told that there are more than so many.
    pub problem: fn(u64) -> Problem,
}

/// A body on its way.
pub struct Incoming {
    stream: BodyDataStream,
    limit: Limit,
    left: u64,
    deadline: Instant,
    /// Whether nothing more comes, or nothing more is wanted.
    is_over: bool,
}

impl Incoming {
    /// A body of which nothing has been read.
    ///
    /// # Errors
    /// One that announces too large a size is refused before it is sent.
    pub fn new(body: Body, limit: Limit, deadline: Instant) -> Result<Self, Problem> {
        if body.size_hint().lower() > limit.bytes {
            return Err((limit.problem)(limit.bytes));
        }
        let stream = body.into_data_stream();
        Ok(Incoming { stream, limit, left: limit.bytes, deadline, is_over: false })
    }

    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// It is too large, too slow, or breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let arrived = timeout_at(self.deadline, self.stream.next()).await;
        self.is_over = !matches!(arrived, Ok(Some(Ok(_))));
        match arrived {
            Err(_) => Err(Problem::body_too_slow()),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => Err(Problem::unreadable_body("the body ended before its end")),
            Ok(Some(Ok(bytes))) => {
                let left = self.left.checked_sub(bytes.len() as u64);
                self.is_over = left.is_none();
                self.left = left.ok_or_else(|| (self.limit.problem)(self.limit.bytes))?;
                Ok(Some(bytes))
            }
        }
    }

    /// Reads what is still to come, for a while.
    pub async fn discard(&mut self) {
        let reading = async {
            while !self.is_over {
                // What is wrong with the rest interests nobody.
                let _ = self.next().await;
            }
        };
        let _ = timeout(DISCARDING, reading).await;
    }
}
