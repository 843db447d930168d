//! systemd's units, out of the templates in `packaging/units`.

use super::daemons::{DAEMONS, Daemon, Socket};

const SERVICE: &str = include_str!("../../../packaging/units/daemon.service");
const SOCKET: &str = include_str!("../../../packaging/units/daemon.socket");
const CONFINEMENT: &str = include_str!("../../../packaging/units/confinement");

/// The units of a daemon, by name, whose program lies below `prefix`.
pub(super) fn units(daemon: &Daemon, prefix: &str) -> Vec<(String, String)> {
    let sockets = daemon.sockets.iter();
    let sockets = sockets.map(|socket| (unit(daemon.name, *socket), self::socket(daemon, *socket)));
    let service = (format!("{}.service", daemon.name), service(daemon, prefix));
    sockets.chain([service]).collect()
}

fn service(daemon: &Daemon, prefix: &str) -> String {
    let enabled = daemon.sockets.iter().filter(|socket| !socket.is_remote());
    let enabled: Vec<_> = enabled.map(|socket| unit(daemon.name, *socket)).collect();
    let all: Vec<_> = daemon
        .sockets
        .iter()
        .map(|socket| unit(daemon.name, *socket))
        .collect();
    fill(
        SERVICE,
        &[
            ("own", daemon.own),
            ("confinement\n", CONFINEMENT),
            ("about", daemon.about),
            ("sockets:Wants", &lines("Wants", &enabled)),
            ("sockets:After", &lines("After", &all)),
            ("conflicts\n", &conflicts(daemon)),
            ("sockets:Also", &lines("Also", &enabled)),
            ("NAME", &daemon.name.to_uppercase()),
            ("name", daemon.name),
            ("prefix", prefix),
            ("flags", daemon.flags),
            ("arguments", daemon.arguments),
        ],
    )
}

fn socket(daemon: &Daemon, socket: Socket) -> String {
    let own = unit(daemon.name, socket);
    let first = unit(daemon.name, Socket::ReadWrite);
    let mut bound = String::new();
    if own != first {
        bound = format!("BindsTo={first}\nAfter={first}\n");
    }
    let mut rivals = DAEMONS
        .iter()
        .filter(|other| daemon.instead_of == Some(other.name));
    if let Some(rival) = rivals.find(|rival| rival.begin == daemon.begin) {
        // It listens there, too.
        // Ordered, so that one is gone before the other comes, whichever that is.
        let rival = unit(rival.name, socket);
        bound.push_str(&format!("Conflicts={rival}\nAfter={rival}\n"));
    }
    let others = daemon.sockets.iter().filter(|other| !other.is_remote());
    let others: Vec<_> = others
        .map(|other| unit(daemon.name, *other))
        .filter(|other| *other != own && !socket.is_remote())
        .collect();
    fill(
        SOCKET,
        &[
            ("about", daemon.about),
            ("purpose", socket.purpose()),
            ("bound\n", &bound),
            ("address", &socket.address(daemon.begin)),
            ("access\n", &access(daemon, socket)),
            ("name", daemon.name),
            ("others:Also", &lines("Also", &others)),
        ],
    )
}

/// Whoever starts stops the other, which has ended by then: systemd's word holds for both.
fn conflicts(daemon: &Daemon) -> String {
    let other = daemon
        .instead_of
        .map(|other| format!("Conflicts={other}.service\nAfter={other}.service\n"));
    other.unwrap_or_default()
}

/// Who may connect.
fn access(daemon: &Daemon, socket: Socket) -> String {
    let access = match (socket, daemon.group) {
        (Socket::Tcp | Socket::Tls, _) => return String::new(),
        (Socket::ReadWrite, Some(group)) => {
            format!(
                "# Whoever may is as mighty as root. With SocketMode=0666 polkit is asked instead.\nSocketMode=0660\nSocketGroup={group}\n"
            )
        }
        (Socket::ReadOnly, _) => "SocketMode=0666\n".to_owned(),
        (Socket::ReadWrite, None) | (Socket::Admin, _) => "SocketMode=0600\n".to_owned(),
    };
    format!("{access}RemoveOnStop=yes\n")
}

impl Socket {
    /// Whether clients reach it from other hosts: then nobody but the administrator enables it.
    fn is_remote(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::ReadWrite => "",
            Self::ReadOnly => "-ro",
            Self::Admin => "-admin",
            Self::Tcp => "-tcp",
            Self::Tls => "-tls",
        }
    }

    fn purpose(self) -> &'static str {
        match self {
            Self::ReadWrite => "clients",
            Self::ReadOnly => "clients that only look",
            Self::Admin => "its administration",
            Self::Tcp => "clients over plain TCP",
            Self::Tls => "clients over TLS",
        }
    }

    fn address(self, begin: &str) -> String {
        match self {
            Self::ReadWrite => format!("/run/libvirt/{begin}-sock"),
            Self::ReadOnly => format!("/run/libvirt/{begin}-sock-ro"),
            Self::Admin => format!("/run/libvirt/{begin}-admin-sock"),
            Self::Tcp => "16509".to_owned(),
            Self::Tls => "16514".to_owned(),
        }
    }
}

/// The name of a socket's unit.
fn unit(daemon: &str, socket: Socket) -> String {
    format!("{daemon}{}.socket", socket.suffix())
}

/// A line a unit.
fn lines(key: &str, units: &[String]) -> String {
    let lines: Vec<_> = units.iter().map(|unit| format!("{key}={unit}")).collect();
    lines.join("\n")
}

/// Puts values in the places of their names, in this order: a value may have places for later ones.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = template.to_owned();
    for (name, value) in values {
        // A name with a line's end stands for whole lines, of which there may be none.
        let place = match name.strip_suffix('\n') {
            Some(name) => format!("{{{name}}}\n"),
            None => format!("{{{name}}}"),
        };
        text = text.replace(&place, value);
    }
    let mut text = text.trim_end().to_owned();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled() {
        for daemon in DAEMONS {
            for (name, text) in units(daemon, "/usr") {
                assert!(!text.contains(['{', '}']), "{name}:\n{text}");
            }
        }
    }
}
