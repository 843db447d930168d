//! PCI buses and which of their places are taken.

use super::need::Slot;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::devices::address::PciAddress;
use model::domain::devices::controller::{ControllerKind, PciModel};
use model::domain::devices::{ControllerType, Devices};

/// One bus, made by a controller.
#[derive(Debug, Clone)]
pub(super) struct Bus {
    index: u8,
    model: PciModel,
    /// A bit for each function of each slot.
    taken: [u8; 32],
}

impl Bus {
    pub(super) fn new(index: u8, model: PciModel) -> Self {
        Self {
            index,
            model,
            taken: [0; 32],
        }
    }

    /// The slots that devices may have.
    fn slots(&self) -> std::ops::RangeInclusive<u8> {
        match self.model {
            PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort => 0..=0,
            PciModel::DmiToPciBridge
            | PciModel::PcieSwitchUpstreamPort
            | PciModel::PciExpanderBus
            | PciModel::PcieExpanderBus => 0..=31,
            _ => 1..=31,
        }
    }

    fn is_conventional(&self) -> bool {
        matches!(
            self.model,
            PciModel::PciRoot
                | PciModel::PciBridge
                | PciModel::PcieToPciBridge
                | PciModel::PciExpanderBus
                | PciModel::DmiToPciBridge
        )
    }

    fn is_port(&self) -> bool {
        matches!(
            self.model,
            PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort
        )
    }

    fn empty_slot(&self) -> Option<u8> {
        self.slots()
            .find(|slot| self.taken.get(usize::from(*slot)) == Some(&0))
    }

    fn empty_slots(&self) -> usize {
        self.slots()
            .filter(|slot| self.taken.get(usize::from(*slot)) == Some(&0))
            .count()
    }
}

/// The buses of a machine.
#[derive(Debug)]
pub(super) struct Buses {
    buses: Vec<Bus>,
    /// The slots of the first bus that root ports share.
    port_slots: Vec<u8>,
}

fn clash(text: String) -> Error {
    Error::new(Code::XmlError, ErrorDomain::Domain, text)
}

