//! A share written as a percentage, kept exactly: 99.9 % leaves a budget of 0.001, not of 0.0010000000000000009.
//!
//! Input: the text of a declaration. Output: decimal texts for rules. Does no arithmetic on floats.

/// A billion: shares are whole numbers of billionths.
const WHOLE: u64 = 1_000_000_000;

/// A share from 0 to 1 in billionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percentage(u64);

impl Percentage {
    /// Reads `99.5` or `99.5%`: a number of percent with at most 7 decimals, above 0 and below 100.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('%').trim_end();
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 3 || decimals.len() > 7 || !plain(whole) || !plain(decimals) {
            return None;
        }
        // 1 % is 10^7 billionths
        let billionths: u64 = format!("{whole}{decimals:0<7}").parse().ok()?;
        (billionths > 0 && billionths < WHOLE).then_some(Self(billionths))
    }

    /// What is left of the whole: the error budget of an objective.
    #[must_use]
    pub fn rest(self) -> Self {
        Self(WHOLE - self.0)
    }

    /// As a number from 0 to 1.
    pub fn ratio(self) -> f64 {
        self.0 as f64 / WHOLE as f64
    }

    /// The ratio as a decimal, e.g. `0.995`.
    pub fn ratio_text(self) -> String {
        let text = format!("0.{:09}", self.0);
        text.trim_end_matches('0').to_owned()
    }

    /// As a number of percent, e.g. `99.5`.
    pub fn percent_text(self) -> String {
        let text = format!("{}.{:07}", self.0 / 10_000_000, self.0 % 10_000_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_exact() {
        let check = |text: &str, expected: Option<(&str, &str, &str)>| {
            let read = Percentage::parse(text);
            let told = read.map(|p| (p.percent_text(), p.ratio_text(), p.rest().ratio_text()));
            let told = told.as_ref().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()));
            assert_eq!(told, expected, "{text:?}");
        };
        check("99.9", Some(("99.9", "0.999", "0.001")));
        check("99.50%", Some(("99.5", "0.995", "0.005")));
        check("95 %", Some(("95", "0.95", "0.05")));
        check("99.9999999", Some(("99.9999999", "0.999999999", "0.000000001")));
        check("0.5", Some(("0.5", "0.005", "0.995")));
        for wrong in ["", "%", "100", "0", "0.0", "-1", "1e1", "99.99999999", "99,9", "1000", ".5", "high"] {
            check(wrong, None);
        }
    }
}
