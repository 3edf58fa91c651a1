//! The environments of the functions, shared fairly by routes and connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidegate_event::RouteKey;
use tidegate_gateway::{Caller, Function};
use tidegate_lambda_emulator::function::MAX_ENVIRONMENTS;
use tidegate_ports::Deadline;
use tidegate_runtime::slots::{NoSlot, RouteSlots, Slot, Slots};

/// API Gateway's maximum integration timeout. An event does not wait longer for an environment.
const TIMEOUT: Duration = Duration::from_secs(29);

/// The environments of both functions.
pub(crate) struct Environments {
    handler: Slots,
    authorizer: Slots,
    routes: Mutex<HashMap<(Function, RouteKey), Arc<RouteSlots>>>,
}

impl Environments {
    pub(crate) fn new() -> Self {
        let slots = || Slots::new(MAX_ENVIRONMENTS);
        Self { handler: slots(), authorizer: slots(), routes: Mutex::default() }
    }

    /// Waits until the event of `caller` may use an environment of `function`.
    ///
    /// # Errors
    /// No environment becomes free, or the client leaves. A `$disconnect` runs after its client has left.
    pub(crate) async fn slot(&self, function: Function, caller: Caller<'_>) -> Result<Slot, NoSlot> {
        let client = Some(caller.departed).filter(|_| caller.route.as_str() != RouteKey::DISCONNECT);
        self.route(function, caller.route).slot(caller.connection, Deadline::after(TIMEOUT), client).await
    }

    fn route(&self, function: Function, key: &RouteKey) -> Arc<RouteSlots> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let register = || match function {
            Function::Handler => Arc::new(self.handler.register(Some(key))),
            Function::Authorizer => Arc::new(self.authorizer.register(None)),
        };
        Arc::clone(routes.entry((function, key.clone())).or_insert_with(register))
    }
}
