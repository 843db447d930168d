//! QEMU does everything wrong: a stand-in crashes, lies, floods and falls silent on cue.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, stand_in_domain, wait_for};

/// Memory that no answer of a guest may make the daemon take, in KiB.
const MEMORY: u64 = 160 * 1024;

fn standing_in(instance: &Instance, name: &str, program: &str) -> String {
    let document = stand_in_domain(name, program);
    instance.file(&format!("{name}.xml"), &document)
}

/// Creates a guest that shall be well, beside those that are not.
fn bystander(instance: &Instance, program: &str) {
    let file = standing_in(instance, "bystander", program);
    instance.virsh(&["create", &file]);
}

fn is_served(instance: &Instance) {
    assert_eq!(instance.virsh(&["domstate", "bystander"]).trim(), "running");
    instance.virsh(&["domstats"]);
    instance.virsh(&["suspend", "bystander"]);
    instance.virsh(&["resume", "bystander"]);
}

fn ends_clean(instance: &Instance) {
    let peak = instance.peak_memory();
    assert!(peak < MEMORY, "{peak} KiB were taken");
    instance.virsh(&["destroy", "bystander"]);
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

#[test]
fn a_start_that_goes_wrong_leaves_nothing() {
    let instance = Instance::start();
    let program = instance.stand_in(
        "[crashes]\non qmp_capabilities crash\n\
         [ends]\non qmp_capabilities exit 3\n\
         [closes]\non qmp_capabilities close\n\
         [endless]\non qmp_capabilities oversized 400000000\n\
         [noisy]\non qmp_capabilities garbage 100000\n\
         [refuses]\non cont refuse GenericError the cat sits on it\n\
         [liar]\non query-chardev wrong-type",
    );
    bystander(&instance, &program);
    let before = instance.left_overs();
    // One that falls silent is given a minute to start: that takes too long here.
    for name in ["crashes", "ends", "closes", "endless", "noisy", "refuses", "liar"] {
        let file = standing_in(&instance, name, &program);
        let said = instance.virsh_fails(&["create", &file]);
        assert!(said.contains("error: "), "{name}: {said}");
        if name == "refuses" {
            assert!(said.contains("the cat sits on it"), "{said}");
        }
        wait_for("the guest's process to go", || {
            (instance.left_overs() == before).then_some(())
        });
        assert!(!instance.virsh(&["list", "--all", "--name"]).contains(name));
        is_served(&instance);
    }
    ends_clean(&instance);
}

fn misbehaves(instance: &Instance, program: &str, name: &str) {
    let file = standing_in(instance, name, program);
    instance.virsh(&["create", &file]);
    let outcome = instance.try_virsh(&["suspend", name]);
    let fine = matches!(name, "flood" | "boaster" | "liar");
    assert_eq!(outcome.success, fine, "{name}: {}", outcome.stderr);
    instance.virsh(&["domstats"]);
    // Whether it is still there depends on what it did; that it can be ended does not.
    let _ = instance.try_virsh(&["destroy", name]);
    wait_for("the guest to be gone", || {
        let left = instance.virsh(&["list", "--all", "--name"]);
        (!left.lines().any(|line| line == name)).then_some(())
    });
}

#[test]
fn a_running_guest_that_goes_wrong_is_nobody_elses_matter() {
    let instance = Instance::start();
    // A start asks twice for the processors: for what they are, and for their threads.
    let program = instance.stand_in(
        "[crashes]\non stop crash\n\
         [closes]\non stop close\n\
         [half]\non stop malformed\n\
         [endless]\non stop oversized 400000000\n\
         [stranger]\non stop wrong-id\n\
         [refuses]\non stop refuse GenericError the cat sits on it\n\
         [flood]\non stop flood 200000 RTC_CHANGE\n\
         [boaster]\non query-balloon huge\non query-blockstats huge\n\
         [liar]\non query-balloon wrong-type\non query-blockstats wrong-type\non query-cpus-fast#3+ wrong-type",
    );
    bystander(&instance, &program);
    let names = [
        "crashes", "closes", "half", "endless", "stranger", "refuses", "flood", "boaster", "liar",
    ];
    std::thread::scope(|scope| {
        let all = names.map(|name| {
            let (instance, program) = (&instance, &program);
            scope.spawn(move || misbehaves(instance, program, name))
        });
        is_served(&instance);
        for one in all {
            one.join().unwrap();
            is_served(&instance);
        }
    });
    ends_clean(&instance);
}

#[test]
fn a_monitor_that_falls_silent_costs_its_caller_a_deadline() {
    let instance = Instance::start();
    let program = instance.stand_in(
        "[silent]\non stop silent\n\
         [hangs]\non stop hang\n\
         [slow]\non stop slow 3000",
    );
    bystander(&instance, &program);
    for name in ["silent", "hangs", "slow"] {
        let file = standing_in(&instance, name, &program);
        instance.virsh(&["create", &file]);
    }
    std::thread::scope(|scope| {
        let silent = ["silent", "hangs"].map(|name| {
            let instance = &instance;
            scope.spawn(move || instance.virsh_fails(&["suspend", name]))
        });
        let slow = scope.spawn(|| instance.virsh(&["suspend", "slow"]));
        is_served(&instance);
        slow.join().unwrap();
        assert_eq!(instance.virsh(&["domstate", "slow"]).trim(), "paused");
        for said in silent {
            let said = said.join().unwrap();
            assert!(said.contains("Timed out during operation"), "{said}");
        }
    });
    for name in ["silent", "hangs", "slow"] {
        instance.virsh(&["destroy", name]);
    }
    ends_clean(&instance);
}
