//! The address and the VLAN of a virtual function of a network card: they are the card's to give, over rtnetlink, and hold
//! whatever the guest does.

use super::pci::OnCard;
use super::refused;
use error::{Code, Error, Result};
use futures_util::TryStreamExt;
use host::Host;
use model::Mac;
use model::domain::devices::Interface;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkMessage, LinkVfInfo, VfInfo, VfInfoMac, VfInfoVlan,
};
use rtnetlink::{Handle, LinkUnspec};
use xml::Element;

/// The bit of a link's flags that says that it is switched on (`IFF_UP`).
const UP: u32 = 1;

/// The highest VLAN that packets can have a tag of.
const LAST_VLAN: u16 = 4094;

/// What stands for no address with drivers that do not take one of zeros.
const NO_ADDRESS: Mac = Mac([0x02, 0, 0, 0, 0, 0]);

/// What a virtual function is told by its card.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "function")]
pub(crate) struct Settings {
    /// The card's link.
    #[xml(attr)]
    pub card: String,
    /// Which of its virtual functions.
    #[xml(attr)]
    pub number: u32,
    /// Its address; zeros where its driver chooses one.
    #[xml(attr)]
    pub mac: Mac,
    /// The VLAN that its packets are in; 0 for none. `None` leaves it as it is.
    #[xml(attr)]
    pub vlan: Option<u16>,
    /// The priority in the tag of that VLAN.
    #[xml(attr)]
    pub priority: Option<u8>,
}

impl Settings {
    /// What an interface that is a virtual function asks for.
    ///
    /// # Errors
    /// [`Code::ConfigUnsupported`] for what no card can do.
    pub(super) fn wanted(interface: &Interface, place: &OnCard) -> Result<Self> {
        let mac = interface.mac_address().ok_or_else(|| {
            let text = "<interface type='hostdev'>: no address was chosen for the card".to_owned();
            refused(Code::InternalError, text)
        })?;
        let vlan = match interface.vlan.as_ref() {
            None => None,
            Some(vlan) if vlan.is_trunk() => {
                let text = "vlan trunking is not supported by SR-IOV network devices".to_owned();
                return Err(refused(Code::ConfigUnsupported, text));
            }
            Some(vlan) => vlan.tags.first().map(|tag| tag.id),
        };
        if let Some(vlan) = vlan.filter(|vlan| *vlan > LAST_VLAN) {
            let text = format!("vlan tag {vlan} is more than {LAST_VLAN}");
            return Err(refused(Code::ConfigUnsupported, text));
        }
        Ok(Self {
            card: place.card.clone(),
            number: place.number,
            mac,
            vlan,
            priority: None,
        })
    }

    /// What it is told now.
    ///
    /// # Errors
    /// [`Code::InternalError`] for a card that is switched off or does not tell; [`Code::SystemError`] with the kernel's words.
    pub(super) async fn now(host: &Host, place: &OnCard) -> Result<Self> {
        let OnCard { card, number } = place;
        let flags = std::fs::read_to_string(host.path(format!("sys/class/net/{card}/flags")));
        let flags = flags.ok().and_then(|flags| {
            let digits = flags.trim().strip_prefix("0x")?.to_owned();
            u32::from_str_radix(&digits, 16).ok()
        });
        if flags.is_none_or(|flags| flags & UP == 0) {
            let text = format!(
                "Unable to configure VF {number} of PF '{card}' because the PF is not online. Please change host network config \
                 to put the PF online."
            );
            return Err(refused(Code::InternalError, text));
        }
        let kernel = Kernel::reach()?;
        let link = kernel.find(card, LinkExtentMask::Vf).await?;
        of_message(&link, place).ok_or_else(|| {
            let text = format!("the card '{card}' does not tell of its virtual function {number}");
            refused(Code::InternalError, text)
        })
    }

    /// Tells it this. Where its driver takes no address of zeros it gets another one that no card has.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) async fn set(&self) -> Result<()> {
        let kernel = Kernel::reach()?;
        let index = kernel
            .find(&self.card, LinkExtentMask::SkipStats)
            .await?
            .header
            .index;
        let number = self.number;
        let mac = |mac: Mac| VfInfo::Mac(VfInfoMac::new(number, &mac.octets()));
        match kernel.tell(self, index, mac(self.mac)).await {
            Err(err) if self.mac.octets() == [0; 6] && is_invalid(&err) => {
                kernel
                    .tell(self, index, mac(NO_ADDRESS))
                    .await
                    .map_err(|err| self.refused("address", err))?;
            }
            told => told.map_err(|err| self.refused("address", err))?,
        }
        if let Some(vlan) = self.vlan {
            let priority = u32::from(self.priority.unwrap_or(0));
            let tag = VfInfo::Vlan(VfInfoVlan::new(number, u32::from(vlan), priority));
            kernel
                .tell(self, index, tag)
                .await
                .map_err(|err| self.refused("VLAN", err))?;
        }
        Ok(())
    }

    fn refused(&self, what: &str, err: rtnetlink::Error) -> Error {
        let text = format!(
            "cannot set the {what} of virtual function {} of '{}': {}",
            self.number,
            self.card,
            words(&err)
        );
        refused(Code::SystemError, text).caused_by(err)
    }
}

