//! Snapshots, checkpoints and backups.

use super::Domain;
use super::limits;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpoint {
    pub name: String,
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshot {
    pub name: String,
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotCreateXmlArgs {
    pub dom: Domain,
    pub xml_desc: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotCreateXmlRet {
    pub snap: DomainSnapshot,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotGetXmlDescArgs {
    pub snap: DomainSnapshot,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotNumArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotNumRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotListNamesArgs {
    pub dom: Domain,
    pub maxnames: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotListNamesRet {
    #[xdr(max = limits::DOMAIN_SNAPSHOT_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainListAllSnapshotsArgs {
    pub dom: Domain,
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainListAllSnapshotsRet {
    #[xdr(max = limits::DOMAIN_SNAPSHOT_LIST_MAX)]
    pub snapshots: Vec<DomainSnapshot>,
    pub ret: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotNumChildrenArgs {
    pub snap: DomainSnapshot,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotNumChildrenRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotListChildrenNamesArgs {
    pub snap: DomainSnapshot,
    pub maxnames: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotListChildrenNamesRet {
    #[xdr(max = limits::DOMAIN_SNAPSHOT_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotListAllChildrenArgs {
    pub snapshot: DomainSnapshot,
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotListAllChildrenRet {
    #[xdr(max = limits::DOMAIN_SNAPSHOT_LIST_MAX)]
    pub snapshots: Vec<DomainSnapshot>,
    pub ret: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotLookupByNameArgs {
    pub dom: Domain,
    pub name: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotLookupByNameRet {
    pub snap: DomainSnapshot,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainHasCurrentSnapshotArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainHasCurrentSnapshotRet {
    pub result: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotGetParentArgs {
    pub snap: DomainSnapshot,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotGetParentRet {
    pub snap: DomainSnapshot,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotCurrentArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotCurrentRet {
    pub snap: DomainSnapshot,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotIsCurrentArgs {
    pub snap: DomainSnapshot,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotIsCurrentRet {
    pub current: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotHasMetadataArgs {
    pub snap: DomainSnapshot,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotHasMetadataRet {
    pub metadata: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainRevertToSnapshotArgs {
    pub snap: DomainSnapshot,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSnapshotDeleteArgs {
    pub snap: DomainSnapshot,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpointCreateXmlArgs {
    pub dom: Domain,
    pub xml_desc: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpointCreateXmlRet {
    pub checkpoint: DomainCheckpoint,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpointGetXmlDescArgs {
    pub checkpoint: DomainCheckpoint,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpointGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainListAllCheckpointsArgs {
    pub dom: Domain,
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainListAllCheckpointsRet {
    #[xdr(max = limits::DOMAIN_CHECKPOINT_LIST_MAX)]
    pub checkpoints: Vec<DomainCheckpoint>,
    pub ret: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpointListAllChildrenArgs {
    pub checkpoint: DomainCheckpoint,
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpointListAllChildrenRet {
    #[xdr(max = limits::DOMAIN_CHECKPOINT_LIST_MAX)]
    pub checkpoints: Vec<DomainCheckpoint>,
    pub ret: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpointLookupByNameArgs {
    pub dom: Domain,
    pub name: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpointLookupByNameRet {
    pub checkpoint: DomainCheckpoint,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpointGetParentArgs {
    pub checkpoint: DomainCheckpoint,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpointGetParentRet {
    pub parent: DomainCheckpoint,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCheckpointDeleteArgs {
    pub checkpoint: DomainCheckpoint,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBackupBeginArgs {
    pub dom: Domain,
    pub backup_xml: String,
    pub checkpoint_xml: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBackupGetXmlDescArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBackupGetXmlDescRet {
    pub xml: String,
}
