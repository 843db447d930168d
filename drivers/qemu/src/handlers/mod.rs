//! Who serves which procedure: one file for each subject, each with its own list.

mod block_info;
mod capabilities;
mod connect;
mod console;
mod cpu_map;
mod domain_define;
mod domain_event;
mod domain_figures;
mod domain_lifecycle;
mod domain_list;
mod domain_query;
mod domain_stats;
mod fd_associate;
mod graphics;
mod guest_agent;
mod guest_file_systems;
mod guest_interfaces;
mod guest_vcpus;
mod input;
mod interface_limits;
mod iothreads;
mod memory;
mod metadata;
mod monitor_command;
mod native;
mod node;
mod node_settings;
mod peek;
mod perf;
mod reply_room;
mod screenshot;
mod security;
mod tuning;
mod typed_params;
mod vcpu;

use crate::Driver;
use daemon::Routes;
use neighbours::Family;

/// One call of a client.
pub(crate) type Call = rpc::Context<Driver>;

/// Registers all of them.
pub(crate) fn routes(routes: &mut Routes<Driver>) {
    connect::routes(routes);
    input::routes(routes);
    iothreads::routes(routes);
    monitor_command::routes(routes);
    screenshot::routes(routes);
    security::routes(routes);
    block_info::routes(routes);
    metadata::routes(routes);
    native::routes(routes);
    node::routes(routes);
    capabilities::routes(routes);
    console::routes(routes);
    domain_define::routes(routes);
    domain_event::routes(routes);
    domain_lifecycle::routes(routes);
    domain_figures::routes(routes);
    domain_list::routes(routes);
    domain_query::routes(routes);
    domain_stats::routes(routes);
    fd_associate::routes(routes);
    graphics::routes(routes);
    guest_agent::routes(routes);
    guest_file_systems::routes(routes);
    guest_interfaces::routes(routes);
    guest_vcpus::routes(routes);
    interface_limits::routes(routes);
    memory::routes(routes);
    node_settings::routes(routes);
    peek::routes(routes);
    perf::routes(routes);
    tuning::routes(routes);
    vcpu::routes(routes);
    neighbours::forward(routes, Family::ALL);
}
