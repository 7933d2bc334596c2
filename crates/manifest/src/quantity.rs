//! Kubernetes quantities: `250m`, `1`, `128Mi`, `1.5Gi`, `2e3`, `-0.5`.
//!
//! Input: text as written in manifests and as metrics APIs send it. Output: an exact number, which rounds up where it is
//! asked for whole units or thousandths, and prints as Kubernetes prints it. [`Quantity::milli_value`] and
//! [`Quantity::value`] answer for amounts beyond 64 bits what a Kubernetes controller gets, not what would be right.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// An exact amount, of at least a billionth.
///
/// Two amounts are equal when their values are, however they are written.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    unscaled: i128,
    /// Power of ten.
    exponent: i32,
    held: Held,
    format: QuantityFormat,
}

/// How Kubernetes holds an amount: each overflows differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// In 64 bits.
    Small,
    /// As billionths of any length.
    Long,
    /// As the largest binary amount there is, as more was written.
    Capped,
}

/// How a [`Quantity`] is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityFormat {
    /// `250m`, `12M`.
    DecimalSi,
    /// `12Mi`, when that is exact.
    BinarySi,
    /// `12e6`.
    DecimalExponent,
}

/// A text that is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid quantity {0:?}")]
pub struct QuantityError(
    /// The text.
    pub String,
);

