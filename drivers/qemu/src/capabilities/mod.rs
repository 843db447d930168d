//! What the host and its QEMU binaries can do, as clients hear it.
//!
//! [`Capabilities`] answers the calls. What costs time is kept: the guests' part of the document until a binary
//! changes, the host's processor for good. What may change at any moment (cells, pages) is read at each call.

mod baseline;
mod compare;
mod cpu;
pub mod domain;
pub mod firmware;
mod guest;
mod host;
mod models;
pub mod sysinfo;
pub(crate) mod tools;

pub use baseline::BaselineOptions;
pub use compare::Comparison;
pub(crate) use compare::{Wanted, compare, wanted};
pub use cpu::{HostModel, best};
pub use host::SecurityModel;

use crate::binary::{Accel, BinaryCache, BinaryCaps, Machine, arch};
use ::host::Host;
use ::host::catalogue::Catalogue;
use domain::Ground;
use error::{Code, Domain, Error, Result};
use model::capabilities as doc;
pub(crate) use models::Models;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The words of `<domain type=''>` that libvirt knows; all but two are other drivers'.
const DOMAIN_TYPES: &[&str] = &[
    "none",
    "qemu",
    "kqemu",
    "kvm",
    "xen",
    "lxc",
    "uml",
    "openvz",
    "test",
    "vmware",
    "hyperv",
    "vbox",
    "phyp",
    "parallels",
    "bhyve",
    "vz",
    "hvf",
];

/// The most processors that kernels as distributions build them give a guest under KVM.
const KVM_MAX_VCPUS: u32 = 1024;

/// Answers about capabilities.
#[derive(Debug)]
pub struct Capabilities {
    binaries: Arc<BinaryCache>,
    security: Vec<SecurityModel>,
    own_config: Option<PathBuf>,
    models: Arc<Models>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    cpu: Option<doc::HostCpu>,
    guests: Option<(Vec<String>, Vec<doc::Guest>)>,
}

/// What a client wants to know the domain capabilities of; what is absent is chosen as for a definition without it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<'a> {
    /// The emulator's path.
    pub emulator: Option<&'a str>,
    /// Architecture.
    pub arch: Option<&'a str>,
    /// Machine type or alias.
    pub machine: Option<&'a str>,
    /// Domain type.
    pub virt: Option<&'a str>,
}

/// A query with everything chosen.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The binary.
    pub caps: Arc<BinaryCaps>,
    /// How guests are run.
    pub accel: Accel,
    /// Architecture.
    pub arch: &'static str,
    /// Machine type.
    pub machine: Machine,
}

impl Capabilities {
    /// Tells of the binaries of `binaries` and of its host. `security` is how the driver keeps guests apart;
    /// `own_config` is the user's folder of configuration, where the driver serves a user.
    pub fn new(
        binaries: Arc<BinaryCache>,
        security: Vec<SecurityModel>,
        own_config: Option<PathBuf>,
    ) -> Self {
        let models = Arc::new(Models::of(binaries.host().clone()));
        Self {
            binaries,
            security,
            own_config,
            models,
            kept: Mutex::default(),
        }
    }

    /// The catalogue of processor models.
    pub(crate) fn models(&self) -> Arc<Models> {
        Arc::clone(&self.models)
    }

    /// The binaries.
    pub fn binaries(&self) -> &Arc<BinaryCache> {
        &self.binaries
    }

    fn host(&self) -> &Host {
        self.binaries.host()
    }

    /// The capabilities document.
    ///
    /// # Errors
    /// [`Code::InternalError`] when the work on it was lost. A binary that cannot be asked is left out and logged.
    pub async fn document(&self) -> Result<String> {
        let cpu = self.kept.lock().cpu.clone();
        let host = self.host().clone();
        let security = self.security.clone();
        let models = self.models();
        let host_part = tokio::task::spawn_blocking(move || {
            let cpu = cpu.unwrap_or_else(|| {
                let catalogue = models.get(&host.architecture());
                host::cpu(&host, catalogue.as_deref())
            });
            (cpu.clone(), host::document(&host, cpu, &security))
        });
        let (host_part, guests) = futures_util::future::join(host_part, self.guests()).await;
        let (cpu, host) = host_part.map_err(lost)?;
        self.kept.lock().cpu = Some(cpu);
        Ok(xml::to_string(&doc::Capabilities { host, guests }))
    }