/// What a card's link tells of one of its functions.
fn of_message(link: &LinkMessage, place: &OnCard) -> Option<Settings> {
    let mut functions = link.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::VfInfoList(all) => Some(all),
        _ => None,
    });
    let of_it = |info: &&LinkVfInfo| {
        let mut facts = info.0.iter();
        facts.any(|fact| matches!(fact, VfInfo::Mac(mac) if mac.vf_id == place.number))
    };
    let facts = functions.find_map(|all| all.iter().find(of_it))?;
    let mut settings = Settings {
        card: place.card.clone(),
        number: place.number,
        mac: Mac([0; 6]),
        vlan: None,
        priority: None,
    };
    for fact in &facts.0 {
        match fact {
            VfInfo::Mac(mac) => {
                let octets = mac.mac.first_chunk::<6>()?;
                settings.mac = Mac(*octets);
            }
            VfInfo::Vlan(vlan) => {
                settings.vlan = u16::try_from(vlan.vlan_id).ok();
                settings.priority = u8::try_from(vlan.qos).ok().filter(|priority| *priority > 0);
            }
            _ => {}
        }
    }
    Some(settings)
}

/// The way to the kernel's links.
struct Kernel {
    handle: Handle,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Kernel {
    fn reach() -> Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(|err| {
            let text = format!("cannot reach the kernel's links: {err}");
            refused(Code::SystemError, text).caused_by(err)
        })?;
        Ok(Self {
            handle,
            connection: tokio::spawn(connection),
        })
    }

    async fn find(&self, card: &str, with: LinkExtentMask) -> Result<LinkMessage> {
        let get = self.handle.link().get().match_name(card);
        let get = get.set_filter_mask(AddressFamily::Unspec, vec![with]);
        let found = get.execute().try_next().await;
        found
            .map_err(|err| {
                let text = format!("network device '{card}': {}", words(&err));
                refused(Code::SystemError, text).caused_by(err)
            })?
            .ok_or_else(|| {
                let text = format!("network device '{card}': there is no such device");
                refused(Code::SystemError, text)
            })
    }

    async fn tell(
        &self,
        settings: &Settings,
        index: u32,
        fact: VfInfo,
    ) -> std::result::Result<(), rtnetlink::Error> {
        let mut message = LinkUnspec::new_with_index(index).build();
        let info = LinkVfInfo(vec![fact]);
        message.attributes.push(LinkAttribute::VfInfoList(vec![info]));
        tracing::debug!(?settings, "a virtual function is told by its card");
        self.handle.link().set(message).execute().await
    }
}

fn errno(err: &rtnetlink::Error) -> Option<rustix::io::Errno> {
    match err {
        rtnetlink::Error::NetlinkError(message) => rustix::io::Errno::from_io_error(&message.to_io()),
        _ => None,
    }
}

fn is_invalid(err: &rtnetlink::Error) -> bool {
    errno(err) == Some(rustix::io::Errno::INVAL)
}

fn words(err: &rtnetlink::Error) -> String {
    errno(err).map_or_else(|| err.to_string(), |errno| errno.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(more: &str) -> Interface {
        let text = format!(
            "<interface type='hostdev'><mac address='52:54:00:12:34:56'/><source><address type='pci' domain='0' bus='1' \
             slot='0x10' function='0'/></source>{more}</interface>"
        );
        xml::from_str(&text).unwrap()
    }

    fn place() -> OnCard {
        OnCard {
            card: "eth1".to_owned(),
            number: 3,
        }
    }

    #[test]
    fn an_interface_says_what_its_function_is_told() {
        let plain = Settings::wanted(&interface(""), &place()).unwrap();
        assert_eq!(
            (plain.mac.to_string().as_str(), plain.vlan),
            ("52:54:00:12:34:56", None)
        );
        let tagged = interface("<vlan><tag id='42'/></vlan>");
        assert_eq!(Settings::wanted(&tagged, &place()).unwrap().vlan, Some(42));
        for more in [
            "<vlan><tag id='1'/><tag id='2'/></vlan>",
            "<vlan trunk='yes'><tag id='1'/></vlan>",
            "<vlan><tag id='4095'/></vlan>",
        ] {
            let err = Settings::wanted(&interface(more), &place()).unwrap_err();
            assert_eq!(err.code(), Code::ConfigUnsupported, "{more}");
        }
    }

    #[test]
    fn a_card_tells_of_each_of_its_functions() {
        let mut link = LinkMessage::default();
        let facts = |number: u32, last: u8, vlan: u32| {
            LinkVfInfo(vec![
                VfInfo::Mac(VfInfoMac::new(number, &[2, 0, 0, 0, 0, last])),
                VfInfo::Vlan(VfInfoVlan::new(number, vlan, 5)),
            ])
        };
        let list = vec![facts(2, 1, 7), facts(3, 9, 42)];
        link.attributes.push(LinkAttribute::VfInfoList(list));
        let told = of_message(&link, &place()).unwrap();
        assert_eq!(told.mac, Mac([2, 0, 0, 0, 0, 9]));
        assert_eq!((told.vlan, told.priority), (Some(42), Some(5)));
        let text = xml::to_string(&told);
        assert_eq!(xml::from_str::<Settings>(&text).unwrap(), told);
        assert_eq!(of_message(&LinkMessage::default(), &place()), None);
    }
}
