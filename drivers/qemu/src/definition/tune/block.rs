//! Weight and limits at the host's block devices.

use super::{Tuning, changed_definition};
use crate::domain::Owner;
use crate::groups::block_device;
use cgroup::Controller;
use error::Result;
use model::domain::tune::{BlkioDevice, BlkioTune};

const TUNING: Tuning = Tuning {
    what: "Block I/O tuning",
    controller: Controller::Block,
};

impl Owner {
    /// Sets what `change` has of weights and limits; 0 is none.
    ///
    /// # Errors
    /// [`error::Code::InvalidArg`] for a weight or device that is not possible, [`error::Code::OperationInvalid`] where the guest
    /// is in no control group, else what the kernel or the disk says.
    pub(crate) async fn set_block_shares(&mut self, change: BlkioTune, flags: u32) -> Result<()> {
        let impact = self.tuned(TUNING, flags)?;
        let state = self.domain.state();
        let definition = changed_definition(&state, impact, |model| {
            take_over(model.blkio_tune.get_or_insert_default(), &change);
            Ok(())
        })?;
        if impact.live {
            let live = state.running()?;
            let groups = TUNING.groups(live)?;
            // All devices are there before one is limited.
            for device in &change.devices {
                block_device(&device.path)?;
            }
            let mut in_force = change.clone();
            if let Some(weight) = change.weight {
                groups.set_block_weight(u64::from(weight)).await?;
                in_force.weight = u32::try_from(groups.block_weight()?).ok();
            }
            for device in &change.devices {
                groups.limit_device(device)?;
            }
            self.change_live(live, |model| {
                take_over(model.blkio_tune.get_or_insert_default(), &in_force)
            })
            .await?;
        }
        self.replace_definition(definition).await
    }
}

fn take_over(tune: &mut BlkioTune, change: &BlkioTune) {
    if let Some(weight) = change.weight {
        tune.weight = Some(weight).filter(|weight| *weight > 0);
    }
    for new in &change.devices {
        let known = tune.devices.iter().position(|device| device.path == new.path);
        let at = known.unwrap_or_else(|| {
            tune.devices.push(BlkioDevice {
                path: new.path.clone(),
                ..BlkioDevice::default()
            });
            tune.devices.len() - 1
        });
        let Some(device) = tune.devices.get_mut(at) else {
            continue;
        };
        for (old, new) in [
            (&mut device.weight, new.weight),
            (&mut device.read_iops_sec, new.read_iops_sec),
            (&mut device.write_iops_sec, new.write_iops_sec),
        ] {
            if let Some(new) = new {
                *old = Some(new).filter(|new| *new > 0);
            }
        }
        for (old, new) in [
            (&mut device.read_bytes_sec, new.read_bytes_sec),
            (&mut device.write_bytes_sec, new.write_bytes_sec),
        ] {
            if let Some(new) = new {
                *old = Some(new).filter(|new| *new > 0);
            }
        }
    }
    tune.devices.retain(|device| {
        *device
            != BlkioDevice {
                path: device.path.clone(),
                ..BlkioDevice::default()
            }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_limits_goes() {
        let device = |path: &str, weight, bytes| BlkioDevice {
            path: path.to_owned(),
            weight,
            read_bytes_sec: bytes,
            ..BlkioDevice::default()
        };
        let mut tune = BlkioTune {
            weight: Some(500),
            devices: vec![device("/a", Some(100), None), device("/b", Some(100), Some(7))],
        };
        let change = BlkioTune {
            weight: None,
            devices: vec![
                device("/a", Some(0), None),
                device("/b", Some(0), None),
                device("/c", None, Some(1)),
            ],
        };
        take_over(&mut tune, &change);
        assert_eq!(tune.weight, Some(500));
        assert_eq!(
            tune.devices,
            [device("/b", None, Some(7)), device("/c", None, Some(1))]
        );
    }
}