    async fn guests(&self) -> Vec<doc::Guest> {
        let installed = self.binaries.installed();
        let stamps: Vec<String> = installed
            .iter()
            .map(|(arch, path)| format!("{} {}", arch.name, self.binaries.state(path)))
            .collect();
        if let Some((_, guests)) = self.kept.lock().guests.as_ref().filter(|(of, _)| *of == stamps) {
            return guests.clone();
        }
        let asked = installed.into_iter().map(|(arch, path)| async move {
            match self.binaries.get(&path).await {
                Ok(caps) => Some(guest::document(arch, &caps)),
                Err(error) => {
                    tracing::warn!(binary = %path.display(), %error, "a QEMU binary is left out of the capabilities");
                    None
                }
            }
        });
        let guests: Vec<doc::Guest> = futures_util::future::join_all(asked)
            .await
            .into_iter()
            .flatten()
            .collect();
        self.kept.lock().guests = Some((stamps, guests.clone()));
        guests
    }

    /// Chooses what a query leaves open, and checks that it goes together.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for a word that is unknown or does not fit the others, [`Code::ConfigUnsupported`] when no
    /// binary serves the architecture, else those of [`BinaryCache::get`].
    pub async fn choose(&self, query: Query<'_>) -> Result<Choice> {
        let invalid = |detail: String| Error::new(Code::InvalidArg, Domain::Qemu, detail);
        if let Some(virt) = query.virt.filter(|virt| !DOMAIN_TYPES.contains(virt)) {
            return Err(invalid(format!("unknown virttype: {virt}")));
        }
        let wanted = match query.arch {
            None => None,
            Some(name) => {
                Some(arch::by_name(name).ok_or_else(|| invalid(format!("unknown architecture: {name}")))?)
            }
        };
        let caps = match query.emulator {
            Some(path) => self.binaries.get(Path::new(path)).await?,
            None => {
                let native = self.host().architecture();
                self.binaries
                    .default_for(wanted.map_or(native.as_str(), |arch| arch.name))
                    .await?
            }
        };
        let path = caps.path.display();
        let arch = match wanted {
            None => arch::by_name(&caps.arch).map_or("x86_64", |arch| arch.name),
            Some(wanted) if arch::runs(&caps.arch, wanted.name) => wanted.name,
            Some(wanted) if arch::runs(wanted.name, &caps.arch) => {
                return Err(invalid(format!(
                    "Emulator '{path}' does not support arch '{}'",
                    wanted.name
                )));
            }
            Some(wanted) => {
                let detail = format!(
                    "architecture from emulator '{}' doesn't match given architecture '{}'",
                    caps.arch, wanted.name
                );
                return Err(invalid(detail));
            }
        };
        let accel = match query.virt {
            None if caps.has_kvm() => Some(Accel::Kvm),
            None | Some("qemu") => Some(Accel::Tcg),
            Some("kvm") if caps.has_kvm() => Some(Accel::Kvm),
            Some(_) => None,
        };
        let accelerated = accel.and_then(|accel| caps.accel(accel)).unwrap_or(&caps.tcg);
        let machine = match query.machine {
            Some(name) => accelerated.machine(name).ok_or_else(|| {
                invalid(format!(
                    "the machine '{name}' is not supported by emulator '{path}'"
                ))
            })?,
            None => accelerated.default_machine(arch).ok_or_else(|| {
                invalid(format!(
                    "emulator '{path}' has no default machine, one must be named"
                ))
            })?,
        };
        let accel = accel.ok_or_else(|| {
            let virt = query.virt.unwrap_or_default();
            invalid(format!("Emulator '{path}' does not support virt type '{virt}'"))
        })?;
        let machine = machine.clone();
        Ok(Choice {
            accel,
            arch,
            machine,
            caps,
        })
    }

