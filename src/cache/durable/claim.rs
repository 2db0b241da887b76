//! Of several servers that are asked the same, one computes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::identity::ResultKey;
use crate::store::Store;

/// How long a server that is never heard of again is waited for.
pub const LEASE: Duration = Duration::from_secs(5);

/// How often a server is heard of that computes.
const RENEWAL: Duration = Duration::from_millis(1500);

/// The right, among all servers, to compute some keys. It is renewed until it is dropped; then it is let go, but for
/// keys that were [made](Claim::made).
pub struct Claim {
    keys: Vec<ResultKey>,
    made: Vec<ResultKey>,
    shared: Option<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    renewal: AbortHandle,
}

impl Claim {
    /// What nobody else knows of.
    pub fn of_ones_own(keys: Vec<ResultKey>) -> Self {
        Claim { keys, made: Vec::new(), shared: None }
    }

    /// What was granted.
    pub(super) fn held(store: Arc<dyn Store>, keys: Vec<ResultKey>) -> Self {
        if keys.is_empty() {
            return Claim::of_ones_own(keys);
        }
        let renewing = (store.clone(), keys.clone());
        let renewal = tokio::spawn(async move {
            let (store, keys) = renewing;
            let mut rounds = interval(RENEWAL);
            rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            rounds.tick().await;
            loop {
                rounds.tick().await;
                if let Err(error) = store.claim(&keys, LEASE).await {
                    // Another server may begin too; both will come to the same.
                    tracing::debug!(%error, "a claim was not renewed");
                }
            }
        });
        Claim { keys, made: Vec::new(), shared: Some(Shared { store, renewal: renewal.abort_handle() }) }
    }

    /// What may be computed.
    pub fn keys(&self) -> &[ResultKey] {
        &self.keys
    }

    /// A key was computed. Others go on waiting for a moment: writing its result ends the claim. To be said before
    /// anyone has the result: whoever has it may be gone at once, and the claim with it.
    pub fn made(&mut self, key: ResultKey) {
        self.made.push(key);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(Shared { store, renewal }) = self.shared.take() else { return };
        renewal.abort();
        let mut keys = std::mem::take(&mut self.keys);
        keys.retain(|key| !self.made.contains(key));
        if keys.is_empty() {
            return;
        }
        // Outside of a runtime the process ends, and the lease with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { store.let_go(&keys).await });
        }
    }
}
