//! qemu-img's arguments; pure.

use model::domain::devices::disk_source::Encryption;
use model::storage::Volume;
use std::ffi::OsString;
use tool::Tool;

/// An image that qemu-img makes or reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image<'a> {
    /// Its path.
    pub path: &'a str,
    /// The word of its format.
    pub format: &'a str,
    /// How it is unlocked.
    pub key: Option<Key<'a>>,
}

/// What unlocks an image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    /// The volume's name.
    pub name: &'a str,
    /// The file with the key.
    pub file: &'a str,
    /// How the image is encrypted.
    pub encryption: &'a Encryption,
}

impl Key<'_> {
    /// What qemu-img calls it.
    fn id(&self) -> String {
        format!("{}_encrypt0", self.name)
    }

    fn object(&self) -> [OsString; 2] {
        let (id, file) = (escaped(&self.id()), escaped(self.file));
        ["--object".into(), format!("secret,id={id},file={file}").into()]
    }

    /// How an image that is made is encrypted.
    fn options(&self, inside: bool, options: &mut Vec<String>) {
        let begin = if inside { "encrypt." } else { "" };
        if inside {
            options.push("encrypt.format=luks".to_owned());
        }
        options.push(format!("{begin}key-secret={}", escaped(&self.id())));
        let mut option = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                options.push(format!("{begin}{key}={}", escaped(value)));
            }
        };
        if let Some(cipher) = &self.encryption.cipher {
            option("cipher-alg", Some(&format!("{}-{}", cipher.name, cipher.size)));
            option("cipher-mode", cipher.mode.as_deref());
            option("hash-alg", cipher.hash.as_deref());
        }
        if let Some(ivgen) = &self.encryption.ivgen {
            option("ivgen-alg", Some(&ivgen.name));
            option("ivgen-hash-alg", ivgen.hash.as_deref());
        }
    }
}

/// What is wanted of an image.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    /// Bytes that a guest sees; `None` leaves that to what it is based on.
    pub capacity: Option<u64>,
    /// What it is based on, with the word of its format.
    pub backing: Option<(&'a str, Option<&'a str>)>,
    /// How much of it has room on the disk at once.
    pub preallocation: Option<Preallocation>,
    /// The version of qcow2.
    pub compat: Option<&'a str>,
    pub nocow: bool,
    /// In bytes.
    pub cluster_size: Option<u64>,
    pub lazy_refcounts: bool,
    pub extended_l2: bool,
}

impl<'a> Wanted<'a> {
    /// What a volume's document wants.
    pub(crate) fn of(
        document: &'a Volume,
        capacity: Option<u64>,
        preallocation: Option<Preallocation>,
    ) -> Self {
        let (target, backing) = (&document.target, document.backing.as_ref());
        let features = target.features.as_ref();
        let backing_format = backing.and_then(|backing| backing.format.as_ref());
        Self {
            capacity,
            backing: backing.and_then(|backing| {
                let format = backing_format.map(|format| format.r#type.as_str());
                Some((backing.path.as_deref()?, format))
            }),
            preallocation,
            compat: target.compat.as_deref(),
            nocow: target.nocow,
            cluster_size: target.cluster_size.map(|size| size.0),
            lazy_refcounts: features.is_some_and(|features| features.lazy_refcounts),
            extended_l2: features.is_some_and(|features| features.extended_l2),
        }
    }
}

/// How much of an image has room on the disk at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preallocation {
    /// What tells where things are.
    Metadata,
    /// Everything.
    Falloc,
}

/// A word within a list of options: its commas are doubled.
fn escaped(word: &str) -> String {
    word.replace(',', ",,")
}

/// A size as qemu-img is told it: in KiB, rounded up.
fn kibibytes(bytes: u64) -> String {
    format!("{}K", bytes.div_ceil(1024))
}

fn is_luks(image: &Image<'_>) -> bool {
    image.key.is_some() && image.format != "qcow2"
}