    /// The domain capabilities document.
    ///
    /// # Errors
    /// Those of [`Self::choose`].
    pub async fn domain(&self, query: Query<'_>) -> Result<String> {
        let choice = self.choose(query).await?;
        let tpm_versions = tools::tpm_versions().await;
        let (host, own) = (self.host().clone(), self.own_config.clone());
        let models = self.models();
        let work = move || {
            let descriptors = firmware::descriptors(&host, own.as_deref());
            let machine = &choice.machine;
            let ground = Ground {
                firmware: firmware::offered(&host, &descriptors, choice.arch, &machine.name),
                vfio: host.has_iommu() && host.path("dev/vfio/vfio").exists(),
                tpm_versions,
                rdp: tools::find("qemu-rdp").is_some(),
                physical_bits: host.cpuid().physical_address_bits(),
                sev_guests: host.cpuid().encrypted_guests(),
            };
            let catalogue = models.get(choice.arch);
            let document = domain::document(
                &choice.caps,
                choice.accel,
                choice.arch,
                machine,
                &ground,
                catalogue.as_deref(),
            );
            xml::to_string(&document)
        };
        tokio::task::spawn_blocking(work).await.map_err(lost)
    }

    /// The names of an architecture's processor models; empty when every name is accepted.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for an unknown architecture, [`Code::NoSupport`] for one whose processors have no models,
    /// else those of [`BinaryCache::default_for`] where the names must come from QEMU.
    pub async fn cpu_models(&self, name: &str) -> Result<Vec<String>> {
        let known = arch::by_name(name).ok_or_else(|| {
            Error::new(
                Code::InvalidArg,
                Domain::Qemu,
                format!("cannot find architecture {name}"),
            )
        })?;
        let family = match known.name {
            "i686" | "x86_64" => "x86",
            "ppc64" | "ppc64le" => "ppc64",
            "aarch64" | "armv6l" | "armv7l" | "loongarch64" | "riscv64" | "s390x" => return Ok(Vec::new()),
            other => {
                let detail = format!("'{other}' architecture is not supported by CPU driver");
                return Err(Error::new(Code::NoSupport, Domain::Cpu, detail));
            }
        };
        let host = self.host().clone();
        let listed = tokio::task::spawn_blocking(move || {
            let catalogue = host.catalogue_of(family)?;
            Some(catalogue.models().map(|model| model.name().to_owned()).collect())
        });
        if let Some(names) = listed.await.map_err(lost)? {
            return Ok(names);
        }
        let caps = self.binaries.default_for(known.name).await?;
        let named = caps.tcg.cpus.iter().map(|model| model.name.to_string());
        Ok(named
            .filter(|name| !matches!(name.as_str(), "base" | "host" | "max"))
            .collect())
    }

    /// Compares the processor that `text` describes with the host's, or, with a query, with the one that guests can
    /// have there. `fail` turns an incompatible one into an error that says why.
    ///
    /// # Errors
    /// [`Code::XmlError`] for a document that is none, [`Code::InternalError`] for an unknown model or feature,
    /// [`Code::CpuIncompatible`] where `fail` asks for it, [`Code::NoSupport`] without a catalogue of processors, and
    /// those of [`Self::choose`].
    pub async fn compare_cpu(&self, text: &str, within: Option<Query<'_>>, fail: bool) -> Result<Comparison> {
        let (text, choice) = (text.to_owned(), self.within(within).await?);
        self.with_catalogue(move |host, catalogue| {
            let available = available(host, catalogue, choice.as_ref())?;
            compare::compare(&compare::read(&text)?, &available, catalogue, fail)
        })
        .await
    }

