//! An open-model HTTP load generator: requests are due by a schedule, whatever the answers do.
//!
//! Input: a schedule of arrival rates, what to request, and limits. Output: a report with totals, percentiles and a line
//! for each second. Latency counts from the moment a request was due, so a server that stalls cannot hide the requests
//! that had to wait (no coordinated omission). What could not be sent is counted as missed. It deliberately speaks plain
//! HTTP/1.1 only, follows no redirect, and refuses hosts that are not this machine unless told otherwise.

mod error;

mod rate;
mod schedule;
mod arrivals;

mod template;
mod task_scenario;
mod task_weights;
mod work;

mod origin;
mod pacer;
mod connection;
mod pool;

mod recorder;
mod report;
mod threshold;

mod task_set;
mod run;

pub use arrivals::{Arrivals, SendTimes};
pub use error::Error;
pub use rate::parse_rate;
pub use report::{Check, LoadReport, Operation, Quantiles, Second, TaskTotals, Totals};
pub use run::{Limits, LoadSpec, Progress, run};
pub use schedule::{Schedule, Stage};
pub use task_scenario::TaskAction;
pub use task_weights::TaskWeights;
pub use template::RequestTemplate;
pub use threshold::Threshold;
pub use work::{Target, TaskTarget};
