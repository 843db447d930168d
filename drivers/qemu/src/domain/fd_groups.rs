//! Descriptors that clients give a domain under a name, for images that are not opened by their path.
//!
//! The session owns what it gave, and the domain only knows of it: a group goes with its session. A QEMU that was
//! started with it has doubles of its own.

use super::Domain;
use error::{Code, Domain as ErrorDomain, Error, Result};
use parking_lot::Mutex;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

/// How many descriptors one session may leave here at a time: they are the daemon's until the session ends.
const MOST: usize = 256;

/// The descriptors of one group.
pub(crate) type FdGroup = Arc<[OwnedFd]>;

/// The groups that a domain knows of, by name.
#[derive(Debug, Default)]
pub(crate) struct FdGroups(Mutex<Vec<Known>>);

#[derive(Debug)]
struct Known {
    name: Box<str>,
    group: Weak<[OwnedFd]>,
}

/// What a session has given, kept with it.
#[derive(Debug, Default)]
pub(crate) struct GivenFds(Mutex<Vec<Given>>);

#[derive(Debug)]
struct Given {
    domain: Weak<Domain>,
    name: Box<str>,
    group: FdGroup,
}

impl FdGroups {
    /// The group of that name, where the session that gave it is still there.
    pub(crate) fn get(&self, name: &str) -> Option<FdGroup> {
        let groups = self.0.lock();
        groups.iter().find(|known| *known.name == *name)?.group.upgrade()
    }

    fn set(&self, name: &str, group: &FdGroup) {
        let mut groups = self.0.lock();
        groups.retain(|known| *known.name != *name && known.group.strong_count() > 0);
        groups.push(Known {
            name: name.into(),
            group: Arc::downgrade(group),
        });
    }
}

impl GivenFds {
    /// Gives a domain a group of descriptors, in place of one that it had under that name.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] for too many.
    pub(crate) fn give(&self, domain: &Arc<Domain>, name: &str, descriptors: Vec<OwnedFd>) -> Result<()> {
        let mut given = self.0.lock();
        given.retain(|one| {
            let of = one.domain.upgrade();
            of.is_some_and(|of| !Arc::ptr_eq(&of, domain) || *one.name != *name)
        });
        let held: usize = given.iter().map(|one| one.group.len()).sum();
        if held.saturating_add(descriptors.len()) > MOST {
            let text = format!("a client can associate at most {MOST} file descriptors with domains");
            return Err(Error::new(Code::OperationFailed, ErrorDomain::Qemu, text));
        }
        let group: FdGroup = descriptors.into();
        domain.fd_groups.set(name, &group);
        given.push(Given {
            domain: Arc::downgrade(domain),
            name: name.into(),
            group,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptors(count: usize) -> Vec<OwnedFd> {
        (0..count)
            .map(|_| std::fs::File::open("/dev/null").unwrap().into())
            .collect()
    }

    #[test]
    fn a_group_is_replaced_by_name_and_goes_with_its_session() {
        let domain = Arc::new(Domain::new(uuid::Uuid::new_v4(), "guest"));
        let (session, other) = (GivenFds::default(), GivenFds::default());
        session.give(&domain, "disk", descriptors(1)).unwrap();
        session.give(&domain, "disk", descriptors(2)).unwrap();
        other.give(&domain, "more", descriptors(3)).unwrap();
        let length = |name| domain.fd_groups.get(name).map(|group| group.len());
        assert_eq!((length("disk"), length("more")), (Some(2), Some(3)));
        drop(session);
        assert_eq!((length("disk"), length("more")), (None, Some(3)));
    }

    #[test]
    fn a_session_cannot_fill_the_daemons_table_of_files() {
        let domain = Arc::new(Domain::new(uuid::Uuid::new_v4(), "guest"));
        let session = GivenFds::default();
        session.give(&domain, "all", descriptors(MOST)).unwrap();
        assert!(session.give(&domain, "more", descriptors(1)).is_err());
        session.give(&domain, "all", descriptors(1)).unwrap();
        session.give(&domain, "more", descriptors(1)).unwrap();
        // What was given to a domain that is gone does not count.
        drop(domain);
        let next = Arc::new(Domain::new(uuid::Uuid::new_v4(), "next"));
        session.give(&next, "all", descriptors(MOST)).unwrap();
    }
}
