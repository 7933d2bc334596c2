//! The span that the running code belongs to.
//!
//! Input: a context and a future. Output: [`TraceContext::current`] while that future is polled, on whatever thread. Deliberately
//! moves the context in and out of a thread's slot at each poll instead of cloning it: that costs nanoseconds and no allocation.

use std::{
    cell::RefCell,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::TraceContext;

thread_local! {
    static CURRENT: RefCell<Option<TraceContext>> = const { RefCell::new(None) };
}

impl TraceContext {
    /// The span the running code belongs to; `None` outside of every span.
    pub fn current() -> Option<Self> {
        of_current(Self::clone)
    }
}

/// What `look` sees in the current span; `None` outside of every span.
pub(crate) fn of_current<T>(look: impl FnOnce(&TraceContext) -> T) -> Option<T> {
    // A thread that is ending has no slot any more, and no span.
    CURRENT.try_with(|current| current.borrow().as_ref().map(look)).ok().flatten()
}

/// Makes `slot`'s context the current one until it is dropped, then puts it back and restores the one before.
pub(crate) struct Entered<'a> {
    slot: &'a mut Option<TraceContext>,
}

impl<'a> Entered<'a> {
    pub(crate) fn new(slot: &'a mut Option<TraceContext>) -> Self {
        exchange(slot);
        Self { slot }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        exchange(self.slot);
    }
}

fn exchange(slot: &mut Option<TraceContext>) {
    let _ = CURRENT.try_with(|current| mem::swap(&mut *current.borrow_mut(), slot));
}

pin_project! {
    /// A future that runs in a span; made by [`in_context`] and the methods that use it.
    #[derive(Debug)]
    pub struct InContext<F> {
        #[pin]
        future: F,
        context: Option<TraceContext>,
    }
}

/// Runs `future` in the span `context`, or in none.
pub fn in_context<F: Future>(context: Option<TraceContext>, future: F) -> InContext<F> {
    InContext { future, context }
}

/// Runs `future` in the current span wherever it is polled. A spawned task does not inherit the span: this is how it gets it.
pub fn in_current_context<F: Future>(future: F) -> InContext<F> {
    in_context(TraceContext::current(), future)
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = Entered::new(this.context);
        this.future.poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(digit: u8) -> Option<TraceContext> {
        TraceContext::parse(&format!("00-{:032x}-{digit:016x}-00", 1), None)
    }

    fn current() -> Option<u64> {
        TraceContext::current().map(|context| context.span_id.0)
    }

    #[tokio::test]
    async fn a_future_keeps_its_span_across_waits_threads_and_panics() {
        assert_eq!(current(), None);
        let nested = in_context(named(1), async {
            assert_eq!(current(), Some(1));
            in_context(named(2), async {
                tokio::task::yield_now().await;
                assert_eq!(current(), Some(2));
            })
            .await;
            in_context(None, async { assert_eq!(current(), None) }).await;
            assert_eq!(current(), Some(1));
            let spawned = tokio::spawn(in_current_context(async { current() })).await.unwrap();
            assert_eq!(spawned, Some(1));
            assert_eq!(tokio::spawn(async { current() }).await.unwrap(), None);
        });
        nested.await;
        assert_eq!(current(), None);
        let panicking = std::panic::AssertUnwindSafe(in_context(named(3), async { panic!("on purpose") }));
        let mut panicking = Box::pin(panicking.0);
        let poll = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            panicking.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()))
        }));
        assert!(poll.is_err());
        assert_eq!(current(), None);
    }
}
