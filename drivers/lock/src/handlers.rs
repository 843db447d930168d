//! The lock program's calls.

use crate::Driver;
use crate::owner::{Client, Known, Owner};
use crate::spaces::Wanted;
use daemon::{Routes, call_flags};
use error::{Code, Domain, Error, Result};
use protocol::lock::{self as wire, procedure as call};
use rpc::Context;

type Call = Context<Driver>;

pub(crate) fn routes(routes: &mut Routes<Driver>) {
    routes
        .on::<call::Register, _>(register)
        .on::<call::Restrict, _>(restrict)
        .on::<call::New, _>(new)
        .on::<call::CreateResource, _>(create_resource)
        .on::<call::DeleteResource, _>(delete_resource)
        .on::<call::AcquireResource, _>(acquire_resource)
        .on::<call::ReleaseResource, _>(release_resource)
        .on::<call::CreateLockspace, _>(create_lockspace);
}

/// What is known of the client, if it may still do anything.
fn known(call: &Call) -> Result<Known> {
    let known = call.session.state::<Client>().0.lock().clone();
    if known.restricted {
        return Err(Error::new(
            Code::OperationDenied,
            Domain::Rpc,
            "lock manager connection has been restricted",
        ));
    }
    Ok(known)
}

/// For whom the client speaks.
fn owner(call: &Call) -> Result<Owner> {
    known(call)?.owner.ok_or_else(|| {
        Error::new(
            Code::OperationInvalid,
            Domain::Rpc,
            "lock owner details have not been registered",
        )
    })
}

async fn register(call: Call, args: wire::RegisterArgs) -> Result<()> {
    call_flags::check(Domain::Rpc, "register", args.flags, 0)?;
    let before = known(&call)?;
    if before.owner.as_ref() == Some(&args.owner.clone().into()) {
        return Ok(());
    }
    if before.is_holder {
        let text = "this connection is its owner's sign of life and cannot speak for another";
        return Err(Error::new(Code::OperationInvalid, Domain::Rpc, text));
    }
    let owner = Owner::from(args.owner);
    let pid = owner.pid;
    let peer = call.session.identity().and_then(|identity| identity.pid);
    let is_holder = peer.is_some_and(|peer| u32::try_from(peer) == Ok(pid));
    {
        let client = call.session.state::<Client>();
        let mut known = client.0.lock();
        known.owner = Some(owner);
        known.is_holder = is_holder;
    }
    call.driver.remember(&call.session);
    if is_holder {
        call.driver.release_with(&call.session, pid);
    }
    Ok(())
}

async fn restrict(call: Call, args: wire::RestrictArgs) -> Result<()> {
    call_flags::check(Domain::Rpc, "restrict", args.flags, 0)?;
    owner(&call)?;
    call.session.state::<Client>().0.lock().restricted = true;
    Ok(())
}

async fn new(call: Call, args: wire::NewArgs) -> Result<()> {
    call_flags::check(Domain::Rpc, "new", args.flags, 0)?;
    owner(&call)?;
    call.driver.spaces.add(&args.path, true).await
}

async fn create_lockspace(call: Call, args: wire::CreateLockSpaceArgs) -> Result<()> {
    known(&call)?;
    call.driver.spaces.add(&args.path, false).await
}

async fn create_resource(call: Call, args: wire::CreateResourceArgs) -> Result<()> {
    call_flags::check(Domain::Rpc, "create_resource", args.flags, 0)?;
    owner(&call)?;
    call.driver.spaces.create(&args.path, &args.name).await
}

async fn delete_resource(call: Call, args: wire::DeleteResourceArgs) -> Result<()> {
    call_flags::check(Domain::Rpc, "delete_resource", args.flags, 0)?;
    owner(&call)?;
    call.driver.spaces.delete(&args.path, &args.name).await
}

async fn acquire_resource(call: Call, args: wire::AcquireResourceArgs) -> Result<()> {
    const SHARED: u32 = 1;
    const AUTOCREATE: u32 = 2;
    call_flags::check(Domain::Rpc, "acquire_resource", args.flags, SHARED | AUTOCREATE)?;
    let owner = owner(&call)?;
    let wanted = Wanted {
        shared: args.flags & SHARED != 0,
        autocreate: args.flags & AUTOCREATE != 0,
    };
    let session = call.session.clone();
    let what = (args.path.as_str(), args.name.as_str());
    let spaces = &call.driver.spaces;
    let acquired = spaces.acquire(what, &owner, wanted, || !session.is_closed());
    acquired.await?;
    // Its connection may have been inherited by a child that outlives it, or not be its own.
    call.driver.watch(owner.pid);
    Ok(())
}

async fn release_resource(call: Call, args: wire::ReleaseResourceArgs) -> Result<()> {
    call_flags::check(Domain::Rpc, "release_resource", args.flags, 0)?;
    let owner = owner(&call)?;
    call.driver
        .spaces
        .release(&args.path, &args.name, owner.pid)
        .await
}
