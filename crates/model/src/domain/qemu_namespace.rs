//! Elements of QEMU's own namespace: arguments and properties that libvirt does not know.

use xml::{Element, Value};

/// `<qemu:commandline>`: more arguments and environment variables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(
    element = "commandline",
    namespace(qemu = "http://libvirt.org/schemas/domain/qemu/1.0")
)]
pub struct QemuCommandLine {
    #[xml(children = "qemu:arg")]
    pub args: Vec<QemuArgument>,
    #[xml(children = "qemu:env")]
    pub env: Vec<QemuVariable>,
}

/// `<qemu:arg value='-x'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "arg")]
pub struct QemuArgument {
    #[xml(attr)]
    pub value: String,
}

/// `<qemu:env name='X' value='y'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "env")]
pub struct QemuVariable {
    #[xml(attr)]
    pub name: String,
    #[xml(attr)]
    pub value: Option<String>,
}

/// `<qemu:capabilities>`: corrections to what the emulator seems to be able to do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(
    element = "capabilities",
    namespace(qemu = "http://libvirt.org/schemas/domain/qemu/1.0")
)]
pub struct QemuCapabilities {
    #[xml(children = "qemu:add")]
    pub add: Vec<QemuCapability>,
    #[xml(children = "qemu:del")]
    pub del: Vec<QemuCapability>,
}

/// One capability by name.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "add")]
pub struct QemuCapability {
    #[xml(attr)]
    pub capability: String,
}

/// `<qemu:override>`: properties set on devices in the end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(
    element = "override",
    namespace(qemu = "http://libvirt.org/schemas/domain/qemu/1.0")
)]
pub struct QemuOverride {
    #[xml(children = "qemu:device")]
    pub devices: Vec<QemuOverrideDevice>,
}

/// The device of that alias.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(
    element = "device",
    namespace(qemu = "http://libvirt.org/schemas/domain/qemu/1.0")
)]
pub struct QemuOverrideDevice {
    #[xml(attr)]
    pub alias: String,
    #[xml(wrapped = "qemu:frontend/qemu:property")]
    pub properties: Vec<QemuProperty>,
}

/// One property.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "property")]
pub struct QemuProperty {
    #[xml(attr)]
    pub name: String,
    #[xml(attr)]
    pub r#type: QemuPropertyType,
    /// Missing with `remove`.
    #[xml(attr)]
    pub value: Option<String>,
}

/// JSON type of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum QemuPropertyType {
    #[xml("string")]
    String,
    #[xml("signed")]
    Signed,
    #[xml("unsigned")]
    Unsigned,
    #[xml("bool")]
    Bool,
    /// The property is not set at all.
    #[xml("remove")]
    Remove,
}

/// `<qemu:deprecation behavior='crash'/>`: what the emulator does when something deprecated is used.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "deprecation")]
pub struct QemuDeprecation {
    #[xml(attr)]
    pub behavior: QemuDeprecationBehavior,
}

/// Reaction to deprecated use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum QemuDeprecationBehavior {
    #[xml("none")]
    None,
    #[xml("omit")]
    Omit,
    #[xml("reject")]
    Reject,
    #[xml("crash")]
    Crash,
}
