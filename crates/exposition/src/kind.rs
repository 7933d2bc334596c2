//! The type of a metric family, as `# TYPE` states it.
//!
//! Read by the parsers, written by the writer, shown by the metadata API. It does not change what samples mean, save
//! that the labels `le` and `quantile` of histograms and summaries hold numbers.

/// The type of a metric family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only grows, or starts anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets with the label `le`, a count and a sum.
    Histogram,
    /// A histogram whose counts may fall (OpenMetrics only).
    GaugeHistogram,
    /// Quantiles with the label `quantile`, a count and a sum.
    Summary,
    /// Facts as labels of a constant 1 (OpenMetrics only).
    Info,
    /// One sample per state, 0 or 1 (OpenMetrics only).
    StateSet,
    /// Not stated.
    #[default]
    Unknown,
}

impl MetricKind {
    /// The name in OpenMetrics and in Prometheus's metadata API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Unknown => "unknown",
        }
    }

    /// The name in text 0.0.4, where what OpenMetrics added has to pass for what it resembles.
    pub fn as_text_004(self) -> &'static str {
        match self {
            Self::GaugeHistogram => "histogram",
            Self::Info | Self::StateSet => "gauge",
            Self::Unknown => "untyped",
            known => known.as_str(),
        }
    }

    /// The type a text 0.0.4 page means.
    pub(crate) fn from_text_004(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"counter" => Self::Counter,
            b"gauge" => Self::Gauge,
            b"histogram" => Self::Histogram,
            b"summary" => Self::Summary,
            b"untyped" => Self::Unknown,
            _ => return None,
        })
    }

    /// The type an OpenMetrics page means.
    pub(crate) fn from_open_metrics(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"gaugehistogram" => Self::GaugeHistogram,
            b"info" => Self::Info,
            b"stateset" => Self::StateSet,
            b"unknown" => Self::Unknown,
            b"untyped" => return None,
            other => return Self::from_text_004(other),
        })
    }
}
