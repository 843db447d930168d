//! Networks whose addresses the host knows elsewhere.

use crate::failure::refused;
use crate::host::links::{Link, Links, Route};
use error::{Code, Result};
use model::network::{Network as Document, Subnet};

/// Whether the host can do without what a network takes: of a wider route of its own the network is but a part, but what it reaches
/// in a narrower one it would reach no more.
///
/// # Errors
/// [`Code::InternalError`], which is what stock daemons say.
pub(super) async fn check(links: &Links, document: &Document) -> Result<()> {
    let routes = links.routes().await?;
    let taken: Vec<_> = document.subnets().collect();
    let Some((taken, route)) = taken.iter().find_map(|taken| {
        routes
            .iter()
            .find(|route| is_within(route, taken))
            .map(|route| (taken, route))
    }) else {
        return Ok(());
    };
    let all = links.all().await?;
    let link = all.iter().find(|link: &&Link| Some(link.index) == route.link);
    let text = format!(
        "network '{}': {taken} is already in use by interface {}",
        document.name,
        link.map_or("of another network", |link| &link.name)
    );
    Err(refused(Code::InternalError, text))
}

fn is_within(route: &Route, taken: &Subnet) -> bool {
    route.link.is_some() && route.prefix >= taken.length() && taken.contains(route.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_route_of_the_hosts_does_not_matter() {
        let taken = Subnet::of("192.168.122.0".parse().unwrap(), 24);
        let route = |to: &str, prefix| Route {
            to: to.parse().unwrap(),
            prefix,
            link: Some(1),
            is_advertised: false,
        };
        assert!(is_within(&route("192.168.122.0", 24), &taken));
        assert!(is_within(&route("192.168.122.128", 25), &taken));
        assert!(!is_within(&route("192.168.0.0", 16), &taken));
        assert!(!is_within(&route("192.168.123.0", 24), &taken));
        assert!(!is_within(&route("fd00::", 64), &taken));
    }
}
