//! Whole documents against a made-up host.

use super::claims::Claims;
use super::find::look;
use super::made_up::MadeUp;
use super::*;
use crate::lifecycle::networks::NotedPort;

/// A card with two virtual functions in groups of their own, and a device with two functions in one group.
fn made_up() -> MadeUp {
    let made_up = MadeUp::new();
    made_up.card("0000:01:00.0", "eth1", 1);
    for (number, address) in [(0, "0000:01:10.0"), (1, "0000:01:10.2")] {
        made_up.function(address, 10 + number, "igbvf");
        made_up.virtual_function("0000:01:00.0", number, address);
    }
    made_up.function("0000:02:00.0", 20, "nvidia");
    made_up.function("0000:02:00.1", 20, "snd_hda_intel");
    made_up
}

fn model(name: &str, devices: &str) -> Model {
    let text = format!(
        "<domain type='qemu'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os><devices>{devices}</devices></domain>"
    );
    let mut model = Model::from_xml(&text).unwrap();
    for (number, hostdev) in model.devices.hostdevs.iter_mut().enumerate() {
        hostdev.info.set_alias(format!("hostdev{number}"));
    }
    for (number, interface) in model.devices.interfaces.iter_mut().enumerate() {
        interface.info.set_alias(format!("hostdev{}", 10 + number));
    }
    model
}

fn pci(managed: &str, bus: u32, slot: u32, function: u32) -> String {
    format!(
        "<hostdev mode='subsystem' type='pci' managed='{managed}'><source>\
         <address domain='0' bus='{bus}' slot='{slot}' function='{function}'/></source></hostdev>"
    )
}

struct Ground {
    made_up: MadeUp,
    claims: Arc<Claims>,
}

impl Ground {
    fn new() -> Self {
        Self {
            made_up: made_up(),
            claims: Arc::default(),
        }
    }

