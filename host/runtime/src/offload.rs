//! Host calls that take more than about a millisecond of CPU time, off the threads of the executor.
//!
//! A call converts documents between JSON, DynamoDB's attribute values and HTTP, which takes about 100 ns for each
//! member of a document. A database in memory works on the caller's thread too. A call that moves many bytes therefore
//! runs, from beginning to end, on a thread of the blocking pool. So does any call of a guest that has moved to a guest
//! thread: it may be one of thousands.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use crate::scheduler::{self, Flight};

/// The number of bytes of documents above which a call is offloaded.
pub(crate) const LARGE_BYTES: usize = 8 << 10;
/// The number of documents above which a call is offloaded.
pub(crate) const MANY_DOCUMENTS: usize = 8;

/// One permit for each CPU: more threads would take the CPUs from the threads of the executor.
static PERMITS: LazyLock<Semaphore> = LazyLock::new(|| {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new(cpus)
});

/// Completes a call, on a thread of the blocking pool if it is large or if its guest has left the executor. Charges the
/// event for the CPU time of that thread.
///
/// If this future is dropped, a call that has begun on another thread is dropped when it waits for the next time.
pub(crate) async fn complete<T: Send + 'static>(
    is_large: bool,
    flight: &Arc<Flight>,
    call: impl Future<Output = T> + Send + 'static,
) -> T {
    if !(is_large || scheduler::has_moved()) {
        return call.await;
    }
    let (send, mut receive) = oneshot::channel();
    // Boxed, because the code that moves a call would otherwise be compiled for each kind of call.
    beside(
        Arc::clone(flight),
        Box::pin(async move {
            // The receiver is gone only if nobody waits for the answer any more.
            let _ = send.send(call.await);
        }),
    )
    .await;
    match receive.try_recv() {
        Ok(answer) => answer,
        // The runtime shuts down, and drops this future too.
        Err(_) => std::future::pending().await,
    }
}

async fn beside(flight: Arc<Flight>, call: Pin<Box<dyn Future<Output = ()> + Send>>) {
    // The semaphore is never closed.
    let permit = PERMITS.acquire().await;
    let runtime = Handle::current();
    // The end of the executor drops this future, and then waits for the threads of the blocking pool. Nothing else
    // would wake a call that waits.
    let (_wanted, unwanted) = oneshot::channel::<()>();
    let call = async move {
        tokio::select! {
            biased;
            () = call => {}
            _ = unwanted => {}
        }
    };
    let task = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        flight.charge_beside(|| runtime.block_on(call));
    });
    if let Err(error) = task.await
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::context::tests::context;
    use crate::scheduler::Scheduler;

    fn flight() -> Arc<Flight> {
        Scheduler::start(0).unwrap().begin(&Arc::default(), &Arc::new(context()))
    }

    async fn thread_of(is_large: bool) -> ThreadId {
        complete(is_large, &flight(), async {
            // Timers belong to the runtime.
            tokio::time::sleep(Duration::from_millis(1)).await;
            thread::current().id()
        })
        .await
    }

    #[tokio::test]
    async fn only_large_calls_leave_the_thread() {
        assert_eq!(thread_of(false).await, thread::current().id());
        assert_ne!(thread_of(true).await, thread::current().id());
    }

    #[test]
    fn the_end_of_the_executor_does_not_wait_for_a_call() {
        let executor = tokio::runtime::Runtime::new().unwrap();
        let (begin, begun) = std::sync::mpsc::channel();
        executor.spawn(async move {
            let call = async move {
                begin.send(()).unwrap();
                std::future::pending::<()>().await;
            };
            complete(true, &flight(), call).await;
        });
        begun.recv().unwrap();
        drop(executor);
    }

    #[tokio::test]
    async fn the_event_pays_for_the_work_of_another_thread() {
        let flight = flight();
        complete(true, &flight, async {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(50) {}
        })
        .await;
        assert!(flight.cpu() > Duration::ZERO);
    }
}
