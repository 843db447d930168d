//! Kinds of pools and volumes, with what documents may say of each.

use xml::Value;

/// What a pool is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Value)]
#[allow(missing_docs, reason = "storage.html says what each is")]
pub enum PoolKind {
    #[xml("dir")]
    Dir,
    #[xml("fs")]
    Fs,
    #[xml("netfs")]
    Netfs,
    #[xml("logical")]
    Logical,
    #[xml("disk")]
    Disk,
    #[xml("iscsi")]
    Iscsi,
    #[xml("iscsi-direct")]
    IscsiDirect,
    #[xml("scsi")]
    Scsi,
    #[xml("mpath")]
    Mpath,
    #[xml("rbd")]
    Rbd,
    #[xml("sheepdog")]
    Sheepdog,
    #[xml("gluster")]
    Gluster,
    #[xml("zfs")]
    Zfs,
    #[xml("vstorage")]
    Vstorage,
}

/// Formats of volumes that are files.
const FILES: &[&str] = &[
    "none", "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop", "cow", "qcow",
    "qcow2", "qed", "vmdk",
];

/// Kinds of partitions.
const PARTITIONS: &[&str] = &[
    "none",
    "linux",
    "fat16",
    "fat32",
    "linux-swap",
    "linux-lvm",
    "linux-raid",
    "extended",
];

impl PoolKind {
    /// The formats that a pool's source may have, the one that counts where none is given first; none at all where
    /// sources have no formats.
    pub const fn source_formats(self) -> &'static [&'static str] {
        match self {
            Self::Fs => &[
                "auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2", "vfat", "hfs+",
                "xfs", "ocfs2", "vmfs",
            ],
            Self::Netfs => &["auto", "nfs", "glusterfs", "cifs"],
            Self::Logical => &["unknown", "lvm2"],
            Self::Disk => &[
                "unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2",
            ],
            _ => &[],
        }
    }

    /// The source's format that counts where none is given.
    pub fn default_source_format(self) -> Option<&'static str> {
        match self {
            Self::Logical => Some("lvm2"),
            other => other.source_formats().first().copied(),
        }
    }

    /// The formats that a volume may have; none at all where volumes have none.
    pub const fn volume_formats(self) -> &'static [&'static str] {
        match self {
            Self::Dir | Self::Fs | Self::Netfs | Self::Gluster | Self::Vstorage => FILES,
            Self::Disk => PARTITIONS,
            _ => &[],
        }
    }

    /// A volume's format that counts where none is given.
    pub const fn default_volume_format(self) -> Option<&'static str> {
        match self {
            Self::Dir | Self::Fs | Self::Netfs | Self::Gluster | Self::Vstorage | Self::Rbd => Some("raw"),
            Self::Disk => Some("none"),
            _ => None,
        }
    }

    /// Whether its volumes are files of a folder.
    pub const fn has_files(self) -> bool {
        matches!(self, Self::Dir | Self::Fs | Self::Netfs | Self::Vstorage)
    }
}

/// What a volume is on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
#[allow(missing_docs, reason = "the words say it")]
pub enum VolumeKind {
    #[xml("file")]
    File,
    #[xml("block")]
    Block,
    #[xml("dir")]
    Dir,
    #[xml("network")]
    Network,
    #[xml("netdir")]
    Netdir,
    #[xml("ploop")]
    Ploop,
}

impl VolumeKind {
    /// Its number (`virStorageVolType`).
    pub const fn number(self) -> u8 {
        match self {
            Self::File => 0,
            Self::Block => 1,
            Self::Dir => 2,
            Self::Network => 3,
            Self::Netdir => 4,
            Self::Ploop => 5,
        }
    }
}
