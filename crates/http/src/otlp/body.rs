//! Bodies of requests, within a budget that all senders share.
//!
//! Input: bodies from the network. Output: their bytes, with a share of the [`Budget`] that is given back when the request
//! is done. A body takes its share as it arrives, so that a sender that only announces much holds nothing.

use super::Refused;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one unit of the budget stands for.
const UNIT: usize = 4096;
/// How long a sender may take for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that requests may hold, all together.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS))))
    }
}

/// What a request holds of the budget.
#[derive(Debug, Default)]
pub(crate) struct Reserved(Option<OwnedSemaphorePermit>);

impl Reserved {
    /// Takes so many bytes more, if they are there.
    pub(crate) fn grow(&mut self, budget: &Budget, bytes: usize) -> bool {
        let Ok(units) = u32::try_from(bytes.div_ceil(UNIT)) else {
            return false;
        };
        match Arc::clone(&budget.0).try_acquire_many_owned(units) {
            Ok(more) => {
                match &mut self.0 {
                    Some(held) => held.merge(more),
                    none => *none = Some(more),
                }
                true
            }
            Err(_) => false,
        }
    }
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn receive(body: Body, limit: usize, budget: &Budget) -> Result<(Bytes, Reserved), Refused> {
    match tokio::time::timeout(BODY_TIMEOUT, read(body, limit, budget)).await {
        Ok(received) => received,
        Err(_) => Err(Refused::too_slow(BODY_TIMEOUT.as_secs())),
    }
}

async fn read(mut body: Body, limit: usize, budget: &Budget) -> Result<(Bytes, Reserved), Refused> {
    let mut reserved = Reserved::default();
    let mut held = UNIT;
    if !reserved.grow(budget, UNIT) {
        return Err(Refused::overloaded());
    }
    // Most bodies are one frame, which needs no copy.
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Refused::new("cut_off", tidewatch_otlp::Code::InvalidArgument, error.to_string())
        })?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > limit {
            return Err(Refused::too_large(limit));
        }
        if length > held {
            let more = (length - held).max(held).min(limit.saturating_sub(held).max(length - held));
            if !reserved.grow(budget, more) {
                return Err(Refused::overloaded());
            }
            held += more;
        }
        if length == data.len() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
                first = Bytes::new();
            }
            all.extend_from_slice(&data);
        }
    }
    let bytes = if all.is_empty() { first } else { all.freeze() };
    Ok((bytes, reserved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_holds_its_share_until_it_is_dropped() {
        let budget = Budget::new(3 * UNIT);
        let received = receive(Body::from(vec![7; 2 * UNIT]), 1 << 20, &budget).await.unwrap();
        assert_eq!((received.0.len(), budget.0.available_permits()), (2 * UNIT, 1));
        let refused = receive(Body::from(vec![7; UNIT + 1]), 1 << 20, &budget).await.unwrap_err();
        assert_eq!(refused.reason, "overloaded");
        drop(received);
        assert_eq!(budget.0.available_permits(), 3);
        let refused = receive(Body::from(vec![7; 11]), 10, &budget).await.unwrap_err();
        assert_eq!(refused.reason, "too_large");
        assert_eq!(budget.0.available_permits(), 3);
    }
}
