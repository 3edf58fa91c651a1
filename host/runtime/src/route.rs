//! One route, ready to be instantiated.

use std::sync::Arc;

use crate::component::Component;
use crate::permissions::Permissions;
use crate::scheduler::Account;
use crate::slots::RouteSlots;

/// A route, or the authorizer: a component with its permissions.
pub(crate) struct Route {
    pub(crate) component: Arc<Component>,
    /// True if the route is two-way, so that a reply reaches the client.
    pub(crate) response: bool,
    pub(crate) permissions: Arc<Permissions>,
    /// The route's share of the slots.
    pub(crate) slots: RouteSlots,
    /// The route's share of the calls to the database.
    pub(crate) database_calls: Arc<RouteSlots>,
    /// The route's CPU time.
    pub(crate) account: Arc<Account>,
}
