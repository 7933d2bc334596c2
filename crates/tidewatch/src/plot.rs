//! Draws series as lines in a terminal, with Braille dots: two by four points a character cell.
//!
//! Input: named series of samples and the size of the drawing. Output: text. It knows nothing about where the samples
//! come from or whether the terminal shows colours: the caller says.

use std::fmt::Write;

/// A line of the drawing.
#[derive(Clone, Debug)]
pub(crate) struct PlotSeries {
    /// What the legend calls it.
    pub(crate) name: String,
    /// (milliseconds since the Unix epoch, value), ascending; values that are not finite leave a gap.
    pub(crate) points: Vec<(i64, f64)>,
}

/// How the drawing is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlotStyle {
    /// Columns of the whole drawing.
    pub(crate) width: usize,
    /// Rows of the plot area.
    pub(crate) height: usize,
    /// Whether to use ANSI colours.
    pub(crate) colour: bool,
}

/// Series drawn at most; the legend says how many more there are.
const MOST_SERIES: usize = 12;
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];
/// Braille dot bits of a cell, by column and row within the cell (Unicode chapter 21.1).
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// Draws the series over their common time range.
pub(crate) fn plot(series: &[PlotSeries], style: PlotStyle) -> String {
    let shown = &series[..series.len().min(MOST_SERIES)];
    let points = || shown.iter().flat_map(|s| s.points.iter()).filter(|(_, v)| v.is_finite());
    let Some(bounds) = Bounds::of(points()) else {
        return "no data\n".to_owned();
    };
    let labels = [bounds.high, (bounds.high + bounds.low) / 2.0, bounds.low].map(short_number);
    let margin = labels.iter().map(String::len).max().unwrap_or(0) + 1;
    let columns = style.width.saturating_sub(margin + 2).max(10);
    let mut canvas = Canvas::new(columns, style.height.max(3));
    for (at, line) in shown.iter().enumerate() {
        canvas.draw(&line.points, &bounds, at as u8 + 1);
    }
    let mut out = String::new();
    for row in 0..canvas.rows {
        let label = match row {
            0 => &labels[0],
            r if r == canvas.rows / 2 => &labels[1],
            r if r + 1 == canvas.rows => &labels[2],
            _ => "",
        };
        let _ = write!(out, "{label:>margin$} ┤");
        canvas.write_row(row, style.colour, &mut out);
        out.push('\n');
    }
    let (from, to) = (clock_time(bounds.from), clock_time(bounds.to));
    let gap = columns.saturating_sub(from.len() + to.len()).max(1);
    let _ = writeln!(out, "{:margin$}  {from}{}{to}", "", " ".repeat(gap));
    write_legend(series, style.colour, &mut out);
    out
}

struct Bounds {
    from: i64,
    to: i64,
    low: f64,
    high: f64,
}

impl Bounds {
    fn of<'a>(points: impl Iterator<Item = &'a (i64, f64)>) -> Option<Self> {
        let mut bounds: Option<Self> = None;
        for &(time, value) in points {
            let b = bounds.get_or_insert(Self { from: time, to: time, low: value, high: value });
            (b.from, b.to) = (b.from.min(time), b.to.max(time));
            (b.low, b.high) = (b.low.min(value), b.high.max(value));
        }
        let mut bounds = bounds?;
        if bounds.low >= 0.0 && bounds.low < bounds.high / 2.0 {
            bounds.low = 0.0;
        }
        if bounds.low == bounds.high {
            bounds.high += if bounds.high == 0.0 { 1.0 } else { bounds.high.abs() * 0.1 };
        }
        Some(bounds)
    }
}

struct Canvas {
    columns: usize,
    rows: usize,
    /// Dots and the series drawn last, a cell each.
    cells: Vec<(u8, u8)>,
}

