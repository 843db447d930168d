//! The QEMU machine protocol and the guest agent, with a deadline on every command.
