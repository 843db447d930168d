//! AppArmor's profiles, out of the templates in `packaging/apparmor`, where the kernel has AppArmor.

use super::daemons::Daemon;
use super::units::fill;

const PROFILE: &str = include_str!("../../../packaging/apparmor/daemon");
const GUESTS: &str = include_str!("../../../packaging/apparmor/guests");
const CONFINEMENT: &str = include_str!("../../../packaging/apparmor/confinement");

/// The profile of a daemon whose program lies below `prefix`: its file in `/etc/apparmor.d`, which is named after the program as
/// all are, and its text.
pub(super) fn profile(daemon: &Daemon, prefix: &str) -> (String, String) {
    let program = format!("{prefix}/sbin/{}", daemon.name);
    let file = program.trim_start_matches('/').replace('/', ".");
    let text = fill(
        PROFILE,
        &[
            ("own\n", daemon.profile),
            ("confinement\n", CONFINEMENT),
            ("guests\n", GUESTS),
            ("about", daemon.about),
            ("profile", &file),
            ("name", daemon.name),
            ("program", &program),
        ],
    );
    (file, text)
}
