//! Any bytes as the body of any procedure: arguments, answers and events.

use protocol::{PROGRAMS, Recode, recodes};

fn check(recode: Recode, bytes: &[u8]) {
    if let Ok(once) = recode(bytes) {
        // Padding may hold anything on the way in and is zero on the way out, so the second round is the stable one.
        assert_eq!(recode(&once).as_ref(), Ok(&once));
        assert_eq!(once.len(), bytes.len());
    }
}

/// The first three bytes choose the body, the rest is it.
pub(crate) fn run(data: &[u8]) {
    let Some(([which, high, low], bytes)) = data.split_first_chunk::<3>() else {
        return;
    };
    let Some(program) = PROGRAMS.get(usize::from(*which) % PROGRAMS.len()) else {
        return;
    };
    let number = usize::from(u16::from_be_bytes([*high, *low])) % program.procedures.len();
    let Some(procedure) = program.procedures.get(number) else {
        return;
    };
    for recode in recodes(program, procedure.number).unwrap_or_default() {
        check(*recode, bytes);
    }
}
