//! What libvirt prints must be read and printed again without a change.

use super::*;

/// Snippets as libvirt prints them: each is one device.
fn round_trip(text: &str) {
    let document = format!("<devices>{text}</devices>");
    let devices: Devices = xml::from_str(&document).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let squeeze = |text: &str| text.lines().map(str::trim).collect::<String>();
    assert_eq!(squeeze(&xml::to_string(&devices)), squeeze(&document));
}

#[test]
fn a_disk_keeps_its_chain_and_its_end() {
    round_trip(
        "<disk type='network' device='disk'>
          <driver name='qemu' type='qcow2' cache='none'><metadata_cache><max_size unit='bytes'>3072</max_size></metadata_cache></driver>
          <source protocol='nbd' name='x' tls='yes' tlsHostname='h'>
            <host name='x' port='10809'/>
            <reconnect delay='3'/>
            <slices><slice type='storage' offset='0' size='3'/></slices>
          </source>
          <backingStore type='file'>
            <format type='qcow2'/>
            <source file='/x'/>
            <backingStore type='block'>
              <format type='raw'/>
              <source dev='/dev/x'/>
              <backingStore/>
            </backingStore>
          </backingStore>
          <target dev='vda' bus='virtio'/>
          <boot order='1'/>
          <alias name='ua-x'/>
          <address type='pci' domain='0x0000' bus='0x00' slot='0x04' function='0x0'/>
        </disk>",
    );
}

#[test]
fn a_network_card_keeps_the_order_of_its_parts() {
    round_trip(
        "<interface type='bridge' trustGuestRxFilters='yes'>
          <mac address='52:54:00:00:00:01'/>
          <source bridge='br0'/>
          <vlan><tag id='4' nativeMode='tagged'/></vlan>
          <bandwidth><inbound average='1'/><outbound average='1'/></bandwidth>
          <script path='/s'/>
          <target dev='mytap'/>
          <model type='virtio'/>
          <driver name='vhost' queues='4' iommu='on'><host csum='off'/><guest csum='off'/></driver>
          <filterref filter='foo'><parameter name='IP' value='1'/></filterref>
          <link state='up'/>
          <mtu size='1500'/>
          <boot order='1'/>
          <alias name='ua-x'/>
          <rom bar='on' file='/x'/>
          <acpi index='3'/>
          <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
        </interface>",
    );
}

#[test]
fn character_devices_and_displays_come_back() {
    round_trip(
        "<serial type='udp'>
          <source mode='bind' host='j' service='4'/>
          <source mode='connect' host='h' service='3'/>
          <log file='/l' append='on'/>
          <target type='isa-serial' port='0'><model name='isa-serial'/></target>
          <address type='isa' iobase='0x3f8' irq='0x4'/>
        </serial>
        <channel type='unix'>
          <source mode='bind' path='/x'/>
          <target type='virtio' name='org.qemu.guest_agent.0'/>
          <address type='virtio-serial' controller='0' bus='0' port='1'/>
        </channel>
        <graphics type='vnc' port='-1' autoport='yes'><listen type='address'/><audio id='1'/></graphics>
        <redirfilter>
          <usbdev product='0xBEEF' allow='yes'/>
          <usbdev class='0x03' vendor='0x0012' version='1.10' allow='no'/>
        </redirfilter>
        <rng model='virtio'><backend model='egd' type='tcp'><source mode='connect' host='h' service='1'/><protocol type='raw'/></backend></rng>",
    );
}

#[test]
fn an_address_out_of_range_is_refused_by_name() {
    for (attributes, sentence) in [
        ("slot='0x33'", "Invalid PCI address slot='0x33', must be <= 0x1F"),
        (
            "slot='3' function='9'",
            "Invalid PCI address function=0x9, must be <= 7",
        ),
        ("bus='0x100'", "Invalid PCI address bus='0x100', must be <= 0xFF"),
        (
            "slot='zz'",
            "Invalid value for attribute 'slot' in element 'address': 'zz'. Expected non-negative integer value",
        ),
    ] {
        let text = format!("<address type='pci' {attributes}/>");
        assert_eq!(xml::from_str::<Address>(&text).unwrap_err().to_string(), sentence);
    }
}

#[test]
fn an_address_to_be_found_stays_without_numbers() {
    let address: Address = xml::from_str("<address type='pci' multifunction='on'/>").unwrap();
    assert!(matches!(&address, Address::Pci(pci) if !pci.is_assigned()));
    assert_eq!(
        xml::to_string(&address),
        "<address type='pci' multifunction='on'/>\n"
    );
}
