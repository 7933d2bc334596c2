//! Kubernetes quantities: `250m`, `1`, `128Mi`, `1.5Gi`, `2e3`.
//!
//! Input: text as written in manifests. Output: an exact number of thousandths, rounded up as the API server rounds.
//! Sizes beyond 2^63 thousandths are refused.

use std::fmt;

/// An amount, exact to a thousandth; never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    milli: u128,
}

/// A text that is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid quantity {0:?}")]
pub struct QuantityError(
    /// The text.
    pub String,
);

/// Suffix, and its factor in thousandths.
const SUFFIXES: [(&str, u128); 16] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("n", 0),
    ("u", 0),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("", 1000),
];

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// When the text is no decimal number with an optional suffix (`n u m k M G T P E`, `Ki Mi Gi Ti Pi Ei`, `e3`),
    /// negative or too large.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        Self::parse_exact(text).ok_or_else(|| QuantityError(text.to_owned()))
    }

    fn parse_exact(text: &str) -> Option<Self> {
        let end = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || fraction.len() > 18 {
            return None;
        }
        let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
        let mut divisor = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let exponent = suffix.strip_prefix(['e', 'E']).filter(|rest| !rest.is_empty());
        let factor = match (suffix, exponent) {
            ("n", _) => {
                divisor = divisor.checked_mul(1_000_000)?;
                1
            }
            ("u", _) => {
                divisor = divisor.checked_mul(1000)?;
                1
            }
            (_, Some(exponent)) if exponent != "i" => {
                let exponent: i32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
                let power = 10u128.checked_pow(exponent.unsigned_abs())?;
                if exponent < 0 {
                    divisor = divisor.checked_mul(power)?;
                    1000
                } else {
                    power.checked_mul(1000)?
                }
            }
            _ => SUFFIXES.iter().find(|(name, _)| *name == suffix)?.1,
        };
        let milli = digits.checked_mul(factor)?.div_ceil(divisor);
        (milli <= i64::MAX as u128 * 1000).then_some(Self { milli })
    }

    /// An amount of whole units.
    pub fn from_units(units: u64) -> Self {
        Self { milli: u128::from(units) * 1000 }
    }

    /// Thousandths, e.g. millicores.
    pub fn milli(self) -> u64 {
        u64::try_from(self.milli).unwrap_or(u64::MAX)
    }

    /// Whole units rounded up, e.g. bytes.
    pub fn units(self) -> u64 {
        u64::try_from(self.milli.div_ceil(1000)).unwrap_or(u64::MAX)
    }

    /// As a number of units, e.g. cores.
    pub fn as_f64(self) -> f64 {
        if self.milli.is_multiple_of(1000) { (self.milli / 1000) as f64 } else { self.milli as f64 / 1000.0 }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.milli.is_multiple_of(1000) {
            return write!(f, "{}m", self.milli);
        }
        let units = self.milli / 1000;
        for (suffix, shift) in [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)] {
            if units != 0 && units.is_multiple_of(1 << shift) {
                return write!(f, "{}{suffix}", units >> shift);
            }
        }
        write!(f, "{units}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kubernetes_reads() {
        let check = |text: &str, milli: u64, units: u64| {
            let quantity = Quantity::parse(text).unwrap();
            assert_eq!((quantity.milli(), quantity.units()), (milli, units), "{text}");
        };
        check("250m", 250, 1);
        check("1", 1000, 1);
        check("0.1", 100, 1);
        check("1.5", 1500, 2);
        check(".5", 500, 1);
        check("128Mi", 134_217_728_000, 134_217_728);
        check("1.5Gi", 1_610_612_736_000, 1_610_612_736);
        check("64k", 64_000_000, 64_000);
        check("1e3", 1_000_000, 1000);
        check("12E-1", 1200, 2);
        check("100n", 1, 1);
        check("1500u", 2, 1);
        check("1E", u64::MAX, 1_000_000_000_000_000_000);
        check("0", 0, 0);
    }

    #[test]
    fn refuses_what_is_none() {
        for text in
            ["", "Mi", "128MB", "1,5", "-1", "1.2.3", "128 Mi", "0x10", "1ee", "99999999999Ei", "abc", "1mi"]
        {
            assert_eq!(Quantity::parse(text), Err(QuantityError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn prints_the_shortest_form() {
        for text in ["250m", "1", "128Mi", "3Gi", "1500m"] {
            assert_eq!(Quantity::parse(text).unwrap().to_string(), text);
        }
    }
}
