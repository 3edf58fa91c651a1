//! The memory budget that all instances share.

use std::sync::Arc;
use std::time::Duration;

use tidegate_event::FunctionError;
use tidegate_ports::{Deadline, MemoryBudget};
use tidegate_runtime::{Engine, EngineOptions, Outcome};

use crate::events;
use crate::fixture::{Fixture, app};

const MIB: usize = 1 << 20;

fn fixture(budget: &MemoryBudget, options: EngineOptions) -> Arc<Fixture> {
    Arc::new(Fixture::with(Engine::with_memory(options, budget.clone()).unwrap(), app()).unwrap())
}

fn is_busy(outcome: &Outcome) -> bool {
    let busy =
        |error: &FunctionError| error.error_type == "Tidegate.Busy" && error.error_message.contains("memory budget");
    assert_eq!(outcome.fault, None, "the release is not charged");
    outcome.response.as_ref().is_err_and(busy)
}

#[tokio::test]
async fn greedy_guests_stay_within_the_budget_and_leave_room() {
    for options in [EngineOptions::pooling(16), EngineOptions::on_demand(16)] {
        let budget = MemoryBudget::new(128 * MIB);
        let fixture = fixture(&budget, options);
        let greedy: Vec<_> = (0..8)
            .map(|_| {
                let fixture = Arc::clone(&fixture);
                tokio::spawn(async move { fixture.dispatch(&events::message("any", "memory")).await })
            })
            .collect();
        // Each asks for 64 MiB. The budget refuses, not the limit of the route.
        let mut refused = 0;
        for greedy in greedy {
            let outcome = greedy.await.unwrap();
            refused += usize::from(outcome.response.as_ref().is_err_and(|error| error.error_type == "Tidegate.Busy"));
            assert!(outcome.response.is_err());
        }
        assert!(refused > 0 && budget.refused() > 0, "{options:?}: nothing was refused");
        assert!(budget.peak() <= budget.limit());
        assert_eq!(fixture.probe("any", "echo after").await, "echo after");
    }
}

#[tokio::test]
async fn growth_that_the_budget_refuses_is_not_a_fault_of_the_release() {
    let budget = MemoryBudget::new(32 * MIB);
    let outcome = fixture(&budget, EngineOptions::on_demand(1)).dispatch(&events::message("any", "memory")).await;
    assert!(is_busy(&outcome), "{:?}", outcome.response);
    drop(outcome);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn an_instance_that_never_fits_fails_as_busy() {
    let budget = MemoryBudget::new(2 * MIB);
    let mut app = app();
    app.routes.values_mut().for_each(|route| route.limits.time = Duration::from_millis(200));
    let engine = Engine::with_memory(EngineOptions::on_demand(1), budget).unwrap();
    let outcome = Fixture::with(engine, app).unwrap().dispatch(&events::message("any", "echo x")).await;
    assert!(is_busy(&outcome), "{:?}", outcome.response);
}

#[tokio::test]
async fn an_instance_waits_until_another_has_ended() {
    let budget = MemoryBudget::new(12 * MIB);
    let fixture = fixture(&budget, EngineOptions::on_demand(8));
    let echo = |text: usize| {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move { fixture.probe("any", &format!("echo {text}")).await })
    };
    let events: Vec<_> = (0..32).map(echo).collect();
    for (text, event) in events.into_iter().enumerate() {
        assert_eq!(event.await.unwrap(), format!("echo {text}"));
    }
    assert!(budget.peak() <= budget.limit());
}

#[tokio::test]
async fn deferred_messages_count() {
    let budget = MemoryBudget::new(16 * MIB);
    let fixture = fixture(&budget, EngineOptions::on_demand(1));
    let outcome = fixture.dispatch(&events::connect("greetings")).await;
    assert!(budget.used() >= MIB, "{} bytes for eight messages", budget.used());
    outcome.after.run(Deadline::after(Duration::from_secs(10))).await;
    assert_eq!(fixture.world.data().deferred.iter().map(|(_, messages)| messages.len()).sum::<usize>(), 8);
}
