//! Cards of users' own guests, by a program of this project's own.

use super::Call;
use crate::Driver;
use daemon::Routes;
use error::Result;
use protocol::hybrid::procedure as p;
use protocol::hybrid::{OpenPortArgs, OpenPortRet};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::OpenPort, _>(open);
}

async fn open(call: Call, args: OpenPortArgs) -> Result<OpenPortRet> {
    let caller = call.session.caller();
    let (ret, queues) = call.driver.open_session_port(&caller, args).await?;
    // The daemon keeps none: the tap goes with the guest, or with a client that does not take it.
    for queue in queues {
        call.push_reply_fd(queue)?;
    }
    Ok(ret)
}
