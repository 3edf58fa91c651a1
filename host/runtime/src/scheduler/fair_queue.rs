//! The guests that wait for a guest thread, in the order of fairness.

use super::guest_threads::Task;

/// The waiting guests. At most one for each slot, so a scan of all of them costs far less than a slice.
#[derive(Default)]
pub(super) struct FairQueue {
    tasks: Vec<(u64, Task)>,
    /// The CPU time of the route of the last guest that ran. An account that becomes active begins here.
    time: u64,
    pushed: u64,
}

impl FairQueue {
    pub(super) fn push(&mut self, task: Task) {
        task.flight.route().raise(self.time);
        self.pushed += 1;
        self.tasks.push((self.pushed, task));
    }

    /// Takes the guest whose route has used the least CPU time, then the one whose connection has, then the one that
    /// has used the least itself. Guests that are equal run in the order of their arrival.
    pub(super) fn pop(&mut self) -> Option<Task> {
        let key = |(arrival, task): &(u64, Task)| {
            let flight = &task.flight;
            (flight.route().used(), flight.connection().used(), flight.cpu(), *arrival)
        };
        let (index, _) = self.tasks.iter().enumerate().min_by_key(|(_, task)| key(task))?;
        let (_, task) = self.tasks.swap_remove(index);
        self.time = self.time.max(task.flight.route().used());
        Some(task)
    }
}
