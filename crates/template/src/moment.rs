//! Times and durations as Go's package time shows them.
//!
//! Input: milliseconds since the Unix epoch. Output: objects for templates, with the methods that are of use in messages. Times are in
//! UTC.

use crate::Value;
use crate::value::Object;
use std::fmt::Write;
use std::sync::Arc;
use tidewatch_model::civil_from_days;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// Go's zero time, the first of January of the year 1, in milliseconds since the Unix epoch.
pub const ZERO_TIME: i64 = -62_135_596_800_000;

/// A time in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(
    /// Milliseconds since the Unix epoch.
    pub i64,
);

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(
    /// Nanoseconds.
    pub i64,
);

impl From<Moment> for Value {
    fn from(moment: Moment) -> Self {
        Self::Object(Arc::new(moment))
    }
}

impl From<Span> for Value {
    fn from(span: Span) -> Self {
        Self::Object(Arc::new(span))
    }
}

struct Parts {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millisecond: i64,
    weekday: usize,
    year_day: i64,
}

impl Moment {
    fn parts(self) -> Parts {
        let (days, rest) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let first = tidewatch_model::days_from_civil(year, 1, 1);
        Parts {
            year,
            month,
            day,
            hour: rest / 3_600_000,
            minute: rest / 60_000 % 60,
            second: rest / 1000 % 60,
            millisecond: rest % 1000,
            weekday: (days + 4).rem_euclid(7) as usize,
            year_day: days - first + 1,
        }
    }

    /// The time by a layout of Go's: `2006-01-02 15:04:05`.
    pub fn format(self, layout: &str) -> String {
        let parts = self.parts();
        let mut out = String::with_capacity(layout.len() + 8);
        let mut rest = layout;
        while !rest.is_empty() {
            let taken = push_element(&mut out, rest, &parts);
            if taken > 0 {
                rest = &rest[taken..];
                continue;
            }
            let Some(one) = rest.chars().next() else { break };
            out.push(one);
            rest = &rest[one.len_utf8()..];
        }
        out
    }
}

/// Writes what the first element of a layout stands for, and gives its length; 0 if it stands for itself.
fn push_element(out: &mut String, layout: &str, parts: &Parts) -> usize {
    let Parts { year, month, day, hour, minute, second, millisecond, weekday, year_day } = parts;
    let month_name = MONTHS[(*month - 1).clamp(0, 11) as usize];
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let texts: [(&str, String); 33] = [
        ("January", month_name.to_owned()),
        ("Jan", month_name[..3].to_owned()),
        ("Monday", DAYS[*weekday].to_owned()),
        ("Mon", DAYS[*weekday][..3].to_owned()),
        ("MST", "UTC".to_owned()),
        ("2006", format!("{year:04}")),
        ("__2", format!("{year_day:>3}")),
        ("_2006", format!("_{year:04}")),
        ("_2", format!("{day:>2}")),
        ("002", format!("{year_day:03}")),
        ("01", format!("{month:02}")),
        ("02", format!("{day:02}")),
        ("03", format!("{twelve:02}")),
        ("04", format!("{minute:02}")),
        ("05", format!("{second:02}")),
        ("06", format!("{:02}", year.rem_euclid(100))),
        ("15", format!("{hour:02}")),
        ("1", month.to_string()),
        ("2", day.to_string()),
        ("3", twelve.to_string()),
        ("4", minute.to_string()),
        ("5", second.to_string()),
        ("PM", if *hour >= 12 { "PM" } else { "AM" }.to_owned()),
        ("pm", if *hour >= 12 { "pm" } else { "am" }.to_owned()),
        ("-07:00:00", "+00:00:00".to_owned()),
        ("-07:00", "+00:00".to_owned()),
        ("-070000", "+000000".to_owned()),
        ("-0700", "+0000".to_owned()),
        ("-07", "+00".to_owned()),
        ("Z07:00:00", "Z".to_owned()),
        ("Z07:00", "Z".to_owned()),
        ("Z0700", "Z".to_owned()),
        ("Z07", "Z".to_owned()),
    ];
    if let Some(taken) = push_fraction(out, layout, *millisecond) {
        return taken;
    }
    // `Jan` and `Mon` within other words stand for themselves in Go when a lower-case letter follows `Jan`
    let fits = |element: &str| {
        let cut = layout.as_bytes().get(element.len()).is_some_and(u8::is_ascii_lowercase);
        layout.starts_with(element) && !(matches!(element, "Jan" | "Mon") && cut)
    };
    for (element, text) in texts {
        if fits(element) {
            out.push_str(&text);
            return element.len();
        }
    }
    0
}

/// `.000` and `.999` or with a comma: fractions of a second.
fn push_fraction(out: &mut String, layout: &str, millisecond: i64) -> Option<usize> {
    let mark = layout.chars().next().filter(|one| matches!(one, '.' | ','))?;
    let kind = layout[1..].chars().next().filter(|one| matches!(one, '0' | '9'))?;
    let digits = layout[1..].chars().take_while(|one| *one == kind).count();
    if layout[1 + digits..].starts_with(|next: char| next.is_ascii_digit()) {
        return None;
    }
    let nanoseconds = format!("{:09}", millisecond * 1_000_000);
    let mut shown = nanoseconds[..digits.min(9)].to_owned();
    if kind == '9' {
        shown.truncate(shown.trim_end_matches('0').len());
    }
    if !shown.is_empty() {
        out.push(mark);
        out.push_str(&shown);
    }
    Some(1 + digits)
}

