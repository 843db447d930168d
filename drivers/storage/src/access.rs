//! Who pools and volumes are that calls name, for access control.

use crate::Driver;
use crate::failure::refused;
use crate::pool::Pool;
use crate::volume::change::no_volume;
use crate::volume::path_in;
use daemon::access::{By, Kind, Object, undescribed};
use error::{Code, Result};
use model::storage::{Pool as PoolDocument, Volume as Document};
use protocol::remote::procedure as p;
use protocol::remote::{StorageVol, StorageVolCreateXmlArgs, StorageVolCreateXmlFromArgs};
use uuid::Uuid;
use xdr::Decode;

fn decoded<T: Decode>(bytes: &[u8]) -> Result<T> {
    xdr::from_bytes(bytes).map_err(|err| refused(Code::Rpc, err.to_string()).caused_by(err))
}

fn pool_object(pool: &Pool) -> Object {
    Object::storage_pool(&pool.name, pool.uuid)
}

impl Driver {
    /// Who an object is.
    ///
    /// # Errors
    /// There is none, or its document is refused.
    pub(crate) fn object(&self, kind: Kind, by: By<'_>) -> Result<Object> {
        match (kind, by) {
            (Kind::StoragePool, By::Uuid(uuid)) => Ok(pool_object(&*self.pools.by_uuid(uuid)?)),
            (Kind::StoragePool, By::Name(name)) => Ok(pool_object(&*self.pools.by_name(name)?)),
            (Kind::StoragePool, By::Document(text)) => {
                let document = PoolDocument::from_xml(text)?;
                // Without one it gets a new one.
                let uuid = document.uuid.unwrap_or_else(Uuid::new_v4);
                Ok(Object::storage_pool(&document.name, uuid))
            }
            (Kind::StorageVol, By::Member(pool, name)) => self.volume(&*self.pools.by_uuid(pool)?, name),
            (Kind::StorageVol, By::Reference(bytes)) => {
                let volume: StorageVol = decoded(bytes)?;
                self.volume(&*self.pools.by_name(&volume.pool)?, &volume.name)
            }
            (Kind::StorageVol, By::Call(call, bytes)) if call.is::<p::StorageVolCreateXml>() => {
                let args: StorageVolCreateXmlArgs = decoded(bytes)?;
                self.new_volume(&*self.pools.find(&args.pool)?, &args.xml)
            }
            (Kind::StorageVol, By::Call(call, bytes)) if call.is::<p::StorageVolCreateXmlFrom>() => {
                let args: StorageVolCreateXmlFromArgs = decoded(bytes)?;
                self.new_volume(&*self.pools.find(&args.pool)?, &args.xml)
            }
            (kind, by) => Err(undescribed(kind, by)),
        }
    }

    fn volume(&self, pool: &Pool, name: &str) -> Result<Object> {
        let volume = pool.volumes.get(name).ok_or_else(|| no_volume(name))?;
        let key = volume.key(&pool.state().document);
        Ok(Object::storage_vol(&pool.name, pool.uuid, &volume.name, &key))
    }

    fn new_volume(&self, pool: &Pool, text: &str) -> Result<Object> {
        let state = pool.state();
        let name = Document::from_xml(text, state.document.kind)?.name;
        // It has no key yet; the path that it will have is what clients know.
        let key = path_in(&state.document, &name);
        Ok(Object::storage_vol(&pool.name, pool.uuid, &name, &key))
    }
}
