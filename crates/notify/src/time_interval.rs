//! Times at which routes are muted or active.
//!
//! Input: an entry of `time_intervals`, and a time. Output: whether the time is in one of its intervals. All parts of an interval have
//! to hold, of each part one range. Time zones are those of the system's database (`/usr/share/zoneinfo`, or the folder `TZDIR`);
//! without one only UTC is known, and a configuration that names another is refused.

mod read;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::collections::BTreeMap;
use std::fmt;

/// Whole numbers from the first to the last.
type Range = (i32, i32);

/// One interval. A part without ranges always holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeInterval {
    /// Minutes of the day, without the last.
    times: Vec<Range>,
    /// Days of the week, 0 is Sunday.
    weekdays: Vec<Range>,
    /// Days of the month; negative ones count from its end, -1 is the last.
    days_of_month: Vec<Range>,
    /// Months, 1 is January.
    months: Vec<Range>,
    years: Vec<Range>,
    location: Location,
}

/// A time zone.
#[derive(Clone, PartialEq, Eq)]
struct Location(TimeZone);

impl Default for Location {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("local"))
    }
}

impl TimeInterval {
    /// Whether a time, in milliseconds since the Unix epoch, is inside.
    pub fn contains(&self, now: i64) -> bool {
        let Ok(now) = Timestamp::from_millisecond(now) else { return false };
        let now = now.to_zoned(self.location.0.clone());
        let minute = i32::from(now.hour()) * 60 + i32::from(now.minute());
        let is_in = |ranges: &[Range], value: i32| {
            ranges.is_empty() || ranges.iter().any(|(first, last)| (*first..=*last).contains(&value))
        };
        (self.times.is_empty() || self.times.iter().any(|(start, end)| (*start..*end).contains(&minute)))
            && self.contains_day(&now)
            && is_in(&self.months, i32::from(now.month()))
            && is_in(&self.weekdays, i32::from(now.weekday().to_sunday_zero_offset()))
            && is_in(&self.years, i32::from(now.year()))
    }

    fn contains_day(&self, now: &Zoned) -> bool {
        let (day, days) = (i32::from(now.day()), i32::from(now.days_in_month()));
        let from_start = |number: i32| if number < 0 { days + number + 1 } else { number };
        self.days_of_month.is_empty()
            || self.days_of_month.iter().any(|(first, last)| {
                let (first, last) = (from_start(*first), from_start(*last));
                first <= days && (first..=last).contains(&day)
            })
    }
}

/// The intervals by name.
pub type TimeIntervals = BTreeMap<String, Vec<TimeInterval>>;