fn no_arguments(name: &str, arguments: &[Value]) -> Result<(), String> {
    match arguments.len() {
        0 => Ok(()),
        got => Err(format!("wrong number of args for {name}: want 0 got {got}")),
    }
}

impl Object for Moment {
    fn type_name(&self) -> &'static str {
        "time.Time"
    }

    fn member(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        if let ("Format", [Value::Text(layout)]) = (name, arguments) {
            return Some(Ok(Value::from(self.format(layout))));
        }
        let other = |argument: &Value| match argument {
            Value::Object(object) if object.type_name() == "time.Time" => object.member("UnixMilli", &[]),
            _ => None,
        };
        if let ("Sub" | "After" | "Before" | "Equal", [argument]) = (name, arguments) {
            let Some(Ok(Value::Int(other))) = other(argument) else {
                return Some(Err("wrong type for value; expected time.Time".to_owned()));
            };
            return Some(Ok(match name {
                "After" => Value::Bool(self.0 > other),
                "Before" => Value::Bool(self.0 < other),
                "Equal" => Value::Bool(self.0 == other),
                _ => Span(self.0.saturating_sub(other).saturating_mul(1_000_000)).into(),
            }));
        }
        let parts = self.parts();
        let value = match name {
            "Unix" => Value::Int(self.0.div_euclid(1000)),
            "UnixMilli" => Value::Int(self.0),
            "UnixNano" => Value::Int(self.0.saturating_mul(1_000_000)),
            "Year" => Value::Int(parts.year),
            "Month" => Value::text(MONTHS[(parts.month - 1).clamp(0, 11) as usize]),
            "Day" => Value::Int(parts.day),
            "YearDay" => Value::Int(parts.year_day),
            "Weekday" => Value::text(DAYS[parts.weekday]),
            "Hour" => Value::Int(parts.hour),
            "Minute" => Value::Int(parts.minute),
            "Second" => Value::Int(parts.second),
            "Nanosecond" => Value::Int(parts.millisecond * 1_000_000),
            "IsZero" => Value::Bool(self.0 == ZERO_TIME),
            "String" => Value::from(self.print()),
            "UTC" | "Local" => (*self).into(),
            "Format" => return Some(Err("wrong type for value; expected string".to_owned())),
            _ => return None,
        };
        Some(no_arguments(name, arguments).map(|()| value))
    }

    fn print(&self) -> String {
        self.format("2006-01-02 15:04:05.999999999 -0700 MST")
    }
}

impl Object for Span {
    fn type_name(&self) -> &'static str {
        "time.Duration"
    }

    fn member(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let value = match name {
            "Seconds" => Value::Float(self.0 as f64 / 1e9),
            "Minutes" => Value::Float(self.0 as f64 / 6e10),
            "Hours" => Value::Float(self.0 as f64 / 3.6e12),
            "Milliseconds" => Value::Int(self.0 / 1_000_000),
            "Nanoseconds" => Value::Int(self.0),
            "String" => Value::from(self.print()),
            _ => return None,
        };
        Some(no_arguments(name, arguments).map(|()| value))
    }

    /// `1h2m3.5s`, `1.5ms`, `0s`.
    fn print(&self) -> String {
        let (sign, nanoseconds) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let fraction = |whole: u64, rest: u64, digits: usize| {
            let rest = format!("{rest:0digits$}");
            let rest = rest.trim_end_matches('0');
            if rest.is_empty() { whole.to_string() } else { format!("{whole}.{rest}") }
        };
        match nanoseconds {
            0 => "0s".to_owned(),
            1..1_000 => format!("{sign}{nanoseconds}ns"),
            1_000..1_000_000 => format!("{sign}{}µs", fraction(nanoseconds / 1_000, nanoseconds % 1_000, 3)),
            1_000_000..1_000_000_000 => {
                format!("{sign}{}ms", fraction(nanoseconds / 1_000_000, nanoseconds % 1_000_000, 6))
            }
            _ => {
                let seconds = nanoseconds / 1_000_000_000;
                let mut out = sign.to_owned();
                if seconds >= 3600 {
                    _ = write!(out, "{}h", seconds / 3600);
                }
                if seconds >= 60 {
                    _ = write!(out, "{}m", seconds / 60 % 60);
                }
                _ = write!(out, "{}s", fraction(seconds % 60, nanoseconds % 1_000_000_000, 9));
                out
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_gos() {
        let moment = Moment(1_767_323_045_120);
        for (layout, expected) in [
            ("2006-01-02T15:04:05Z07:00", "2026-01-02T03:04:05Z"),
            ("Mon, 02 Jan 2006 15:04:05 MST", "Fri, 02 Jan 2026 03:04:05 UTC"),
            ("Monday January _2 3:04PM .000 .999999", "Friday January  2 3:04AM .120 .12"),
            ("06/1/2 03:4:5 pm -0700 002", "26/1/2 03:4:5 am +0000 002"),
            ("no element é", "no element é"),
        ] {
            assert_eq!(moment.format(layout), expected, "{layout}");
        }
        assert_eq!(moment.print(), "2026-01-02 03:04:05.12 +0000 UTC");
        assert_eq!(Moment(ZERO_TIME).print(), "0001-01-01 00:00:00 +0000 UTC");
    }

    #[test]
    fn durations_are_gos() {
        for (nanoseconds, expected) in [
            (0, "0s"),
            (12, "12ns"),
            (1_500, "1.5µs"),
            (2_000_000, "2ms"),
            (1_000_000_000, "1s"),
            (-90_500_000_000, "-1m30.5s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(Span(nanoseconds).print(), expected);
        }
    }
}