    fn look(&self, model: &mut Model, ports: &[(String, NotedPort)]) -> Result<HostDevices> {
        look(&self.made_up.host(), &self.claims, model, ports).map(|looked| looked.devices)
    }
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T>) -> (Code, String) {
    let err = outcome.unwrap_err();
    (err.code(), err.detail().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_goes_to_a_guest_and_back() {
    let ground = Ground::new();
    let mut first = model("first", &pci("yes", 1, 0x10, 2));
    let mut devices = ground.look(&mut first, &[]).unwrap();
    assert!(first.to_xml().contains("<driver name='vfio'/>"));
    assert_eq!(devices.provided, ["hostdev0"]);
    assert_eq!(devices.nodes(), ["/dev/vfio/11", "/dev/vfio/vfio"]);
    // Nothing has changed until it stands in the status document.
    assert_eq!(ground.made_up.driver_of("0000:01:10.2").as_deref(), Some("igbvf"));
    devices.give_back();
    assert_eq!(ground.made_up.only_driver_of("0000:01:10.2"), "(null)");
    devices = tokio::task::spawn_blocking(move || devices.take().map(|()| devices))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        ground.made_up.driver_of("0000:01:10.2").as_deref(),
        Some("vfio-pci")
    );

    let mut second = model("second", &pci("yes", 1, 0x10, 2));
    let sentence = "PCI device 0000:01:10.2 is in use by driver QEMU, domain first";
    let expected = (Code::OperationInvalid, sentence.to_owned());
    assert_eq!(refusal(ground.look(&mut second, &[])), expected);
    // A daemon that adopts the guest knows it as well.
    let adopted: Arc<Claims> = Arc::default();
    let host = ground.made_up.host();
    let again = HostDevices::of(&host, &adopted, &first, devices.assigned().to_vec());
    assert_eq!(refusal(look(&host, &adopted, &mut second, &[])), expected);
    again.give_back();
    assert_eq!(ground.made_up.driver_of("0000:01:10.2").as_deref(), Some("igbvf"));
    drop((again, devices));
    ground.look(&mut second, &[]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_one_guests_whole() {
    let ground = Ground::new();
    let take = |mut devices: HostDevices| {
        tokio::task::spawn_blocking(move || {
            let outcome = devices.take();
            devices.give_back();
            outcome
        })
    };
    // The host goes on with the other half.
    let half = ground.look(&mut model("a", &pci("yes", 2, 0, 0)), &[]).unwrap();
    let (code, text) = refusal(take(half).await.unwrap());
    assert_eq!(code, Code::OperationInvalid);
    assert_eq!(
        text,
        "PCI device 0000:02:00.0 is in IOMMU group 20 with PCI device 0000:02:00.1, which is in use by the host's driver \
         'snd_hda_intel'"
    );
    assert_eq!(
        ground.made_up.driver_of("0000:02:00.0").as_deref(),
        Some("nvidia")
    );
    let both = format!("{}{}", pci("yes", 2, 0, 0), pci("yes", 2, 0, 1));
    let held = ground.look(&mut model("a", &both), &[]).unwrap();
    assert_eq!(held.nodes(), ["/dev/vfio/20", "/dev/vfio/vfio"]);
    let mut other = model("b", &pci("yes", 2, 0, 1));
    assert_eq!(refusal(ground.look(&mut other, &[])).0, Code::OperationInvalid);
    take(held).await.unwrap().unwrap();
    for (address, driver) in [("0000:02:00.0", "nvidia"), ("0000:02:00.1", "snd_hda_intel")] {
        assert_eq!(ground.made_up.driver_of(address).as_deref(), Some(driver));
    }
    // The other half is nobody else's, even where a guest has but one.
    let held = ground.look(&mut model("a", &pci("yes", 2, 0, 0)), &[]).unwrap();
    assert_eq!(
        refusal(ground.look(&mut other, &[])).1,
        "PCI device 0000:02:00.0 is in use by driver QEMU, domain a"
    );
    drop(held);
    ground.look(&mut other, &[]).unwrap();
}

#[test]
fn a_card_is_a_virtual_function_with_an_address() {
    let ground = Ground::new();
    let card = |slot: u32, more: &str| {
        format!(
            "<interface type='hostdev' managed='yes'><mac address='52:54:00:00:00:07'/><source>\
             <address type='pci' domain='0' bus='1' slot='{slot}' function='0'/></source>{more}</interface>"
        )
    };
    let port = NotedPort {
        network: "pool".to_owned(),
        uuid: uuid::Uuid::from_u128(7),
    };
    let ports = [("hostdev10".to_owned(), port.clone())];
    let mut guest = model("a", &card(0x10, "<vlan><tag id='42'/></vlan>"));
    let devices = ground.look(&mut guest, &ports).unwrap();
    assert_eq!(devices.assigned[0].port, Some(port));
    let settings = &devices.settings[0];
    assert_eq!(
        (settings.card.as_str(), settings.number, settings.vlan),
        ("eth1", 0, Some(42))
    );
    assert_eq!(settings.mac.to_string(), "52:54:00:00:00:07");
    assert!(guest.to_xml().contains("<driver name='vfio'/>"));
    let whole = refusal(ground.look(&mut model("b", &card(0, "")), &[]));
    assert_eq!(
        whole,
        (
            Code::ConfigUnsupported,
            "Interface type hostdev is currently supported on SR-IOV Virtual Functions only".to_owned()
        )
    );
    let none = refusal(ground.look(&mut model("b", &card(0x11, "")), &[]));
    assert!(none.1.starts_with("Device 0000:01:11.0 not found"), "{none:?}");
    // The first guest still has it.
    let refused = refusal(ground.look(&mut model("c", &card(0x10, "<mtu size='9000'/>")), &[]));
    assert_eq!(refused.0, Code::OperationInvalid);
    drop(devices);
    for more in [
        "<mtu size='9000'/>",
        "<filterref filter='clean-traffic'/>",
        "<driver name='kvm'/>",
    ] {
        let refused = refusal(ground.look(&mut model("c", &card(0x10, more)), &[]));
        assert_eq!(refused.0, Code::ConfigUnsupported);
    }
}

#[test]
fn what_is_not_on_pci_is_found_and_claimed() {
    let ground = Ground::new();
    let put = |path: &str, text: &str| ground.made_up.put(path, text);
    for (file, text) in [
        ("idVendor", "0951"),
        ("idProduct", "1625"),
        ("busnum", "1"),
        ("devnum", "4"),
    ] {
        put(&format!("sys/bus/usb/devices/1-1/{file}"), text);
    }
    put("sys/bus/scsi/devices/2:0:3:1/scsi_generic/sg5/dev", "21:5\n");
    let uuid = "c2177883-f1bb-47f0-914d-32a22e3a8804";
    let folder = ground.made_up.path(&format!("sys/bus/mdev/devices/{uuid}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("../../../kernel/iommu_groups/33", folder.join("iommu_group")).unwrap();

    let usb = "<hostdev mode='subsystem' type='usb'><source><vendor id='0x0951'/><product id='0x1625'/></source></hostdev>";
    let scsi = |unit: u32, more: &str| {
        format!(
            "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host2'/>\
             <address bus='0' target='3' unit='{unit}'/></source>{more}</hostdev>"
        )
    };
    let mdev = format!(
        "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='{uuid}'/></source></hostdev>"
    );
    let mut guest = model("a", &format!("{usb}{}{mdev}", scsi(1, "")));
    let devices = ground.look(&mut guest, &[]).unwrap();
    assert_eq!(devices.provided, ["hostdev0", "hostdev1", "hostdev2"]);
    assert_eq!(devices.scsi_nodes, [("hostdev1".to_owned(), "/dev/sg5".into())]);
    assert_eq!(
        devices.nodes(),
        [
            "/dev/bus/usb/001/004",
            "/dev/sg5",
            "/dev/vfio/33",
            "/dev/vfio/vfio"
        ]
    );
    assert!(devices.changing_hands().iter().all(|node| node.returns));
    assert!(guest.to_xml().contains("<address bus='1' device='4'/>"));
    for (devices, sentence) in [
        (
            usb.to_owned(),
            "USB device 001:004 is in use by driver QEMU, domain a".to_owned(),
        ),
        (
            mdev.clone(),
            format!("mediated device {uuid} is in use by driver QEMU, domain a"),
        ),
        (
            scsi(1, "<shareable/>"),
            "SCSI device 2:0:3:1 is already in use by other domain(s) as 'non-shareable'".to_owned(),
        ),
    ] {
        let refused = refusal(ground.look(&mut model("b", &devices), &[]));
        assert_eq!(refused, (Code::OperationInvalid, sentence));
    }
    drop(devices);
    let shared = ground
        .look(&mut model("a", &scsi(1, "<shareable/>")), &[])
        .unwrap();
    assert!(!shared.changing_hands()[0].returns);
    ground
        .look(&mut model("b", &scsi(1, "<shareable/>")), &[])
        .unwrap();
    let missing = refusal(ground.look(&mut model("b", &scsi(2, "")), &[]));
    assert_eq!(missing.0, Code::SystemError);
    let raw = scsi(1, "<shareable/>").replace("type='scsi'", "type='scsi' rawio='yes'");
    assert_eq!(
        refusal(ground.look(&mut model("b", &raw), &[])).0,
        Code::NoSupport
    );
    let gone = mdev.replace("c2177883", "00000000");
    assert_eq!(
        refusal(ground.look(&mut model("b", &gone), &[])).0,
        Code::DeviceMissing
    );
    let optional = usb
        .replace("<source>", "<source startupPolicy='optional'>")
        .replace("1625", "1626");
    let mut without = model("b", &optional);
    let devices = ground.look(&mut without, &[]).unwrap();
    assert!(devices.nodes().is_empty());
    assert!(without.to_xml().contains("missing='yes'"));
}
