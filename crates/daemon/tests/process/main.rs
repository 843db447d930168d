//! A daemon as a process, through stock `virsh`, `virt-admin` and `systemd-socket-activate`.
//!
//! This program is both: run with `FERROVIRT_TEST_DAEMON` set it is a daemon with a tiny driver, else it is the tests.
//! Every daemon is a private instance below a temporary folder and is told ready by its own notice to "systemd".
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

mod admin;
mod clients;
mod confinement;
mod instance;
mod life;
mod succession;
mod tiny;

use instance::DAEMON;
use std::process::ExitCode;
use tiny::Tiny;

type Test = (&'static str, fn());

macro_rules! tests {
    ($($subject:ident::$name:ident),* $(,)?) => { [$((concat!(stringify!($subject), "::", stringify!($name)), $subject::$name as fn())),*] };
}

fn main() -> ExitCode {
    if std::env::var_os(DAEMON).is_some() {
        return daemon::run::<Tiny>();
    }
    let tests: &[Test] = &tests![
        admin::virt_admin_sees_servers_clients_and_limits,
        admin::virt_admin_shows_and_disconnects_a_client,
        admin::virt_admin_changes_the_log,
        admin::virt_admin_ends_the_daemon,
        clients::a_read_only_socket_is_for_looking,
        clients::a_call_before_the_connection_is_open_is_refused,
        clients::one_more_client_than_allowed_waits,
        clients::without_descriptors_clients_wait_and_nothing_spins,
        life::a_second_instance_is_refused,
        life::a_killed_daemon_is_in_nobodys_way,
        life::a_bad_configuration_is_refused_with_its_place,
        life::sighup_reads_the_configuration_again,
        life::systemds_watchdog_hears_of_it,
        succession::sigusr1_runs_the_program_anew_and_clients_go_on,
        succession::sighup_after_an_upgrade_runs_the_new_program,
        succession::a_program_that_would_not_start_does_not_take_over,
        confinement::what_it_does_not_need_is_taken_away,
        confinement::an_administrator_can_have_it_unconfined,
        life::sigterm_ends_cleanly,
        life::without_clients_and_work_it_ends,
        life::in_the_background_it_is_ready_when_the_caller_goes_on,
        life::systemd_opens_the_sockets,
    ];
    let wanted: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let mut failed = 0;
    for (name, test) in tests {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u32::from(!passed);
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
