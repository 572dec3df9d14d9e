//! Amounts of memory, as people write and read them.

use std::fmt;
use std::str::FromStr;

/// Units and their bytes, the largest of each kind first.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A number of bytes: written like `2GiB` or `1500MB`, shown like `1.4 GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    /// A whole number above 0 and a unit, in any case, with or without a space between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = unit.trim_start();
        let unit = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, bytes)| *bytes);
        let bytes = number.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
        match bytes {
            Some(bytes) if bytes > 0 => Ok(Self(bytes)),
            _ => Err(format!("`{text}` is no size; write a whole number and a unit, like 512MiB or 2GiB")),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS[..4].iter().find(|(_, bytes)| self.0 >= *bytes) {
            Some((name, bytes)) => write!(f, "{:.1} {name}", self.0 as f64 / *bytes as f64),
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        for (text, bytes) in [
            ("2GiB", 2 << 30),
            (" 2 gib ", 2 << 30),
            ("512MiB", 512 << 20),
            ("64kib", 64 << 10),
            ("3GB", 3_000_000_000),
            ("7B", 7),
            ("16777215TiB", 16_777_215 << 40),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in
            ["", "2", "GiB", "0GiB", "-1GiB", "1.5GiB", "2 Gi B", "2GiBs", "16777216TiB", "99999999999999999999B"]
        {
            let refused = text.parse::<Size>();
            assert!(refused.as_ref().is_err_and(|error| error.contains("2GiB")), "{text}: {refused:?}");
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_they_fill() {
        let shown = [1, 1023, 1024, (3 << 20) / 2, 5 << 30, u64::MAX].map(|bytes| Size(bytes).to_string());
        assert_eq!(shown, ["1 B", "1023 B", "1.0 KiB", "1.5 MiB", "5.0 GiB", "16777216.0 TiB"]);
    }
}