impl Canvas {
    fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows, cells: vec![(0, 0); columns * rows] }
    }

    fn draw(&mut self, points: &[(i64, f64)], bounds: &Bounds, mark: u8) {
        let (wide, high) = ((self.columns * 2 - 1) as f64, (self.rows * 4 - 1) as f64);
        let span = ((bounds.to - bounds.from) as f64).max(1.0);
        let place = |(time, value): (i64, f64)| {
            let x = (time - bounds.from) as f64 / span * wide;
            let y = (bounds.high - value) / (bounds.high - bounds.low) * high;
            (x.round() as i64, y.round() as i64)
        };
        let gap = 3 * points.windows(2).map(|w| w[1].0 - w[0].0).min().unwrap_or(i64::MAX / 3);
        let mut previous: Option<(i64, (i64, i64))> = None;
        for &(time, value) in points {
            if !value.is_finite() {
                previous = None;
                continue;
            }
            let to = place((time, value));
            let from = previous.filter(|(before, _)| time - before <= gap).map_or(to, |(_, at)| at);
            self.line(from, to, mark);
            previous = Some((time, to));
        }
    }

    fn line(&mut self, from: (i64, i64), to: (i64, i64), mark: u8) {
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).max(1);
        for step in 0..=steps {
            let x = from.0 + (to.0 - from.0) * step / steps;
            let y = from.1 + (to.1 - from.1) * step / steps;
            self.dot(x as usize, y as usize, mark);
        }
    }

    fn dot(&mut self, x: usize, y: usize, mark: u8) {
        let at = (y / 4) * self.columns + x / 2;
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = (cell.0 | DOTS[x % 2][y % 4], mark);
        }
    }

    fn write_row(&self, row: usize, colour: bool, out: &mut String) {
        for &(dots, mark) in &self.cells[row * self.columns..(row + 1) * self.columns] {
            let glyph = char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' ');
            if dots == 0 {
                out.push(' ');
            } else if colour {
                let _ = write!(out, "\x1b[{}m{glyph}\x1b[0m", colour_of(usize::from(mark) - 1));
            } else {
                out.push(glyph);
            }
        }
    }
}

fn colour_of(series: usize) -> u8 {
    COLOURS[series % COLOURS.len()]
}

fn write_legend(series: &[PlotSeries], colour: bool, out: &mut String) {
    for (at, line) in series.iter().take(MOST_SERIES).enumerate() {
        let last = line.points.last().map_or_else(String::new, |(_, v)| format!("  {}", short_number(*v)));
        if colour {
            let _ = writeln!(out, "  \x1b[{}m━\x1b[0m {}{last}", colour_of(at), line.name);
        } else {
            let _ = writeln!(out, "  ━ {}{last}", line.name);
        }
    }
    if series.len() > MOST_SERIES {
        let _ = writeln!(out, "  … and {} more series, not drawn", series.len() - MOST_SERIES);
    }
}

/// A number in at most about seven characters, with SI prefixes above 10,000.
pub(crate) fn short_number(value: f64) -> String {
    let size = value.abs();
    let (scaled, suffix) = match size {
        s if s >= 1e12 => (value / 1e12, "T"),
        s if s >= 1e9 => (value / 1e9, "G"),
        s if s >= 1e6 => (value / 1e6, "M"),
        s if s >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        s if s == 0.0 || s >= 100.0 => 0,
        s if s >= 10.0 => 1,
        s if s >= 0.1 => 2,
        _ => 4,
    };
    if size != 0.0 && size < 0.001 {
        return format!("{value:.1e}");
    }
    let mut text = format!("{scaled:.digits$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    text + suffix
}

/// `HH:MM:SS` in UTC of milliseconds since the Unix epoch.
pub(crate) fn clock_time(milliseconds: i64) -> String {
    let seconds = milliseconds.div_euclid(1000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[f64]) -> String {
        let points = points.iter().enumerate().map(|(at, v)| (at as i64 * 1000, *v)).collect();
        let series = [PlotSeries { name: "up".into(), points }];
        plot(&series, PlotStyle { width: 20, height: 3, colour: false })
    }

    #[test]
    fn a_ramp_rises_from_the_lower_left_to_the_upper_right() {
        let text = drawn(&[0.0, 1.0, 2.0, 3.0, 4.0]);
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 5, "{text}");
        assert!(rows[0].trim_start().starts_with("4 ┤"), "{text}");
        assert!(rows[2].trim_start().starts_with("0 ┤⣀"), "{text}");
        assert!(rows[0].ends_with(['⠉', '⠋', '⠃', '⠁', '⠈', '⠊', '⠔', '⡠', '⢀', '⠤', '⠒', '⣀']), "{text}");
        assert!(rows[3].contains("00:00:00") && rows[3].ends_with("00:00:04"), "{text}");
        assert_eq!(rows[4], "  ━ up  4");
    }

    #[test]
    fn nothing_finite_is_said_to_be_no_data() {
        assert_eq!(drawn(&[]), "no data\n");
        assert_eq!(drawn(&[f64::NAN, f64::INFINITY]), "no data\n");
    }

    #[test]
    fn numbers_stay_short() {
        let check = |value: f64, expected: &str| assert_eq!(short_number(value), expected);
        check(0.0, "0");
        check(0.25, "0.25");
        check(1.5, "1.5");
        check(1234.0, "1234");
        check(12_345.0, "12.3k");
        check(52_428_800.0, "52.4M");
        check(-0.5, "-0.5");
        check(0.000_012, "1.2e-5");
    }
}
