use super::*;

const GUEST: &str = "<domain type='qemu'><name>g</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
  <memory unit='KiB'>1048576</memory><vcpu>2</vcpu>
  <os><type arch='x86_64' machine='pc-q35-10.0'>hvm</type></os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact' check='partial'><model fallback='allow'>qemu64</model>
    <feature policy='require' name='aes'/><feature policy='disable' name='svm'/></cpu>
  <clock offset='utc'><timer name='hpet' present='no'/><timer name='rtc' tickpolicy='catchup'/></clock>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='/a'/>
      <target dev='vda' bus='virtio'/><serial>one</serial><boot order='1'/><alias name='ua-a'/>
      <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/></disk>
    <controller type='usb' index='0' model='qemu-xhci' ports='15'/>
    <filesystem type='mount'><driver type='virtiofs'/><source dir='/srv'/><target dir='share'/></filesystem>
    <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/><model type='virtio'/></interface>
    <serial type='pty'><target type='isa-serial' port='0'/></serial>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>
    <input type='tablet' bus='usb'/>
    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
    <sound model='ich9'/>
    <video><model type='virtio' heads='1' primary='yes'/></video>
    <watchdog model='i6300esb' action='reset'/>
    <memballoon model='virtio'><stats period='5'/></memballoon>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <vsock model='virtio'><cid auto='yes' address='3'/></vsock>
  </devices></domain>";

fn changed(from: &str, to: &str) -> Result<()> {
    assert!(GUEST.contains(from), "{from}");
    let target = Domain::from_xml(&GUEST.replace(from, to)).unwrap();
    check(&Domain::from_xml(GUEST).unwrap(), &target)
}

#[test]
fn what_only_the_host_sees_may_change() {
    for (from, to) in [
        ("<source file='/a'/>", "<source file='/b'/>"),
        ("type='qcow2' cache='none'", "type='raw' cache='writeback'"),
        ("<boot order='1'/><alias name='ua-a'/>", ""),
        ("<source dir='/srv'/>", "<source dir='/home'/>"),
        ("<source network='default'/>", "<source network='other'/>"),
        ("<serial type='pty'>", "<serial type='null'>"),
        ("state='connected'", ""),
        (
            "<feature policy='require' name='aes'/><feature policy='disable' name='svm'/>",
            "<feature policy='disable' name='svm'/><feature policy='require' name='aes'/>",
        ),
        ("check='partial'", "check='full'"),
        ("tickpolicy='catchup'", "tickpolicy='delay'"),
        ("action='reset'", "action='poweroff'"),
        ("<stats period='5'/>", ""),
        ("/dev/urandom", "/dev/random"),
        ("address='3'", "address='4'"),
        ("/usr/bin/qemu-system-x86_64", "/opt/qemu"),
    ] {
        assert!(
            changed(from, to).is_ok(),
            "{from} became {to}: {:?}",
            changed(from, to)
        );
    }
}

#[test]
fn what_the_guest_sees_may_not() {
    for (from, to, named) in [
        ("<vcpu>2<", "<vcpu>3<", "vCPU max '3' does not match source '2'"),
        ("1048576", "2097152", "max memory '2097152'"),
        ("pc-q35-10.0", "pc-q35-9.0", "machine type 'pc-q35-9.0'"),
        ("<name>g<", "<name>h<", "name 'h'"),
        ("<acpi/>", "<acpi/><pae/>", "<pae/>"),
        (
            "name='svm'",
            "name='vmx'",
            "<feature policy='disable' name='vmx'/>",
        ),
        (
            "present='no'",
            "present='yes'",
            "<timer name='hpet' present='yes'/>",
        ),
        (
            "dev='vda' bus='virtio'",
            "dev='vda' bus='scsi'",
            "<disk> 'vda': <target dev='vda' bus='scsi'/> does not match source <target dev='vda' bus='virtio'/>",
        ),
        ("<serial>one<", "<serial>two<", "<serial>two</serial>"),
        ("bus='0x04'", "bus='0x05'", "bus='0x05'"),
        ("ports='15'", "ports='4'", "<controller> 'usb 0'"),
        ("dir='share'", "dir='other'", "<filesystem> 'share'"),
        ("00:00:01", "00:00:02", "<mac address='52:54:00:00:00:02'/>"),
        (
            "<target type='isa-serial' port='0'/>",
            "<target type='pci-serial' port='0'/>",
            "<serial>",
        ),
        (
            "org.qemu.guest_agent.0",
            "org.a",
            "<channel> 'org.qemu.guest_agent.0'",
        ),
        (
            "<input type='tablet' bus='usb'/>",
            "",
            "<input> count 0 does not match source 1",
        ),
        ("tpm-crb", "tpm-tis", "<tpm>"),
        ("ich9", "ich6", "<sound> 'ich9'"),
        ("heads='1'", "heads='2'", "<video>"),
        ("i6300esb", "ib700", "<watchdog>"),
        (
            "<memballoon model='virtio'>",
            "<memballoon model='none'>",
            "<memballoon>",
        ),
        (
            "<rng model='virtio'>",
            "<rng model='virtio-transitional'>",
            "<rng>",
        ),
    ] {
        let err = changed(from, to).expect_err(from);
        assert_eq!(err.code(), Code::ConfigUnsupported);
        assert!(
            err.detail().starts_with("Target ") && err.detail().contains(named),
            "{err}"
        );
    }
}
