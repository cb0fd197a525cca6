//! Finding the route of a request among those that a component serves.

use crate::{BodySize, Right, Route};

/// The route that fits `method` and `path` with the longest prefix, and how many segments that has.
/// A request that none fits gets what the contract says: it needs `read`, has a small body, and its
/// store calls do not wait.
pub(crate) fn find(routes: &[Route], method: &str, path: &[String]) -> (Route, usize) {
    let fits = |route: &&Route| route.method == method && path.starts_with(&route.prefix);
    match routes.iter().filter(fits).max_by_key(|route| route.prefix.len()) {
        Some(route) => (route.clone(), route.prefix.len()),
        None => {
            let route = Route {
                method: method.to_owned(),
                prefix: Vec::new(),
                right: Right::Read,
                body: BodySize::Small,
                waits_for_store: false,
            };
            (route, 0)
        }
    }
}
