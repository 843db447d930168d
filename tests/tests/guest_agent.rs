//! QEMU's own agent inside a guest.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use end_to_end::{Instance, guest_with_agent, wait_for};
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn the_agent_answers_falls_silent_answers_again_and_shuts_down() {
    let instance = Instance::start();
    instance.define("helped", &guest_with_agent("helped"));
    instance.virsh(&["start", "helped"]);
    let early = instance.virsh_fails(&["guestinfo", "helped"]);
    assert!(early.contains("agent"), "{early}");
    wait_for("the agent to open its channel", || {
        instance
            .virsh(&["dumpxml", "helped"])
            .contains("state='connected'")
            .then_some(())
    });
    let ask = |arguments: &[&str]| instance.virsh(arguments);
    let ping = ["qemu-agent-command", "helped", r#"{"execute":"guest-ping"}"#];
    assert_eq!(ask(&ping).trim(), r#"{"return":{}}"#);
    assert!(ask(&["domtime", "helped"]).starts_with("Time: "));
    assert!(
        ask(&["domhostname", "helped", "--source", "agent"])
            .trim()
            .contains("none")
    );
    assert!(ask(&["domifaddr", "helped", "--source", "agent"]).contains("lo"));
    assert!(ask(&["guestinfo", "helped", "--hostname"]).contains("hostname"));

    ask(&["suspend", "helped"]);
    let paused = instance.virsh_fails(&ping);
    assert!(paused.contains("domain is not running"), "{paused}");
    ask(&["resume", "helped"]);

    // It does not answer: whoever asks hears so after his own patience, and nobody waits in vain afterwards.
    let [qemu] = instance.guests()[..] else {
        panic!("one guest");
    };
    let qemu = Pid::from_raw(i32::try_from(qemu).unwrap()).unwrap();
    kill_process(qemu, Signal::STOP).unwrap();
    let silent = instance.virsh_fails(&[
        "qemu-agent-command",
        "helped",
        "--timeout",
        "1",
        r#"{"execute":"guest-ping"}"#,
    ]);
    assert!(silent.contains("agent"), "{silent}");
    kill_process(qemu, Signal::CONT).unwrap();
    wait_for("the agent to answer again", || {
        instance.try_virsh(&ping).success.then_some(())
    });

    ask(&["shutdown", "helped", "--mode", "agent"]);
    wait_for("the guest to end", || {
        (instance.virsh(&["domstate", "helped"]).trim() == "shut off").then_some(())
    });
    assert_eq!(
        instance.virsh(&["domstate", "--reason", "helped"]).trim(),
        "shut off (shutdown)"
    );
}