/// Digits that 64 bits hold in any case.
const SAFE_DIGITS: i64 = 18;
/// Nothing is finer than 10 to this power.
const FINEST: i32 = -9;
/// Exponents that are read; far beyond any amount, and far from where sums of exponents overflow.
const EXPONENTS: std::ops::RangeInclusive<i32> = -10_000..=10_000;
const DECIMAL_SUFFIXES: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY_SUFFIXES: [(&str, i32); 6] =
    [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

enum Suffix {
    PowerOfTen(i32, QuantityFormat),
    PowerOfTwo(i32),
}

impl Suffix {
    fn parse(text: &str) -> Option<Self> {
        if let Some((_, power)) = DECIMAL_SUFFIXES.iter().find(|(suffix, _)| *suffix == text) {
            return Some(Self::PowerOfTen(*power, QuantityFormat::DecimalSi));
        }
        if let Some((_, power)) = BINARY_SUFFIXES.iter().find(|(suffix, _)| *suffix == text) {
            return Some(Self::PowerOfTwo(*power));
        }
        let exponent = text.strip_prefix(['e', 'E'])?;
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let power = exponent.parse().ok().filter(|power| valid && EXPONENTS.contains(power))?;
        Some(Self::PowerOfTen(power, QuantityFormat::DecimalExponent))
    }
}

impl Quantity {
    /// Reads an amount as manifests have it: not negative, and at most 2^63.
    ///
    /// # Errors
    /// When the text is no decimal number with an optional suffix (`n u m k M G T P E`, `Ki Mi Gi Ti Pi Ei`, `e3`),
    /// negative or too large.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let most = Self::from_units(i64::MAX as u64);
        Self::parse_signed(text)
            .ok()
            .filter(|quantity| !quantity.is_negative() && quantity.held != Held::Capped && *quantity <= most)
            .ok_or_else(|| QuantityError(text.to_owned()))
    }

    /// Reads any amount that Kubernetes reads, as metrics may have it: negative, or huge.
    ///
    /// # Errors
    /// When the text is no decimal number with an optional sign and suffix, or beyond 10^29.
    pub fn parse_signed(text: &str) -> Result<Self, QuantityError> {
        Self::parse_exact(text).ok_or_else(|| QuantityError(text.to_owned()))
    }

    fn parse_exact(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = unsigned.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let suffix = Suffix::parse(suffix)?;
        let mut quantity = match Self::small(whole, fraction, &suffix) {
            Some(quantity) => quantity,
            None => Self::long(whole, fraction, &suffix)?,
        };
        if text.starts_with('-') {
            quantity.unscaled = -quantity.unscaled;
        }
        Some(quantity)
    }

    /// What is short enough to be held in 64 bits without further thought.
    fn small(whole: &str, fraction: &str, suffix: &Suffix) -> Option<Self> {
        let places = i32::try_from(fraction.len()).ok()?;
        let digits = whole.len().max(1) as i64;
        let (exponent, factor, spare, format) = match *suffix {
            Suffix::PowerOfTen(power, format) => (power, 1, SAFE_DIGITS - digits - i64::from(places), format),
            Suffix::PowerOfTwo(power) if places == 0 => {
                (0, 1_i64 << power, 15 - digits - i64::from(power * 3 / 10) - 1, QuantityFormat::BinarySi)
            }
            Suffix::PowerOfTwo(_) => return None,
        };
        let exponent = exponent.checked_sub(places)?;
        if spare < 0 || exponent < FINEST {
            return None;
        }
        let unscaled = format!("0{whole}{fraction}").parse::<i64>().ok()?.checked_mul(factor)?.into();
        Some(Self { unscaled, exponent, held: Held::Small, format })
    }

    /// Up to 38 digits besides zeros at the end.
    fn long(whole: &str, fraction: &str, suffix: &Suffix) -> Option<Self> {
        let all = format!("0{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let zeros = i32::try_from(all.len() - digits.len()).ok()? - i32::try_from(fraction.len()).ok()?;
        let amount: i128 = format!("0{digits}").parse().ok()?;
        let held = Held::Long;
        match *suffix {
            Suffix::PowerOfTen(power, format) => {
                Self { unscaled: amount, exponent: power.checked_add(zeros)?, held, format }
                    .at_least_billionths()
            }
            Suffix::PowerOfTwo(power) => {
                let size = amount as f64 * 10_f64.powi(zeros) * 2_f64.powi(power);
                if size > 1e20 {
                    return Some(Self::LARGEST_BINARY);
                }
                let unscaled = amount.checked_mul(1 << power)?;
                let quantity = Self { unscaled, exponent: zeros, held, format: QuantityFormat::BinarySi }
                    .at_least_billionths()?;
                Some(match quantity {
                    _ if quantity > Self::LARGEST_BINARY => Self::LARGEST_BINARY,
                    _ if unscaled > 0 && quantity < Self::from_units(1) => {
                        Self { format: QuantityFormat::DecimalSi, ..quantity }
                    }
                    _ => quantity,
                })
            }
        }
    }

    const LARGEST_BINARY: Self = Self {
        unscaled: i64::MAX as i128,
        exponent: 0,
        held: Held::Capped,
        format: QuantityFormat::BinarySi,
    };

    /// A positive amount rounded up to billionths, if it is finer.
    fn at_least_billionths(self) -> Option<Self> {
        let finer = FINEST.checked_sub(self.exponent)?;
        if finer <= 0 || self.unscaled == 0 {
            return Some(self);
        }
        let unscaled = power_of_ten(finer).map_or(1, |divisor| div_ceil(self.unscaled, divisor));
        Some(Self { unscaled, exponent: FINEST, ..self })
    }

    /// An amount of whole units.
    pub fn from_units(units: u64) -> Self {
        Self {
            unscaled: units.into(),
            exponent: 0,
            held: if i64::try_from(units).is_ok() { Held::Small } else { Held::Long },
            format: QuantityFormat::DecimalSi,
        }
    }

    /// An amount of thousandths, e.g. millicores.
    pub fn from_milli(milli: i64, format: QuantityFormat) -> Self {
        Self { unscaled: milli.into(), exponent: -3, held: Held::Small, format }
    }

    /// An amount of billionths, e.g. nanocores.
    pub fn from_nano(nano: i64) -> Self {
        Self { unscaled: nano.into(), exponent: FINEST, held: Held::Small, format: QuantityFormat::DecimalSi }
    }

    /// An amount of bytes, printed as `64Mi` where that is exact.
    pub fn from_bytes(bytes: u64) -> Self {
        Self { format: QuantityFormat::BinarySi, ..Self::from_units(bytes) }
    }

    /// The sum, exact up to 10^29.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let aligned = |quantity: Self| {
            let factor = power_of_ten(quantity.exponent - exponent);
            factor.map_or(i128::MAX, |factor| quantity.unscaled.saturating_mul(factor))
        };
        let unscaled = aligned(self).saturating_add(aligned(other));
        let small = self.held == Held::Small && other.held == Held::Small && i64::try_from(unscaled).is_ok();
        let format = if self.unscaled == 0 { other.format } else { self.format };
        Self { unscaled, exponent, held: if small { Held::Small } else { Held::Long }, format }
    }

    /// Thousandths rounded up, e.g. millicores; 0 for negative amounts, at most `u64::MAX`.
    pub fn milli(self) -> u64 {
        self.rounded_up(-3)
    }

    /// Whole units rounded up, e.g. bytes; 0 for negative amounts, at most `u64::MAX`.
    pub fn units(self) -> u64 {
        self.rounded_up(0)
    }

    fn rounded_up(self, exponent: i32) -> u64 {
        if self.unscaled <= 0 {
            return 0;
        }
        let amount = match self.exponent - exponent {
            coarser @ 0.. => power_of_ten(coarser)
                .and_then(|factor| self.unscaled.checked_mul(factor))
                .unwrap_or(i128::MAX),
            finer => power_of_ten(-finer).map_or(1, |divisor| div_ceil(self.unscaled, divisor)),
        };
        u64::try_from(amount).unwrap_or(u64::MAX)
    }

    /// As a number of units, e.g. cores, exact to a thousandth.
    pub fn as_f64(self) -> f64 {
        if self.is_negative() {
            return -Self { unscaled: -self.unscaled, ..self }.as_f64();
        }
        let milli = self.milli();
        if milli == u64::MAX || milli.is_multiple_of(1000) {
            self.units() as f64
        } else {
            milli as f64 / 1000.0
        }
    }

    /// Thousandths as a Kubernetes controller sees them: rounded up, and 0 or wrapped around where 64 bits do not do.
    pub fn milli_value(self) -> i64 {
        self.scaled_value(-3)
    }

    /// Whole units as a Kubernetes controller sees them, like [`Quantity::milli_value`].
    pub fn value(self) -> i64 {
        self.scaled_value(0)
    }

    fn scaled_value(self, exponent: i32) -> i64 {
        match self.held {
            Held::Small => scaled_64_bits(self.unscaled as i64, self.exponent - exponent),
            Held::Capped => (self.unscaled as i64).wrapping_mul(wrapping_power_of_ten(-exponent)),
            Held::Long => self.scaled_billionths(exponent),
        }
    }

    /// Of billionths of any length: divided, and rounded up, for negative amounts as well and then one too far.
    fn scaled_billionths(self, exponent: i32) -> i64 {
        let coarser = self.exponent - FINEST;
        let billionths = power_of_ten(coarser).and_then(|factor| self.unscaled.checked_mul(factor));
        let divisor = wrapping_power_of_ten(exponent - FINEST);
        if self.unscaled < 0 || billionths.is_some_and(|amount| amount < i64::MAX.into()) {
            let low_bits = (self.unscaled as i64).wrapping_mul(wrapping_power_of_ten(coarser));
            return low_bits / divisor + i64::from(low_bits % divisor != 0);
        }
        match billionths {
            Some(amount) => div_ceil(amount, divisor.into()) as i64,
            None => {
                let (unscaled, factor) = match self.exponent - exponent {
                    finer @ ..0 => (div_ceil(self.unscaled, power_of_ten(-finer).unwrap_or(i128::MAX)), 1),
                    coarser => (self.unscaled, wrapping_power_of_ten(coarser)),
                };
                (unscaled as i64).wrapping_mul(factor)
            }
        }
    }

    /// The nearest number, by the way Kubernetes gets at it: digits times a power of ten.
    pub fn approximate_f64(self) -> f64 {
        let power_of_ten = |power: i32| format!("1e{power}").parse::<f64>().unwrap_or(f64::NAN);
        match self.held {
            Held::Long if self.unscaled != 0 => {
                let billionths = format!("{}e{}", self.unscaled, self.exponent - FINEST);
                billionths.parse::<f64>().unwrap_or(f64::NAN) * power_of_ten(FINEST)
            }
            _ if self.exponent == 0 => self.unscaled as f64,
            _ => self.unscaled as f64 * power_of_ten(self.exponent),
        }
    }

    /// How it is printed.
    pub fn format(self) -> QuantityFormat {
        self.format
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.unscaled < 0
    }

    fn is_whole(self) -> bool {
        self.exponent >= 0 || power_of_ten(-self.exponent).is_some_and(|divisor| self.unscaled % divisor == 0)
    }

    /// Digits without trailing zeros, and the power of ten.
    fn normal(self) -> (i128, i32) {
        let (mut digits, mut exponent) = (self.unscaled, self.exponent);
        while digits != 0 && digits % 10 == 0 {
            digits /= 10;
            exponent += 1;
        }
        if digits == 0 { (0, 0) } else { (digits, exponent) }
    }

    fn write_decimal(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut digits, mut exponent) = self.normal();
        let suffix = |power: i32| DECIMAL_SUFFIXES.iter().find(|(_, known)| *known == power);
        let exponent_form = self.format == QuantityFormat::DecimalExponent;
        let is_printable = |power: i32| power % 3 == 0 && (exponent_form || power <= 18);
        while !is_printable(exponent) {
            digits = digits.saturating_mul(10);
            exponent -= 1;
        }
        match suffix(exponent) {
            Some((suffix, _)) if !exponent_form => write!(f, "{digits}{suffix}"),
            _ if exponent == 0 => write!(f, "{digits}"),
            _ => write!(f, "{digits}e{exponent}"),
        }
    }
}

