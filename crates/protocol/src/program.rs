//! A program: a number, a version and a table of procedures; and the macro that declares one.

use crate::{ProcedureInfo, Recode};
use crate::{admin, hybrid, keepalive, lock, log, lxc, qemu, remote};

/// One program of the protocol.
#[derive(Debug)]
pub struct Program {
    /// Its name in this project.
    pub name: &'static str,
    /// Its number on the wire.
    pub number: u32,
    /// The version this table describes.
    pub version: u32,
    /// The table, the procedure with number `n` at index `n - 1`.
    pub procedures: &'static [ProcedureInfo],
}

impl Program {
    /// The procedure with that number.
    pub fn procedure(&self, number: i32) -> Option<&'static ProcedureInfo> {
        self.procedures.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }
}

/// Every program that libvirt has.
pub static PROGRAMS: &[&Program] = &[
    &remote::PROGRAM,
    &qemu::PROGRAM,
    &lxc::PROGRAM,
    &admin::PROGRAM,
    &log::PROGRAM,
    &lock::PROGRAM,
    &keepalive::PROGRAM,
];

/// Recodes the bodies of the procedure with that number: arguments and reply of a call, the message of an event. None where
/// there is no such procedure.
pub fn recodes(program: &Program, number: i32) -> Option<&'static [Recode]> {
    let all: &[(u32, &'static [&'static [Recode]])] = &[
        (remote::PROGRAM.number, remote::procedure::RECODES),
        (qemu::PROGRAM.number, qemu::procedure::RECODES),
        (lxc::PROGRAM.number, lxc::procedure::RECODES),
        (admin::PROGRAM.number, admin::procedure::RECODES),
        (log::PROGRAM.number, log::procedure::RECODES),
        (lock::PROGRAM.number, lock::procedure::RECODES),
        (keepalive::PROGRAM.number, keepalive::procedure::RECODES),
        (hybrid::PROGRAM.number, hybrid::procedure::RECODES),
    ];
    let (_, recodes) = all.iter().find(|(known, _)| *known == program.number)?;
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    recodes.get(index).copied()
}

/// Declares a program: its numbers, then a line for each procedure in the order of the numbers.
macro_rules! program {
    ($program:ident: $name:literal = $number:literal, version $version:literal;
     $($proc:literal $wire:literal $([$priority:ident])? $(reads $reads:literal)? $(writes $writes:literal)?
       acl[$($acl:literal),*] $(filter[$($filter:literal),*])?:
       $kind:ident $marker:ident($($in:ty)?) $(-> $out:ty)?;)*
    ) => {
        /// This program's table.
        pub static $program: crate::Program = crate::Program {
            name: $name,
            number: $number,
            version: $version,
            procedures: &[$(crate::ProcedureInfo {
                number: $proc,
                name: $wire,
                kind: $crate::program::program!(@kind $kind ($($in)?) ($($out)?)),
                priority: $crate::program::program!(@priority $($priority)?),
                stream: $crate::program::program!(@stream $(reads $reads)? $(writes $writes)?),
                acl: const { &[$(crate::AclRule::parse($acl)),*] },
                filter: const { &[$($(crate::AclRule::parse($filter)),*)?] },
            }),*],
        };
        /// The bodies of each procedure, in the order of the table; nothing but tests and fuzzing refers to it.
        pub(crate) const RECODES: &[&[crate::Recode]] =
            &[$($crate::program::program!(@recodes $kind ($($in)?) ($($out)?))),*];
        $($crate::program::program!(@marker $program $proc $wire $kind $marker ($($in)?) ($($out)?));)*
    };

    (@kind call ($($in:ty)?) ($($out:ty)?)) => {
        crate::Kind::Call {
            args: crate::Body::of::<$crate::program::program!(@type $($in)?)>(),
            ret: crate::Body::of::<$crate::program::program!(@type $($out)?)>(),
        }
    };
    (@kind event ($in:ty) ()) => { crate::Kind::Event { message: crate::Body::of::<$in>() } };

    (@recodes call ($($in:ty)?) ($($out:ty)?)) => {
        &[
            crate::procedure::recode::<$crate::program::program!(@type $($in)?)> as crate::Recode,
            crate::procedure::recode::<$crate::program::program!(@type $($out)?)>,
        ]
    };
    (@recodes event ($in:ty) ()) => { &[crate::procedure::recode::<$in> as crate::Recode] };

    (@priority) => { crate::Priority::Low };
    (@priority high) => { crate::Priority::High };

    (@stream) => { None };
    (@stream reads $argument:literal) => {
        Some(crate::Stream { direction: crate::Direction::Read, argument: $argument })
    };
    (@stream writes $argument:literal) => {
        Some(crate::Stream { direction: crate::Direction::Write, argument: $argument })
    };

    (@type) => { () };
    (@type $type:ty) => { $type };

    (@marker $program:ident $proc:literal $wire:literal call $marker:ident ($($in:ty)?) ($($out:ty)?)) => {
        #[doc = concat!("`", $wire, "`, number ", $proc, ".")]
        #[derive(Debug)]
        pub enum $marker {}

        impl crate::Procedure for $marker {
            type Args = $crate::program::program!(@type $($in)?);
            type Ret = $crate::program::program!(@type $($out)?);
            const PROGRAM: &'static crate::Program = &$program;
            const INFO: &'static crate::ProcedureInfo = crate::program::line(&$program, $proc);
        }
    };
    (@marker $program:ident $proc:literal $wire:literal event $marker:ident ($in:ty) ()) => {
        #[doc = concat!("`", $wire, "`, number ", $proc, ", sent by the server.")]
        #[derive(Debug)]
        pub enum $marker {}

        impl crate::Event for $marker {
            type Message = $in;
            const PROGRAM: &'static crate::Program = &$program;
            const INFO: &'static crate::ProcedureInfo = crate::program::line(&$program, $proc);
        }
    };
}

pub(crate) use program;

/// The line with that number; a table with a gap does not compile.
#[expect(clippy::panic, reason = "evaluated at compile time only")]
pub(crate) const fn line(program: &'static Program, number: i32) -> &'static ProcedureInfo {
    let (_, tail) = program.procedures.split_at(number as usize - 1);
    match tail {
        [line, ..] if line.number == number => line,
        _ => panic!("the lines of a program stand in the order of their numbers, without gaps"),
    }
}
