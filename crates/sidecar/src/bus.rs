//! What a message bus does for the sidecar, so that all but Kafka can be tried without Kafka.
//!
//! Input: messages to publish, topics to read. Output: the messages of these topics to a [`Deliver`], in order within a partition, each until
//! it is done. It knows neither CloudEvents nor applications.

use bytes::Bytes;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;

/// A future without a name.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A message on its way to the bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) topic: String,
    /// Messages with the same key keep their order.
    pub(crate) key: Option<String>,
    pub(crate) payload: Bytes,
    pub(crate) headers: Vec<(String, String)>,
}

/// A message from the bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Milliseconds since the epoch.
    pub(crate) timestamp: i64,
    pub(crate) key: Option<String>,
    /// `None` for a message without one (a tombstone).
    pub(crate) payload: Option<Bytes>,
    pub(crate) headers: Vec<(String, String)>,
}

/// Whether work is to end; true once it is.
pub(crate) type Stop = watch::Receiver<bool>;

/// What takes the messages of a subscription.
pub(crate) trait Deliver: Send + Sync + 'static {
    /// Delivers a message. `Ok` when it is done, also when it was dropped; an error when the bus is to deliver it again.
    fn deliver(&self, message: Arc<Incoming>, stop: Stop) -> Boxed<'_, Result<(), String>>;
}

/// Topics that are being read.
pub(crate) trait Reading: Send {
    /// Takes no further message, lets those under way finish, and gives the partitions up.
    fn stop(self: Box<Self>) -> Boxed<'static, ()>;
}

/// A message bus.
pub(crate) trait Bus: Send + Sync + 'static {
    /// Publishes messages together; one result each, in the same order, once the bus has them for good.
    fn publish(&self, messages: Vec<Outgoing>) -> Boxed<'_, Vec<Result<(), String>>>;

    /// Begins to read topics, each with what takes its messages.
    ///
    /// # Errors
    /// When the bus cannot be read at all.
    fn read(&self, topics: Vec<(String, Arc<dyn Deliver>)>) -> Result<Box<dyn Reading>, String>;
}

/// Waits until `stop` is true; for ever when nobody can say so any more.
pub(crate) async fn stopped(stop: &mut Stop) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A bus in memory for tests: it records what is published, and refuses when told to.
#[cfg(test)]
pub(crate) mod double {
    use super::{Boxed, Bus, Deliver, Outgoing, Reading};
    use std::sync::{Arc, Mutex};

    /// Refuses as many publishes as `refusals` says.
    #[derive(Default)]
    pub(crate) struct MemoryBus {
        pub(crate) published: Mutex<Vec<Outgoing>>,
        pub(crate) refusals: Mutex<usize>,
    }

    impl MemoryBus {
        /// One that refuses so many.
        pub(crate) fn refusing(refusals: usize) -> Arc<Self> {
            Arc::new(Self { refusals: Mutex::new(refusals), ..Self::default() })
        }

        /// The topics published to, in order.
        pub(crate) fn topics(&self) -> Vec<String> {
            self.published.lock().expect("no test panics in it").iter().map(|one| one.topic.clone()).collect()
        }

        fn publish_one(&self, message: Outgoing) -> Result<(), String> {
            let mut refusals = self.refusals.lock().expect("no test panics in it");
            if *refusals > 0 {
                *refusals -= 1;
                return Err("refused".to_owned());
            }
            self.published.lock().expect("no test panics in it").push(message);
            Ok(())
        }
    }

    impl Bus for MemoryBus {
        fn publish(&self, messages: Vec<Outgoing>) -> Boxed<'_, Vec<Result<(), String>>> {
            Box::pin(async move { messages.into_iter().map(|message| self.publish_one(message)).collect() })
        }

        fn read(&self, _topics: Vec<(String, Arc<dyn Deliver>)>) -> Result<Box<dyn Reading>, String> {
            Err("nothing is read from memory".to_owned())
        }
    }
}