/// 10 to a power of at least 0, if 128 bits hold it.
fn power_of_ten(power: i32) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(power).ok()?)
}

/// 10 to a power of at least 0, of which 64 bits are kept.
fn wrapping_power_of_ten(power: i32) -> i64 {
    (0..power.min(64)).fold(1_i64, |product, _| product.wrapping_mul(10))
}

/// An amount moved by powers of ten; too large ones wrap around or are 0, finer ones are rounded away from zero.
fn scaled_64_bits(amount: i64, power: i32) -> i64 {
    match power {
        ..0 => away_from_zero(amount, power_of_ten(-power)),
        // these are multiplied in one go, without a look at the outcome
        0..=3 | 6 | 9 => amount.wrapping_mul(wrapping_power_of_ten(power)),
        _ => u32::try_from(power)
            .ok()
            .and_then(|power| 10_i64.checked_pow(power))
            .and_then(|factor| amount.checked_mul(factor))
            .unwrap_or(0),
    }
}

/// A positive or zero amount divided, rounded up.
fn div_ceil(amount: i128, divisor: i128) -> i128 {
    amount / divisor + i128::from(amount % divisor != 0)
}

fn away_from_zero(amount: i64, divisor: Option<i128>) -> i64 {
    let Some(divisor) = divisor.and_then(|divisor| i64::try_from(divisor).ok()) else {
        return amount.signum();
    };
    amount / divisor + if amount % divisor == 0 { 0 } else { amount.signum() }
}

