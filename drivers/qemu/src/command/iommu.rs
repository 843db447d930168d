//! IOMMUs of the guest.

use super::address::alias;
use super::line::{Line, Props, on_off, unsupported};
use crate::board::Board;
use error::Result;
use model::domain::devices::iommu::{IommuDriver, IommuModel};

impl Line<'_> {
    pub(super) fn iommu(&mut self) -> Result<()> {
        let Some(iommu) = &self.domain.devices.iommu else {
            return Ok(());
        };
        let id = alias(&iommu.info)?;
        match iommu.model {
            IommuModel::Intel => {
                if Board::of(self.domain) != Board::Q35 {
                    return Err(unsupported(
                        "IOMMU device: 'intel' is only supported with Q35 machines",
                    ));
                }
                let default = IommuDriver::default();
                let driver = iommu.driver.as_ref().unwrap_or(&default);
                let props = Props::driver("intel-iommu")
                    .set("id", id)
                    .maybe("intremap", driver.intremap.map(|it| on_off(it.is_on())))
                    .maybe("caching-mode", driver.caching_mode.map(|it| it.is_on()))
                    .maybe("eim", driver.eim.map(|it| on_off(it.is_on())))
                    .maybe("device-iotlb", driver.iotlb.map(|it| it.is_on()))
                    .maybe("aw-bits", driver.aw_bits)
                    .maybe("dma-translation", driver.dma_translation.map(|it| it.is_on()));
                self.device(props);
                Ok(())
            }
            IommuModel::Virtio => {
                let mut props = Props::driver("virtio-iommu").set("id", id);
                self.attach(&mut props, &iommu.info)?;
                self.device(props);
                Ok(())
            }
            // Part of the machine.
            IommuModel::SmmuV3 => Ok(()),
        }
    }
}