impl Buses {
    /// Those that the document's controllers make.
    pub(super) fn of(devices: &Devices) -> Result<Self> {
        let mut buses = Vec::new();
        for controller in devices.controllers_of(ControllerType::Pci) {
            let ControllerKind::Pci(pci) = &controller.kind else {
                continue;
            };
            let index = controller.index.unwrap_or(0);
            let model = pci
                .model
                .ok_or_else(|| clash(format!("<controller type='pci' index='{index}'>: no model")))?;
            let number = u8::try_from(index)
                .map_err(|_| clash(format!("<controller type='pci' index='{index}'>: at most 255")))?;
            buses.push(Bus::new(number, model));
        }
        Ok(Self {
            buses,
            port_slots: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, bus: Bus) {
        self.buses.push(bus);
    }

    pub(super) fn next_index(&self) -> Result<u8> {
        let free = (1..=u8::MAX).find(|index| self.buses.iter().all(|bus| bus.index != *index));
        free.ok_or_else(|| clash("<controller type='pci'>: there can be no more than 256 buses".to_owned()))
    }

    fn bus(&self, index: u8) -> Option<&Bus> {
        self.buses.iter().find(|bus| bus.index == index)
    }

    pub(super) fn is_free(&self, place: PciAddress) -> bool {
        let slot = self
            .bus(place.bus)
            .and_then(|bus| bus.taken.get(usize::from(place.slot)));
        slot.is_some_and(|slot| slot & (1 << (place.function & 7)) == 0)
    }

    /// Takes a place.
    pub(super) fn take(&mut self, place: PciAddress) -> Result<()> {
        if place.domain != 0 {
            return Err(clash(format!(
                "Invalid PCI address {place}: only PCI domain 0 is available"
            )));
        }
        let Some(bus) = self.buses.iter_mut().find(|bus| bus.index == place.bus) else {
            return Err(clash(format!(
                "Invalid PCI address {place}: there is no <controller type='pci'> of that bus"
            )));
        };
        if !bus.slots().contains(&place.slot) || place.function > 7 {
            return Err(clash(format!(
                "Invalid PCI address {place}: slots of bus {} ({}) go from {} to {}",
                bus.index,
                bus.model,
                bus.slots().start(),
                bus.slots().end()
            )));
        }
        let Some(slot) = bus.taken.get_mut(usize::from(place.slot)) else {
            return Ok(());
        };
        let bit = 1_u8 << place.function;
        if *slot & bit != 0 {
            return Err(clash(format!("Attempted double use of PCI Address {place}")));
        }
        *slot |= bit;
        Ok(())
    }

    /// Keeps a whole slot from being given away; single functions of it may still be asked for by name.
    pub(super) fn reserve_slot(&mut self, bus: u8, slot: u8) {
        if let Some(slot) = self
            .buses
            .iter_mut()
            .find(|one| one.index == bus)
            .and_then(|bus| bus.taken.get_mut(usize::from(slot)))
        {
            *slot |= 1 << 0;
        }
    }

    /// A free place of a kind.
    pub(super) fn free(&self, slot: Slot) -> Option<PciAddress> {
        self.first_slot(|bus| match slot {
            Slot::Express => bus.is_port(),
            Slot::Conventional => bus.is_conventional() && bus.model != PciModel::DmiToPciBridge,
            Slot::Root => bus.index == 0,
        })
    }

    /// A free place for a bridge of conventional buses, which may sit where nothing can be plugged in.
    pub(super) fn free_for_bridge(&self) -> Option<PciAddress> {
        self.first_slot(Bus::is_conventional)
    }

    fn first_slot(&self, fits: impl Fn(&Bus) -> bool) -> Option<PciAddress> {
        self.buses.iter().filter(|bus| fits(bus)).find_map(|bus| {
            bus.empty_slot()
                .map(|slot| PciAddress::new(0, bus.index, slot, 0))
        })
    }

    /// Whether nothing of that slot is taken.
    pub(super) fn is_slot_free(&self, bus: u8, slot: u8) -> bool {
        self.bus(bus).and_then(|bus| bus.taken.get(usize::from(slot))) == Some(&0)
    }

    /// What makes a bus.
    pub(super) fn model(&self, index: u8) -> Option<PciModel> {
        self.bus(index).map(|bus| bus.model)
    }

    /// Lets further root ports share a slot of the first bus where one is.
    pub(super) fn share(&mut self, slot: u8) {
        self.port_slots.push(slot);
    }

    pub(super) fn free_conventional(&self) -> usize {
        let buses = self
            .buses
            .iter()
            .filter(|bus| bus.is_conventional() && bus.model != PciModel::DmiToPciBridge);
        buses.map(Bus::empty_slots).sum()
    }

    pub(super) fn has_conventional(&self) -> bool {
        self.buses.iter().any(Bus::is_conventional)
    }

    pub(super) fn free_ports(&self) -> usize {
        self.buses
            .iter()
            .filter(|bus| bus.is_port() && bus.empty_slot().is_some())
            .count()
    }

    pub(super) fn has_ports(&self) -> bool {
        self.buses.iter().any(Bus::is_port)
    }

    /// A whole slot on the first bus.
    pub(super) fn free_on_root(&self) -> Option<PciAddress> {
        let root = self.bus(0)?;
        root.empty_slot().map(|slot| PciAddress::new(0, 0, slot, 0))
    }

    pub(super) fn free_below_upstream(&self) -> Option<PciAddress> {
        let upstream = self
            .buses
            .iter()
            .filter(|bus| bus.model == PciModel::PcieSwitchUpstreamPort);
        upstream.into_iter().find_map(|bus| {
            bus.empty_slot()
                .map(|slot| PciAddress::new(0, bus.index, slot, 0))
        })
    }

    /// A function for a root port: the next of the slot where the last root port is, else the first of a new slot.
    pub(super) fn free_function(&mut self) -> Option<PciAddress> {
        let root = self.bus(0)?.clone();
        for slot in root.slots() {
            let taken = root.taken.get(usize::from(slot)).copied()?;
            if taken == 0 {
                self.port_slots.push(slot);
                return Some(PciAddress::new(0, 0, slot, 0));
            }
            if taken != u8::MAX && self.port_slots.contains(&slot) {
                let function = u8::try_from(taken.trailing_ones()).ok()?;
                return Some(PciAddress::new(0, 0, slot, function));
            }
        }
        None
    }
}
