//! The daemon under test: a driver that does next to nothing.

use daemon::confinement::{Capabilities, CapabilitySet, Needs, Places};
use daemon::{Driver, Handover, Info, Instance, Routes};
use error::Result;
use protocol::remote::{self, procedure as call};
use rpc::Context;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) struct Tiny {
    /// While this file exists, something runs.
    busy: PathBuf,
    /// What the program before handed over: how many there were, and a file with one byte of each.
    before: (u32, File),
}

impl Driver for Tiny {
    const INFO: Info = Info {
        daemon: "virttestd",
        about: "a daemon for tests",
        driver: "test",
    };
    const CLIENTS_GO_ON: bool = true;
    const NEEDS: Needs = Needs {
        capabilities: Capabilities::Only(CapabilitySet::empty()),
        children: false,
        places: Some(|layout| Places::default().and_write([layout.run_dir().to_owned()])),
    };

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        let before = match instance.take_handover() {
            None => (0, tempfile::tempfile_in(instance.layout.run_dir()).unwrap()),
            Some(handover) => {
                let file = handover.descriptors.into_iter().next().unwrap();
                (handover.notes.parse().unwrap(), File::from(file))
            }
        };
        std::fs::write(instance.layout.run_dir().join("before"), before.0.to_string()).unwrap();
        Ok(Arc::new(Self {
            busy: instance.layout.run_dir().join("busy"),
            before,
        }))
    }

    async fn hand_over(&self) -> Result<Handover> {
        let (count, file) = &self.before;
        let mut file = file.try_clone().unwrap();
        file.write_all(b"x").unwrap();
        assert_eq!(file.metadata().unwrap().len(), u64::from(count + 1));
        Ok(Handover {
            notes: (count + 1).to_string(),
            descriptors: vec![file.into()],
        })
    }

    fn routes(routes: &mut Routes<Self>) {
        routes
            .on::<call::ConnectOpen, _>(open)
            .on::<call::ConnectClose, _>(close)
            .on::<call::ConnectGetHostname, _>(hostname)
            .on::<call::DomainLookupByName, _>(lookup)
            .on::<call::DomainDestroy, _>(destroy);
    }

    fn supports_feature(&self, _: i32) -> bool {
        false
    }

    fn busy(&self) -> bool {
        self.busy.exists()
    }

    async fn reload(&self) -> Result<()> {
        Ok(())
    }

    async fn shutdown(&self) {}
}

async fn open(_: Context<Tiny>, _: remote::ConnectOpenArgs) -> Result<()> {
    Ok(())
}

async fn close(_: Context<Tiny>, (): ()) -> Result<()> {
    Ok(())
}

async fn hostname(_: Context<Tiny>, (): ()) -> Result<remote::ConnectGetHostnameRet> {
    Ok(remote::ConnectGetHostnameRet {
        hostname: "tiny.example".to_owned(),
    })
}

async fn lookup(
    _: Context<Tiny>,
    args: remote::DomainLookupByNameArgs,
) -> Result<remote::DomainLookupByNameRet> {
    use rustix::net::{AddressFamily, SocketType, socket};
    let done = match args.name.as_str() {
        // What is not on the list does not exist.
        "network" => socket(AddressFamily::INET, SocketType::STREAM, None).map(drop),
        "priority" => rustix::process::setpriority_process(None, 1),
        // This one ends the process.
        "reboot" => rustix::system::reboot(rustix::system::RebootCommand::CadOff),
        _ => Err(rustix::io::Errno::NOSYS),
    };
    assert_eq!(done, Err(rustix::io::Errno::NOSYS), "{}", args.name);
    Ok(remote::DomainLookupByNameRet {
        dom: remote::Domain {
            name: args.name,
            uuid: [7; 16],
            id: 1,
        },
    })
}

async fn destroy(_: Context<Tiny>, _: remote::DomainDestroyArgs) -> Result<()> {
    Ok(())
}
