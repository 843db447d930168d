//! The QEMU driver: domains as QEMU processes.
