//! Reads time intervals as the configuration writes them.
//!
//! Input: the fields of an entry of `time_intervals`. Output: a [`TimeInterval`]; mistakes go to the report of the fields.

use super::{Location, Range, TimeInterval};
use jiff::tz::TimeZone;
use tidewatch_manifest::reading::{self, Fields};

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl TimeInterval {
    /// Reads an interval.
    pub(crate) fn read(fields: &Fields<'_>) -> Self {
        let times = fields.list("times").into_iter().filter_map(|entry| {
            let range = time_range(&entry);
            entry.finish();
            range
        });
        Self {
            times: times.collect(),
            weekdays: ranges(fields, "weekdays", weekdays, "write e.g. 'monday:friday'"),
            days_of_month: ranges(fields, "days_of_month", days, "write e.g. '1:5' or '-3:-1'"),
            months: ranges(fields, "months", months, "write e.g. 'may:august' or '1:3'"),
            years: ranges(fields, "years", years, "write e.g. '2026:2028'"),
            location: location(fields),
        }
    }
}

fn location(fields: &Fields<'_>) -> Location {
    let name = reading::text(fields, "location").unwrap_or_default();
    let zone = match name.as_str() {
        "" | "UTC" => Some(TimeZone::UTC),
        "Local" => Some(TimeZone::system()),
        // names have one spelling, as in Alertmanager
        name => TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name)),
    };
    Location(zone.unwrap_or_else(|| {
        let hint = "use a name of the IANA database such as Europe/Berlin; it is read from /usr/share/zoneinfo \
                    (package tzdata) or the folder in TZDIR";
        fields.wrong("location", format!("unknown time zone {name}"), hint);
        TimeZone::UTC
    }))
}

fn time_range(fields: &Fields<'_>) -> Option<Range> {
    let start = reading::text(fields, "start_time").filter(|text| !text.is_empty());
    let end = reading::text(fields, "end_time").filter(|text| !text.is_empty());
    let (Some(start), Some(end)) = (start, end) else {
        fields.wrong(
            "start_time",
            "both start and end times must be provided",
            "write e.g. '09:00' and '17:00'",
        );
        return None;
    };
    let parsed = |key: &str, text: &str| {
        let minute = minute_of_day(text);
        if minute.is_none() {
            let message = format!("couldn't parse timestamp {text}, invalid format");
            fields.wrong(key, message, "write hours and minutes with two digits each, '00:00' to '24:00'");
        }
        minute
    };
    let (start, end) = (parsed("start_time", &start)?, parsed("end_time", &end)?);
    if start >= end {
        let hint = "an interval over midnight is two: one until '24:00', one from '00:00'";
        fields.wrong("start_time", "start time cannot be equal or greater than end time", hint);
        return None;
    }
    Some((start, end))
}

fn minute_of_day(text: &str) -> Option<i32> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= 24 * 60).then_some(minute)
}

fn ranges(
    fields: &Fields<'_>,
    key: &'static str,
    read: impl Fn(&str) -> Result<Range, String>,
    hint: &str,
) -> Vec<Range> {
    let mut ranges = Vec::new();
    for (index, text) in reading::texts(fields, key).into_iter().enumerate() {
        match read(&text.to_lowercase()) {
            Ok(range) => ranges.push(range),
            Err(message) => fields.wrong_item(key, index, message, hint),
        }
    }
    ranges
}

/// A range `a:b`, or `a` alone.
fn range(text: &str, member: impl Fn(&str) -> Result<i32, String>) -> Result<Range, String> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [one] => member(one).map(|one| (one, one)),
        [first, last] => Ok((member(first)?, member(last)?)),
        _ => Err(format!("couldn't parse range {text}, invalid format")),
    }
}

fn number(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("{text:?} is not a whole number"))
}

fn weekdays(text: &str) -> Result<Range, String> {
    let (first, last) = range(text, |name| {
        let at = WEEKDAYS.iter().position(|day| *day == name);
        at.map(|at| at as i32).ok_or_else(|| format!("{name} is not a valid weekday"))
    })?;
    if first > last { Err("start day cannot be before end day".to_owned()) } else { Ok((first, last)) }
}

fn days(text: &str) -> Result<Range, String> {
    let (first, last) = range(text, number)?;
    for day in [first, last] {
        if day == 0 || !(-31..=31).contains(&day) {
            return Err(format!("{day} is not a valid day of the month: out of range"));
        }
    }
    if first < 0 && last > 0 {
        return Err("end day must be negative if start day is negative".to_owned());
    }
    let in_shortest_month = |day: i32| if day < 0 { 28 + day } else { day };
    if in_shortest_month(first) > in_shortest_month(last) {
        return Err(format!("end day {last} is always before start day {first}"));
    }
    Ok((first, last))
}

fn months(text: &str) -> Result<Range, String> {
    let (first, last) = range(text, |name| match MONTHS.iter().position(|month| *month == name) {
        Some(at) => Ok(at as i32 + 1),
        None => {
            let month = name.parse().ok().filter(|month| (1..=12).contains(month));
            month.ok_or_else(|| format!("{name} is not a valid month"))
        }
    })?;
    if first > last {
        let name = |month: i32| MONTHS[usize::try_from(month - 1).unwrap_or_default()];
        return Err(format!("end month {} is before start month {}", name(last), name(first)));
    }
    Ok((first, last))
}

fn years(text: &str) -> Result<Range, String> {
    let (first, last) = range(text, number)?;
    if first > last {
        Err(format!("end year {last} is before start year {first}"))
    } else {
        Ok((first, last))
    }
}
