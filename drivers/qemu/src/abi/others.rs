//! Devices of the host, memory, and the small ones.

use super::{Seen, devices, strip_info};
use error::Result;
use model::domain::devices::hostdev::HostdevKind;
use model::domain::devices::rng::RngBackend;
use model::domain::devices::tpm::{TpmBackend, TpmBackendKind, TpmEmulator};
use model::domain::devices::{
    Crypto, Devices, Hostdev, Iommu, MemBalloon, Memory, Nvram, Panic, Rng, Shmem, Tpm, Vsock, Watchdog,
};

pub(super) fn check(source: &Devices, target: &Devices) -> Result<()> {
    devices(&source.hostdevs, &target.hostdevs)?;
    devices(&source.memories, &target.memories)?;
    devices(&source.tpms, &target.tpms)?;
    devices(&source.rngs, &target.rngs)?;
    devices(&source.shmems, &target.shmems)?;
    devices(&source.watchdogs, &target.watchdogs)?;
    devices(&source.memballoon, &target.memballoon)?;
    devices(&source.panics, &target.panics)?;
    devices(&source.iommu, &target.iommu)?;
    devices(&source.vsock, &target.vsock)?;
    devices(&source.cryptos, &target.cryptos)?;
    devices(&source.nvram, &target.nvram)
}

impl Seen for Hostdev {
    const ELEMENT: &'static str = "hostdev";

    fn strip(&mut self) {
        // Another device of the host may stand for it, of the same kind.
        self.managed = None;
        if let HostdevKind::Pci { driver, .. } = &mut self.kind {
            *driver = None;
        }
        strip_info(&mut self.info);
    }
}

impl Seen for Memory {
    const ELEMENT: &'static str = "memory";

    fn strip(&mut self) {
        (self.access, self.discard, self.source) = (None, None, None);
        // What of it the guest has right now.
        (self.target.requested, self.target.current) = (None, None);
        strip_info(&mut self.info);
    }
}

impl Seen for Tpm {
    const ELEMENT: &'static str = "tpm";

    fn strip(&mut self) {
        self.backend = TpmBackend {
            kind: TpmBackendKind::Emulator(TpmEmulator::default()),
            version: self.backend.version,
        };
        strip_info(&mut self.info);
    }
}

impl Seen for Rng {
    const ELEMENT: &'static str = "rng";

    fn strip(&mut self) {
        (self.rate, self.backend) = (None, RngBackend::Builtin);
        strip_info(&mut self.info);
    }
}

impl Seen for Shmem {
    const ELEMENT: &'static str = "shmem";

    fn strip(&mut self) {
        (self.role, self.server) = (None, None);
        if let Some(msi) = self.msi.as_mut() {
            msi.ioeventfd = None;
        }
        strip_info(&mut self.info);
    }

    fn name(&self) -> Option<String> {
        Some(self.name.clone())
    }
}

impl Seen for Watchdog {
    const ELEMENT: &'static str = "watchdog";

    fn strip(&mut self) {
        // What the host does is the host's.
        self.action = None;
        strip_info(&mut self.info);
    }
}

impl Seen for MemBalloon {
    const ELEMENT: &'static str = "memballoon";

    fn strip(&mut self) {
        self.stats = None;
        strip_info(&mut self.info);
    }
}

impl Seen for Vsock {
    const ELEMENT: &'static str = "vsock";

    fn strip(&mut self) {
        // An address that is chosen at each start is another one each time.
        if let Some(cid) = self.cid.as_mut()
            && cid.auto.is_none_or(|auto| auto.is_yes())
        {
            cid.address = None;
        }
        strip_info(&mut self.info);
    }
}

impl Seen for Crypto {
    const ELEMENT: &'static str = "crypto";

    fn strip(&mut self) {
        strip_info(&mut self.info);
    }
}

macro_rules! plain {
    ($($kind:ident $element:literal;)*) => {$(
        impl Seen for $kind {
            const ELEMENT: &'static str = $element;

            fn strip(&mut self) {
                strip_info(&mut self.info);
            }
        }
    )*};
}

plain! {
    Iommu "iommu";
    Nvram "nvram";
    Panic "panic";
}