    /// The richest processor that all the described ones have in common, of a model that guests of a query can have.
    ///
    /// # Errors
    /// As [`Self::compare_cpu`], [`Code::InvalidArg`] without any description and [`Code::OperationFailed`] when they
    /// have nothing in common.
    pub async fn baseline_cpu(
        &self,
        texts: Vec<String>,
        within: Option<Query<'_>>,
        options: BaselineOptions,
    ) -> Result<String> {
        let choice = self.within(within).await?;
        self.with_catalogue(move |_, catalogue| {
            let accelerated = choice.as_ref().and_then(|choice| choice.caps.accel(choice.accel));
            let offers = |name: &str| cpu::lacking(accelerated?, name, catalogue);
            let offers: Option<baseline::Offers<'_>> = choice.is_some().then_some(&offers);
            Ok(xml::to_string(&baseline::baseline(
                &texts, offers, catalogue, options,
            )?))
        })
        .await
    }

    async fn within(&self, query: Option<Query<'_>>) -> Result<Option<Choice>> {
        match query {
            Some(query) => self.choose(query).await.map(Some),
            None => Ok(None),
        }
    }

    async fn with_catalogue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Host, &Catalogue) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let host = self.host().clone();
        let models = self.models();
        let work = move || match models.get(&host.architecture()) {
            Some(catalogue) => work(&host, &catalogue),
            None => {
                let detail = "comparing processors needs the processor models of package libvirt-common";
                Err(Error::new(Code::NoSupport, Domain::Cpu, detail))
            }
        };
        tokio::task::spawn_blocking(work).await.map_err(lost)?
    }

    /// The most processors of a guest of a domain type, or of one whose type is not told.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for a type that is not this driver's, else those of [`BinaryCache::default_for`].
    pub async fn max_vcpus(&self, virt: Option<&str>) -> Result<u32> {
        match virt {
            // What libvirt has always answered for emulation, whatever the machine type takes.
            None | Some("qemu" | "kqemu") => Ok(16),
            Some("kvm") => {
                let caps = self.binaries.default_for(&self.host().architecture()).await?;
                let machines = caps.kvm.as_ref().map_or(&[][..], |kvm| &kvm.machines);
                let most = machines.iter().map(|machine| machine.max_cpus).max();
                most.map(|most| most.min(KVM_MAX_VCPUS)).ok_or_else(|| {
                    let reason = caps
                        .kvm_refused
                        .as_deref()
                        .unwrap_or("the host has no usable KVM device");
                    Error::new(
                        Code::InvalidArg,
                        Domain::Qemu,
                        format!("no guests of type 'kvm' here: {reason}"),
                    )
                })
            }
            Some(other) => Err(Error::new(
                Code::InvalidArg,
                Domain::Qemu,
                format!("unknown type '{other}'"),
            )),
        }
    }
}

/// The processor of the host, or the best one that guests of a choice can have.
fn available(host: &Host, catalogue: &Catalogue, choice: Option<&Choice>) -> Result<compare::Available> {
    let Some(choice) = choice else {
        let letters = host.cpuid().vendor();
        return Ok(compare::Available {
            arch: host.architecture(),
            vendor: letters
                .and_then(|letters| catalogue.vendor(&letters))
                .map(str::to_owned),
            features: catalogue.of_host(host),
        });
    };
    of_guests(&choice.caps, choice.accel, choice.arch, catalogue)
}

/// The best processor that guests of a binary can have.
///
/// # Errors
/// [`Code::NoSupport`] when the binary does not tell.
pub(crate) fn of_guests(
    caps: &BinaryCaps,
    accel: Accel,
    arch: &str,
    catalogue: &Catalogue,
) -> Result<compare::Available> {
    let best = caps.accel(accel).and_then(|accel| accel.best.as_ref());
    let best = best.ok_or_else(|| {
        let detail = format!(
            "emulator '{}' does not tell what its processors have",
            caps.path.display()
        );
        Error::new(Code::NoSupport, Domain::Cpu, detail)
    })?;
    let vendor = best
        .texts
        .get("vendor")
        .and_then(|letters| catalogue.vendor(letters));
    Ok(compare::Available {
        arch: arch.to_owned(),
        vendor: vendor.map(str::to_owned),
        features: cpu::features(best, catalogue),
    })
}

fn lost(error: tokio::task::JoinError) -> Error {
    Error::new(
        Code::InternalError,
        Domain::Qemu,
        "the work on capabilities was lost",
    )
    .caused_by(error)
}
