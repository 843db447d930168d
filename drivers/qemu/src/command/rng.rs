//! Sources of entropy, and accelerators for ciphers.

use super::address::{alias, virtio_options};
use super::chardev::Backend;
use super::line::{Line, Props};
use error::Result;
use model::domain::devices::crypto::CryptoBackendModel;
use model::domain::devices::rng::RngBackend;
use model::domain::devices::{Crypto, Rng};

impl Line<'_> {
    pub(super) fn rngs(&mut self) -> Result<()> {
        self.domain.devices.rngs.iter().try_for_each(|rng| self.rng(rng))
    }

    fn rng(&mut self, rng: &Rng) -> Result<()> {
        let id = alias(&rng.info)?;
        let source = format!("obj{id}");
        let props = match &rng.backend {
            RngBackend::Random { path } => Props::object("rng-random", source.as_str())
                .set("filename", path.as_deref().unwrap_or("/dev/urandom")),
            RngBackend::Egd { source: chardev } => {
                let chardev = self.chardev(&Backend {
                    alias: id,
                    source: chardev,
                    log: None,
                    spice_name: "vdagent",
                })?;
                Props::object("rng-egd", source.as_str()).set("chardev", chardev)
            }
            RngBackend::Builtin => Props::object("rng-builtin", source.as_str()),
        };
        self.object(props);
        let driver = self.virtio_driver("virtio-rng", &rng.info, Some(rng.model), "<rng>")?;
        let mut props = Props::driver(&driver);
        if let Some(driver) = &rng.driver {
            virtio_options(&mut props, &driver.virtio);
        }
        props = props.set("rng", source).set("id", id);
        if let Some(rate) = &rng.rate {
            props = props
                .set("max-bytes", rate.bytes)
                .set("period", rate.period.unwrap_or(1000));
        }
        self.attach(&mut props, &rng.info)?;
        self.device(props);
        Ok(())
    }

    pub(super) fn cryptos(&mut self) -> Result<()> {
        self.domain
            .devices
            .cryptos
            .iter()
            .try_for_each(|crypto| self.crypto(crypto))
    }

    fn crypto(&mut self, crypto: &Crypto) -> Result<()> {
        let id = alias(&crypto.info)?;
        let backend = match crypto.backend.model {
            CryptoBackendModel::Builtin => "cryptodev-backend-builtin",
            CryptoBackendModel::Lkcf => "cryptodev-backend-lkcf",
        };
        let source = format!("obj{id}");
        self.object(Props::object(backend, source.as_str()).maybe("queues", crypto.backend.queues));
        let driver = self.virtio_driver("virtio-crypto", &crypto.info, None, "<crypto>")?;
        let mut props = Props::driver(&driver);
        if let Some(driver) = &crypto.driver {
            virtio_options(&mut props, &driver.virtio);
        }
        props = props.set("cryptodev", source).set("id", id);
        self.attach(&mut props, &crypto.info)?;
        self.device(props);
        Ok(())
    }
}