/// What QEMU calls the format of an image. A raw one that is encrypted is one of LUKS to it.
fn driver<'a>(image: &Image<'a>) -> &'a str {
    match image.format {
        _ if is_luks(image) => "luks",
        "iso" | "none" => "raw",
        "ploop" => "parallels",
        "vhd" => "vhdx",
        other => other,
    }
}

fn options(image: &Image<'_>, wanted: &Wanted<'_>) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(key) = image.key.filter(|_| is_luks(image)) {
        key.options(false, &mut options);
        return options;
    }
    if let Some((_, Some(format))) = wanted.backing {
        options.push(format!("backing_fmt={format}"));
    }
    if image.format != "qcow2" {
        return options;
    }
    if let Some(key) = image.key {
        key.options(true, &mut options);
    }
    match wanted.preallocation {
        Some(Preallocation::Metadata) => options.push("preallocation=metadata".to_owned()),
        Some(Preallocation::Falloc) => options.push("preallocation=falloc".to_owned()),
        None => {}
    }
    if wanted.nocow {
        options.push("nocow=on".to_owned());
    }
    options.push(format!("compat={}", wanted.compat.unwrap_or("1.1")));
    if let Some(size) = wanted.cluster_size {
        options.push(format!("cluster_size={size}"));
    }
    if wanted.lazy_refcounts {
        options.push("lazy_refcounts=on".to_owned());
    }
    if wanted.extended_l2 {
        options.push("extended_l2=on".to_owned());
    }
    options
}

fn option_words(options: &[String]) -> Vec<OsString> {
    if options.is_empty() {
        return Vec::new();
    }
    vec!["-o".into(), options.join(",").into()]
}

/// Makes an image.
pub(crate) fn create(image: &Image<'_>, wanted: &Wanted<'_>) -> Tool {
    let mut tool = Tool::new("qemu-img").with(["create", "-f", driver(image)]);
    if let Some((backing, _)) = wanted.backing {
        tool = tool.with(["-b", backing]);
    }
    if let Some(key) = &image.key {
        tool = tool.with(key.object());
    }
    tool.with(option_words(&options(image, wanted)))
        .with([image.path])
        .with(wanted.capacity.map(kibibytes))
}

/// Makes an image of another one: in one step, or where either is encrypted, into one that was made before.
pub(crate) fn convert(from: &Image<'_>, to: &Image<'_>, wanted: &Wanted<'_>) -> Vec<Tool> {
    if from.key.is_none() && to.key.is_none() {
        let tool = Tool::new("qemu-img")
            .with(["convert", "-f", driver(from), "-O", driver(to)])
            .with(option_words(&options(to, wanted)))
            .with([from.path, to.path]);
        return vec![tool];
    }
    let mut tool = Tool::new("qemu-img").with(["convert", "--image-opts", "-n", "--target-image-opts"]);
    for key in [from.key, to.key].iter().flatten() {
        tool = tool.with(key.object());
    }
    vec![create(to, wanted), tool.with([node(from), node(to)])]
}

/// An image as QEMU's options of a block node.
fn node(image: &Image<'_>) -> String {
    let key = image.key.map(|key| {
        let begin = if is_luks(image) { "" } else { "encrypt." };
        format!(",{begin}key-secret={}", escaped(&key.id()))
    });
    format!(
        "driver={},file.filename={}{}",
        driver(image),
        escaped(image.path),
        key.unwrap_or_default()
    )
}

/// Makes an image larger or smaller.
pub(crate) fn resize(image: &Image<'_>, capacity: u64, shrink: bool) -> Tool {
    let mut tool = Tool::new("qemu-img").with(["resize"]);
    if let Some(key) = &image.key {
        tool = tool.with(key.object()).with(["--image-opts"]);
    } else {
        tool = tool.with(["-f", driver(image)]);
    }
    if shrink {
        tool = tool.with(["--shrink"]);
    }
    let subject = match image.key {
        Some(_) => node(image),
        None => image.path.to_owned(),
    };
    tool.with([subject, kibibytes(capacity)])
}

#[cfg(test)]
#[path = "qemu_img_golden.rs"]
mod golden;
