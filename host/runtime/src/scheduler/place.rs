//! The thread that polls a guest, and the guest's wish to continue on another one.
//!
//! A guest is polled by one thread at a time. Code inside the guest's future, such as a host call, asks the code that
//! polls the future to move it: it leaves a request in a thread-local variable and returns `Pending` once.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

/// The place where a guest wants to continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// On a guest thread, behind the guests that have used less CPU time.
    GuestThread,
    /// On the executor, for a host call.
    Executor,
}

/// The kind of the current thread, seen from the guest that it polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    GuestThread,
    /// A thread of the executor.
    Executor {
        /// True if the guest returns to a guest thread after a host call.
        has_moved: bool,
    },
}

impl Place {
    /// Returns the place of the guest that this thread polls.
    pub(super) fn current() -> Option<Self> {
        PLACE.get()
    }
}

thread_local! {
    static PLACE: Cell<Option<Place>> = const { Cell::new(None) };
    static REQUEST: Cell<Option<Request>> = const { Cell::new(None) };
}

/// Polls a guest in a place. Returns the result of the poll and the guest's request.
pub(super) fn poll_in<T>(place: Place, poll: impl FnOnce() -> Poll<T>) -> (Poll<T>, Option<Request>) {
    PLACE.set(Some(place));
    REQUEST.set(None);
    let polled = poll();
    PLACE.set(None);
    (polled, REQUEST.take())
}

/// Returns true if the guest that this thread of the executor polls runs on guest threads otherwise.
pub(crate) fn has_moved() -> bool {
    PLACE.get() == Some(Place::Executor { has_moved: true })
}

/// Ends the slice of a guest that has run for a tick.
pub(crate) async fn end_of_slice() {
    request(Request::GuestThread).await;
}

/// Runs a host call on the executor. A guest that had moved to a guest thread returns to it afterwards.
pub(crate) async fn on_executor<T>(call: impl Future<Output = T>) -> T {
    if PLACE.get() == Some(Place::GuestThread) {
        request(Request::Executor).await;
    }
    let answer = call.await;
    if has_moved() {
        request(Request::GuestThread).await;
    }
    answer
}

async fn request(request: Request) {
    let mut has_asked = false;
    poll_fn(|cx| {
        if has_asked {
            return Poll::Ready(());
        }
        has_asked = true;
        match PLACE.get() {
            Some(_) => REQUEST.set(Some(request)),
            // Nobody will see the request.
            None => cx.waker().wake_by_ref(),
        }
        Poll::Pending
    })
    .await;
}
