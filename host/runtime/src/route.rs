//! One route, ready to be instantiated.

use std::sync::Arc;

use crate::component::Component;
use crate::permissions::Permissions;

/// A route, or the authorizer: a component with its permissions.
pub(crate) struct Route {
    pub(crate) component: Arc<Component>,
    /// True if the route is two-way, so that a reply reaches the client.
    pub(crate) response: bool,
    pub(crate) permissions: Arc<Permissions>,
}
