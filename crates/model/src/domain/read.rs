//! Documents of users on their way in, and the views that go out.

use error::{Code, Domain as ErrorDomain, Error, Result};

use super::lifecycle::LifecycleAction;
use super::{Domain, check_name};
use crate::failure;

impl Domain {
    /// Reads a definition, refuses what cannot be whatever the host, and fills in what libvirt always writes.
    ///
    /// # Errors
    /// As [`crate::read`]; [`Code::NoName`] and [`Code::XmlError`] for what is missing.
    pub fn from_xml(text: &str) -> Result<Self> {
        let mut domain: Self = failure::read(text)?;
        domain.normalise()?;
        Ok(domain)
    }

    /// The whole document, passwords included.
    pub fn to_xml(&self) -> String {
        xml::to_string(self)
    }

    fn normalise(&mut self) -> Result<()> {
        let refused = |sentence: &str| Err(Error::new(Code::XmlError, ErrorDomain::Domain, sentence));
        check_name(&self.name)?;
        self.metadata = self.metadata.take().map(crate::metadata::distinct);
        self.vcpu.maximum = self.vcpu.maximum.max(1);
        if self
            .vcpu
            .current
            .is_some_and(|current| current == 0 || current > self.vcpu.maximum)
        {
            return refused("<vcpu>: 'current' must lie between 1 and the maximum");
        }
        if self.vcpu.current == Some(self.vcpu.maximum) {
            self.vcpu.current = None;
        }
        if self.memory.size.0 == 0 {
            let cells = self
                .cpu
                .as_ref()
                .and_then(|cpu| cpu.numa.as_ref())
                .map(super::cpu::Numa::total_memory);
            match cells {
                Some(total) if total > 0 => self.memory.size.0 = total,
                _ => return refused("<memory>: the size of the guest's memory is missing"),
            }
        }
        let memory = self.memory.size;
        if self
            .current_memory
            .is_none_or(|current| current.0 == 0 || current.0 > memory.0)
        {
            self.current_memory = Some(memory);
        }
        self.on_poweroff.get_or_insert(LifecycleAction::Destroy);
        self.on_reboot.get_or_insert(LifecycleAction::Restart);
        self.on_crash.get_or_insert(LifecycleAction::Destroy);
        self.clock
            .get_or_insert_default()
            .offset
            .get_or_insert(super::clock::ClockOffset::Utc);
        Ok(())
    }
}
