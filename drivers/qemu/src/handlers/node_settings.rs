//! Changing the host's memory settings: pages set aside, and the merging of equal ones.

use super::Call;
use crate::Driver;
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use host::{Allocation, KsmSettings};
use protocol::remote::procedure as p;
use protocol::{TypedParam, TypedParamValue, remote};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::NodeAllocPages, _>(alloc_pages);
    routes.on::<p::NodeSetMemoryParameters, _>(set_memory_parameters);
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, Domain::Qemu, text)
}

async fn alloc_pages(call: Call, args: remote::NodeAllocPagesArgs) -> Result<remote::NodeAllocPagesRet> {
    /// `VIR_NODE_ALLOC_PAGES_SET`: exactly as many, not more by as many.
    const SET: u32 = 1;
    flags::check("virNodeAllocPages", args.flags, SET)?;
    if args.page_sizes.len() != args.page_counts.len() {
        return Err(invalid("there must be as many page counts as page sizes"));
    }
    // -1 stands for all cells, as everywhere in the API.
    let (start, count) = match args.start_cell {
        -1 => (0, usize::MAX),
        start => {
            let start =
                u32::try_from(start).map_err(|_| invalid(format!("NUMA cell {start} does not exist")))?;
            (start, usize::try_from(args.cell_count).unwrap_or(usize::MAX))
        }
    };
    let allocation = if args.flags & SET != 0 {
        Allocation::Set
    } else {
        Allocation::Add
    };
    let counts = args.page_counts.into_iter().map(allocation);
    let wanted: Vec<(u32, Allocation)> = args.page_sizes.into_iter().zip(counts).collect();
    let host = call.driver.host.clone();
    let changed = call
        .driver
        .blocking(move || host.allocate_pages(&wanted, start, count))
        .await?;
    Ok(remote::NodeAllocPagesRet {
        ret: i32::try_from(changed).unwrap_or(i32::MAX),
    })
}

async fn set_memory_parameters(call: Call, args: remote::NodeSetMemoryParametersArgs) -> Result<()> {
    flags::check("virNodeSetMemoryParameters", args.flags, 0)?;
    let settings = settings(&args.params)?;
    let host = call.driver.host.clone();
    call.driver.blocking(move || host.set_ksm(settings)).await
}

fn settings(params: &[TypedParam]) -> Result<KsmSettings> {
    let mut settings = KsmSettings::default();
    for param in params {
        let TypedParamValue::Uint(value) = param.value else {
            return Err(invalid(format!(
                "parameter '{}' must be an unsigned int",
                param.field
            )));
        };
        let place = match param.field.as_str() {
            "shm_pages_to_scan" => &mut settings.pages_to_scan,
            "shm_sleep_millisecs" => &mut settings.sleep_millisecs,
            "shm_merge_across_nodes" => &mut settings.merge_across_nodes,
            other => return Err(invalid(format!("parameter '{other}' cannot be set"))),
        };
        if place.replace(value).is_some() {
            return Err(invalid(format!("parameter '{}' is given twice", param.field)));
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_settings_once_and_of_their_type() {
        let pages = TypedParam::new("shm_pages_to_scan", 100_u32);
        assert_eq!(
            settings(std::slice::from_ref(&pages)).unwrap().pages_to_scan,
            Some(100)
        );
        assert!(settings(&[pages.clone(), pages]).is_err());
        assert!(settings(&[TypedParam::new("shm_pages_to_scan", 100_i32)]).is_err());
        assert!(settings(&[TypedParam::new("shm_pages_shared", 1_u32)]).is_err());
    }
}
