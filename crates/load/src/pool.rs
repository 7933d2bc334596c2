//! Requests that wait for a connection, and the connections of one origin, bounded.
//!
//! Input: requests that are due. Output: how each ended, to the ledger or to who asked. Requests go out in the order in
//! which they were due. How many may wait is the caller's business.

use crate::connection::{Connection, Outcome};
use crate::recorder::Ledger;
use crate::work::{Meaning, Outgoing};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};

/// A request that is due.
pub(crate) struct Job {
    pub(crate) request: Outgoing,
    pub(crate) due: Instant,
    pub(crate) timeout: Duration,
    pub(crate) reply: Reply,
}

/// Who is told how it ended.
pub(crate) enum Reply {
    /// The ledger: it is part of the load.
    Measured(Entry),
    /// Who asked: it prepares or tidies up. The body of the answer is kept.
    To(oneshot::Sender<Outcome>),
}

/// What the ledger needs to know of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The second of the schedule in which it is due.
    pub(crate) second: u32,
    pub(crate) operation: usize,
    pub(crate) meaning: Meaning,
    pub(crate) due: Instant,
}

/// The connections of one origin.
pub(crate) struct Pool {
    addresses: Vec<SocketAddr>,
    most: usize,
    lifetime: Duration,
    seed: u64,
    ledger: Arc<Ledger>,
    /// One permit for each waiting job.
    waiting: Semaphore,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    workers: usize,
}

impl Pool {
    pub(crate) fn new(
        addresses: Vec<SocketAddr>,
        most: usize,
        lifetime: Duration,
        seed: u64,
        ledger: Arc<Ledger>,
    ) -> Arc<Self> {
        let (waiting, queue) = (Semaphore::new(0), Mutex::default());
        Arc::new(Self { addresses, most, lifetime, seed, ledger, waiting, queue })
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request.
    pub(crate) fn submit(self: &Arc<Self>, job: Job) {
        let mut queue = self.queue();
        queue.jobs.push_back(job);
        if queue.jobs.len() > queue.idle && queue.workers < self.most {
            queue.workers += 1;
            queue.idle += 1;
            tokio::spawn(Arc::clone(self).work(queue.workers as u64));
        }
        drop(queue);
        self.waiting.add_permits(1);
    }

    /// Ends the connections; what waits is dropped.
    pub(crate) fn close(&self) {
        self.waiting.close();
        self.queue().jobs.clear();
    }

    async fn work(self: Arc<Self>, number: u64) {
        let mut connection =
            Connection::new(self.addresses.clone(), self.lifetime, self.seed.wrapping_add(number));
        let mut opened = 0;
        while let Ok(permit) = self.waiting.acquire().await {
            permit.forget();
            let job = {
                let mut queue = self.queue();
                queue.idle -= 1;
                queue.jobs.pop_front()
            };
            if let Some(job) = job {
                let keep = matches!(job.reply, Reply::To(_));
                let outcome = connection.exchange(job.request, job.due + job.timeout, keep).await;
                self.queue().idle += 1;
                match job.reply {
                    Reply::Measured(entry) => {
                        self.ledger.finished(&entry, &outcome, connection.opened - opened);
                        opened = connection.opened;
                    }
                    // who asked may have gone
                    Reply::To(reply) => drop(reply.send(outcome)),
                }
            } else {
                self.queue().idle += 1;
            }
        }
    }
}