impl Default for Quantity {
    fn default() -> Self {
        Self::from_units(0)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.normal() == other.normal()
    }
}

impl Eq for Quantity {}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normal().hash(state);
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) = (self.normal(), other.normal());
        if left.0.signum() != right.0.signum() {
            return left.0.cmp(&right.0);
        }
        let exponent = left.1.min(right.1);
        let aligned = |(digits, own): (i128, i32)| {
            power_of_ten(own - exponent).and_then(|factor| digits.checked_mul(factor))
        };
        match (aligned(left), aligned(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            // what does not fit is the larger one of two of the same sign, unless both are negative
            (None, _) if left.0 > 0 => Ordering::Greater,
            (None, _) => Ordering::Less,
            (_, None) if right.0 > 0 => Ordering::Less,
            (_, None) => Ordering::Greater,
        }
    }
}

impl fmt::Display for Quantity {
    /// As Kubernetes prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = self.format == QuantityFormat::BinarySi
            && self.is_whole()
            && (*self >= Self::from_units(1024) || self.is_negative());
        let scale = if binary { power_of_ten(self.exponent.max(0)) } else { None };
        let (Some(scale), Some(divisor)) = (scale, power_of_ten((-self.exponent).max(0))) else {
            return Self { format: self.printed_format(), ..*self }.write_decimal(f);
        };
        let units = self.unscaled.saturating_mul(scale) / divisor;
        if units.abs() < 1024 {
            return write!(f, "{units}");
        }
        for (suffix, power) in BINARY_SUFFIXES.iter().rev() {
            if units % (1 << power) == 0 {
                return write!(f, "{}{suffix}", units >> power);
            }
        }
        write!(f, "{units}")
    }
}

