//! What the guest's tables say of its machine.

use super::wrong_detail;
use error::Result;
use model::domain::Domain;
use model::sysinfo::Sysinfo;

/// Checks the tables that have a form.
pub(super) fn check(domain: &Domain) -> Result<()> {
    for tables in &domain.sysinfo {
        if let Sysinfo::Smbios(tables) = tables
            && let Some(date) = tables.bios.as_ref().and_then(|bios| bios.get("date"))
            && !is_date(date)
        {
            return wrong_detail("<bios>: the entry 'date' has to be a date as MM/DD/YY or MM/DD/YYYY");
        }
    }
    Ok(())
}

/// Whether it is a date as SMBIOS writes them: with two digits of the year in the last century.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let [month, day, year] = parts.as_slice() else {
        return false;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|digit| digit.is_ascii_digit());
        digits.then(|| text.parse::<u32>().unwrap_or(0))
    };
    let in_range = |text: &str, range: std::ops::RangeInclusive<u32>| {
        number(text).is_some_and(|number| range.contains(&number))
    };
    in_range(month, 1..=12)
        && in_range(day, 1..=31)
        && (in_range(year, 0..=99) || in_range(year, 1900..=9999))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_american() {
        for good in ["02/17/2015", "1/2/99", "12/31/1999"] {
            assert!(is_date(good), "{good}");
        }
        for bad in ["999/999/123", "2015-02-17", "13/01/2015", "", "1/2", "1/2/x"] {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