/// Those of `names` that a time is in.
pub(crate) fn containing(intervals: &TimeIntervals, names: &[String], now: i64) -> Vec<String> {
    let is_in = |name: &&String| {
        intervals.get(*name).is_some_and(|intervals| intervals.iter().any(|interval| interval.contains(now)))
    };
    names.iter().filter(is_in).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::reading::read_settings_file;
    use tidewatch_model::parse_timestamp;

    fn read(text: &str) -> Result<TimeInterval, String> {
        let read = read_settings_file("t.yml", text, false, TimeInterval::read);
        read.map(|(interval, _)| interval).map_err(|errors| errors[0].to_string())
    }

    #[test]
    fn times_are_in_or_out() {
        let check = |interval: &str, time: &str, expected: bool| {
            let interval = read(interval).unwrap_or_else(|error| panic!("{interval}: {error}"));
            assert_eq!(interval.contains(parse_timestamp(time).unwrap()), expected, "{interval:?} {time}");
        };
        check("{}", "2026-11-23T06:00:00Z", true);
        let hours = "times: [{start_time: '09:00', end_time: '17:30'}]";
        check(hours, "2026-11-23T08:59:59.999Z", false);
        check(hours, "2026-11-23T09:00:00Z", true);
        check(hours, "2026-11-23T17:29:59Z", true);
        check(hours, "2026-11-23T17:30:00Z", false);
        check("times: [{start_time: '23:00', end_time: '24:00'}]", "2026-11-23T23:59:59Z", true);
        check("weekdays: ['monday:friday']", "2026-11-23T00:00:00Z", true); // a Monday
        check("weekdays: ['Sunday']", "2026-11-22T23:59:59Z", true);
        check("weekdays: ['saturday', sunday]", "2026-11-23T00:00:00Z", false);
        check("days_of_month: ['-1']", "2026-02-28T00:00:00Z", true);
        check("days_of_month: ['-1']", "2028-02-28T00:00:00Z", false);
        check("days_of_month: ['-3:-1']", "2026-11-28T00:00:00Z", true);
        check("days_of_month: ['-3:-1']", "2026-11-27T23:00:00Z", false);
        check("days_of_month: ['30:31']", "2026-02-28T00:00:00Z", false);
        check("days_of_month: ['1:31']", "2026-02-28T00:00:00Z", true);
        check("days_of_month: ['5:-5']", "2026-11-26T00:00:00Z", true);
        check("days_of_month: [7]", "2026-11-07T00:00:00Z", true);
        check("months: ['november:december', 2]", "2026-12-31T00:00:00Z", true);
        check("months: ['november:december', 2]", "2026-02-01T00:00:00Z", true);
        check("months: ['11:12']", "2026-10-31T23:59:59Z", false);
        check("years: ['2025:2026']", "2026-01-01T00:00:00Z", true);
        check("years: [2027]", "2026-01-01T00:00:00Z", false);
        check("{weekdays: [monday], months: [october]}", "2026-11-23T00:00:00Z", false);
    }

    #[test]
    fn time_zones_have_their_summer() {
        let check = |zone: &str, time: &str, expected: bool| {
            let text = format!("{{times: [{{start_time: '09:00', end_time: '10:00'}}], location: {zone}}}");
            let interval = read(&text).unwrap();
            assert_eq!(interval.contains(parse_timestamp(time).unwrap()), expected, "{zone} {time}");
        };
        check("Europe/Berlin", "2026-01-15T08:30:00Z", true);
        check("Europe/Berlin", "2026-07-15T08:30:00Z", false);
        check("Europe/Berlin", "2026-07-15T07:30:00Z", true);
        check("America/New_York", "2026-07-15T13:30:00Z", true);
        check("UTC", "2026-07-15T09:30:00Z", true);
    }

    #[test]
    fn mistakes_are_named() {
        let check = |text: &str, expected: &str| {
            let found = read(text).expect_err(text);
            assert!(found.contains(expected), "{text}: {found}");
        };
        check(
            "times: [{start_time: '9:00', end_time: '10:00'}]",
            "couldn't parse timestamp 9:00, invalid format",
        );
        check(
            "times: [{start_time: '10:00', end_time: '10:00'}]",
            "start time cannot be equal or greater than end time",
        );
        check("times: [{start_time: '10:00'}]", "both start and end times must be provided");
        check("weekdays: [mon]", "mon is not a valid weekday");
        check("weekdays: ['friday:monday']", "start day cannot be before end day");
        check("days_of_month: ['0']", "0 is not a valid day of the month: out of range");
        check("days_of_month: ['-1:5']", "end day must be negative if start day is negative");
        check("days_of_month: ['10:5']", "end day 5 is always before start day 10");
        check("days_of_month: ['28:-20']", "end day -20 is always before start day 28");
        check("months: ['13']", "13 is not a valid month");
        check("months: ['june:may']", "end month may is before start month june");
        check("years: ['2027:2026']", "end year 2026 is before start year 2027");
        check("years: ['a:b:c']", "couldn't parse range a:b:c, invalid format");
        check("location: europe/berlin", "unknown time zone europe/berlin");
        check("location: Europe/Atlantis", "unknown time zone Europe/Atlantis");
        check("zone: UTC", "unknown field");
        assert!(read("weekdays: [mon]").unwrap_err().starts_with("t.yml:1:"));
    }

    #[test]
    fn names_are_found() {
        let always = vec![read("{}").unwrap()];
        let never = vec![read("years: [1970]").unwrap()];
        let intervals = TimeIntervals::from([("always".to_owned(), always), ("never".to_owned(), never)]);
        let names = ["never".to_owned(), "always".to_owned()];
        let now = parse_timestamp("2026-11-23T06:00:00Z").unwrap();
        assert_eq!(containing(&intervals, &names, now), ["always"]);
    }
}
