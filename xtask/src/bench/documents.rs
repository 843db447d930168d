//! What documents cost: the largest one there is, read and written, and a guest of 200 disks, defined.

use super::daemons::{self, Daemon, Kind};
use super::{ROUNDS, Values, load, median, note};
use crate::progress::say;
use anyhow::{Context, Result, anyhow};
use model::domain::Domain;
use protocol::remote::procedure::{DomainDefineXml, DomainGetXmlDesc};
use protocol::remote::{self, DomainDefineXmlArgs, DomainGetXmlDescArgs};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

/// How often each is timed.
const TIMES: usize = 25;

/// Disks of the guest that has many.
const DISKS: u32 = 200;

/// Times both daemons in turn.
pub(super) fn measure(ours: &mut Values, theirs: &mut Values) -> Result<()> {
    let largest = largest().unwrap_or_else(|| many_disks(DISKS));
    say(&format!("* The largest document has {} bytes", largest.len()));
    let peer = daemons::peer_is_there();
    for _ in 0..ROUNDS {
        note(ours, "document_read_written", read_and_written(&largest)?);
        with_daemon(Kind::Ours, &largest, ours)?;
        if peer {
            with_daemon(Kind::Peer, &largest, theirs)?;
        }
    }
    Ok(())
}

/// The largest golden document, where those lie beside the project.
fn largest() -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/domain");
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let files = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "xml"));
    let largest = files.max_by_key(|entry| entry.metadata().map_or(0, |data| data.len()))?;
    std::fs::read_to_string(largest.path()).ok()
}

/// Seconds to read a document and write it again, in this process.
fn read_and_written(text: &str) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..TIMES * 8 {
        let start = Instant::now();
        let domain = Domain::from_xml(text).map_err(|err| anyhow!("{err}"))?;
        let written = domain.to_xml();
        times.push(start.elapsed().as_secs_f64());
        std::hint::black_box(written);
    }
    median(&times).context("nothing was measured")
}

fn with_daemon(kind: Kind, largest: &str, values: &mut Values) -> Result<()> {
    let mut daemon = Daemon::prepare(kind)?;
    daemon.start()?;
    daemon.connect()?;
    let socket = daemon.socket();
    load::block_on(async {
        let client = load::open(&socket).await?;
        let args = |xml: &str| DomainDefineXmlArgs { xml: xml.to_owned() };
        let many = args(&many_disks(DISKS));
        // The first of each may ask QEMU what it can do.
        client.call::<DomainDefineXml>(&many).await?;
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let start = Instant::now();
            client.call::<DomainDefineXml>(&many).await?;
            times.push(start.elapsed().as_secs_f64());
        }
        note(
            values,
            "define_many_disks",
            median(&times).context("nothing was measured")?,
        );
        let largest = args(largest);
        let defined = client.call::<DomainDefineXml>(&largest).await?;
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let start = Instant::now();
            client.call::<DomainDefineXml>(&largest).await?;
            times.push(start.elapsed().as_secs_f64() + shown(&client, &defined.dom).await?);
        }
        note(
            values,
            "document_defined",
            median(&times).context("nothing was measured")?,
        );
        Ok(())
    })?;
    daemon.stop()
}

/// Seconds of one look at a domain's document.
async fn shown(client: &client::Client, dom: &remote::Domain) -> Result<f64> {
    let args = DomainGetXmlDescArgs {
        dom: dom.clone(),
        flags: 0,
    };
    let start = Instant::now();
    client.call::<DomainGetXmlDesc>(&args).await?;
    Ok(start.elapsed().as_secs_f64())
}

/// A guest with so many virtio disks, on as many buses as they take.
fn many_disks(count: u32) -> String {
    let mut disks = String::new();
    for number in 0..count {
        let letter = |number: u32| char::from_u32(u32::from(b'a') + number % 26).unwrap_or('a');
        let name = match number / 26 {
            0 => format!("vd{}", letter(number)),
            hundreds => format!("vd{}{}", letter(hundreds - 1), letter(number)),
        };
        let _ = write!(
            disks,
            "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/images/{number}.img'/>\
             <target dev='{name}' bus='virtio'/></disk>"
        );
    }
    format!(
        "<domain type='qemu'><name>disks</name><uuid>c7a5fdbd-edaf-9455-926a-000000000200</uuid>\
         <memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os>\
         <devices>{disks}</devices></domain>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_of_many_disks_can_be_read() {
        let domain = Domain::from_xml(&many_disks(DISKS)).unwrap();
        assert_eq!(domain.devices.disks.len(), 200);
        assert_eq!(domain.devices.disks[199].target.dev, "vdgr");
    }
}