impl Quantity {
    /// Binary amounts that are not whole, or below 1024, are printed in decimal form.
    fn printed_format(self) -> QuantityFormat {
        match self.format {
            QuantityFormat::BinarySi => QuantityFormat::DecimalSi,
            other => other,
        }
    }
}

impl serde::Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
        check("25e-2", 250, 1);
        check("100n", 1, 1);
        check("250000001n", 251, 1);
        check("1500u", 2, 1);
        check("1E", u64::MAX, 1_000_000_000_000_000_000);
        check("0", 0, 0);
        check("+1", 1000, 1);
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            "Mi",
            "128MB",
            "1,5",
            "-1",
            "1.2.3",
            "128 Mi",
            "0x10",
            "1ee",
            "99999999999Ei",
            "abc",
            "1mi",
            "1e2147483647",
            "10e2147483647",
            "1e-2147483648",
        ] {
            assert_eq!(Quantity::parse(text), Err(QuantityError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn prints_as_kubernetes_prints() {
        let check = |text: &str, printed: &str| {
            assert_eq!(Quantity::parse_signed(text).unwrap().to_string(), printed);
        };
        for text in ["250m", "1", "128Mi", "3Gi", "1500m", "-2", "100E", "10e39", "1k"] {
            check(text, text);
        }
        check("0.25", "250m");
        check("1000m", "1");
        check("1024", "1024");
        check("1500Ki", "1500Ki");
        check("1.5Ki", "1536");
        check("0.5Ki", "512");
        check("1000", "1k");
        check("12E-1", "1200e-3");
        check("0Mi", "0");
        let memory = |milli: i64| Quantity::from_milli(milli, QuantityFormat::BinarySi).to_string();
        assert_eq!(memory(104_857_600_000), "100Mi");
        assert_eq!(memory(104_857_600_500), "104857600500m");
        assert_eq!(memory(1_023_000), "1023");
    }

    /// What a controller reads of amounts that 64 bits do not hold; as measured on Kubernetes's own code.
    #[test]
    fn overflows_as_a_controller_overflows() {
        let check = |text: &str, milli: i64| {
            assert_eq!(Quantity::parse_signed(text).unwrap().milli_value(), milli, "{text}");
        };
        check("-1500m", -1500);
        check("-1500u", -2);
        check("-1.5", -1500);
        check("1e40", 0);
        check("100E", 0);
        check("9223372036854775807", -1000);
        check("8Ei", -1000);
        check("-8Ei", 1000);
        check("68091990085030050", -5_694_986_209_808_156_464);
        check("-5009000790071204200008089Mi", 1000);
        check("02040600040040080e3", -6_988_552_141_680_229_376);
        check("20025086004200340048E", 32_237_534_125_752_320);
        check("-400300480008200102.0065550809e30", -4_896_221_355_293);
        check("1234567890123456789e70", 0);
        check("99999999999999999999", 7_766_279_631_452_241_919_i64.wrapping_mul(1000));
        check("1e-12", 1);
    }

    #[test]
    fn compares_by_value() {
        let parse = |text: &str| Quantity::parse_signed(text).unwrap();
        assert_eq!(parse("1Ki"), parse("1024"));
        assert_eq!(parse("0.250"), parse("250m"));
        let ordered = ["-1e40", "-2", "-1500m", "0", "1n", "250m", "0.3", "1", "1Ki", "1E", "1e30"];
        for pair in ordered.windows(2) {
            assert!(parse(pair[0]) < parse(pair[1]), "{pair:?}");
        }
        assert_eq!(parse("100n").plus(parse("1m")).plus(parse("1")), parse("1001000100n"));
    }

    #[test]
    fn approximates() {
        let check = |text: &str, value: f64| {
            assert_eq!(Quantity::parse_signed(text).unwrap().approximate_f64(), value, "{text}");
        };
        check("0.1", 0.1);
        check("50m", 0.05);
        check("0", 0.0);
        check("2", 2.0);
    }
}
