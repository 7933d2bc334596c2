//! Faults of this process, on demand: off unless `FAULTS_ENABLED=true`, each for a bounded time.
//!
//! Input: checked faults from the management port, the time. Output: requests that wait or fail, threads that work, an end of the
//! process, and the gauge `todo_fault_active`. A fault undoes itself when its time is over, whether somebody asks or not.
//! Deliberately without any effect on probes: what is broken is what users see.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use serde_json::Value;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    Environment, Error, Problem,
    fault::{Fault, FaultKind, consumes_nothing, not_enabled, publishes_nothing},
    fault_memory::FaultMemory,
    fault_work::Work,
};

/// From a crash's request, or from the start of a process that is to crash, to its end.
const CRASH_AFTER: Duration = Duration::from_millis(500);
/// The exit code of a crash on demand.
const CRASH_CODE: i32 = 70;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FaultLabels {
    fault: &'static str,
}

/// Whether faults may be asked of this process: `FAULTS_ENABLED` and `FAULTS_STATE_DIR`.
#[derive(Clone, Debug)]
pub struct FaultSettings {
    enabled: bool,
    memory: FaultMemory,
}

impl FaultSettings {
    /// Reads both variables.
    ///
    /// # Errors
    /// [`Error::Setting`] when `FAULTS_ENABLED` is neither `true` nor `false`.
    pub fn from_environment(environment: &Environment) -> Result<Self, Error> {
        let enabled = match environment.text("FAULTS_ENABLED") {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                return Err(Error::Setting {
                    name: "FAULTS_ENABLED",
                    value: other.chars().take(80).collect(),
                    reason: "neither true nor false".to_owned(),
                    hint: "set FAULTS_ENABLED to true where faults may be caused on demand, or unset it"
                        .to_owned(),
                });
            }
        };
        Ok(Self { enabled, memory: FaultMemory::from_environment(environment) })
    }
}

/// What of a process can be broken besides its requests and its metrics page.
#[derive(Clone, Copy, Debug, Default)]
pub struct FaultSurface {
    /// The route that takes events, if there is one.
    pub consumes: Option<&'static str>,
    /// Whether it publishes events.
    pub publishes: bool,
}

/// The faults of a process; a clone is the same.
#[derive(Clone)]
pub struct Faults(Option<Arc<Inner>>);

struct Inner {
    memory: FaultMemory,
    surface: FaultSurface,
    /// A bit for each kind that is active: a request that meets none looks no further.
    mask: AtomicU16,
    active: Mutex<BTreeMap<FaultKind, Active>>,
    started: AtomicU64,
    requests: AtomicU64,
    /// Told when events are well-formed again.
    well_formed: Notify,
    gauge: Family<FaultLabels, Gauge>,
}

struct Active {
    number: u64,
    fault: Fault,
    until: Instant,
    /// Dropped with the fault: whoever waits for its end is woken.
    over: watch::Sender<()>,
    _work: Option<Work>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Faults(enabled)" } else { "Faults(off)" })
    }
}

impl Faults {
    /// Faults that cannot be caused.
    pub fn off() -> Self {
        Self(None)
    }

    /// Prepares faults, when they are enabled, and goes on with a crash that an earlier run of this process was told. Must be
    /// called within a tokio runtime.
    pub fn start(settings: &FaultSettings, surface: FaultSurface, registry: &mut Registry) -> Self {
        if !settings.enabled {
            return Self::off();
        }
        let gauge = Family::<FaultLabels, Gauge>::default();
        registry.register(
            "todo_fault_active",
            "Whether a fault on demand is active (1) or not (0)",
            gauge.clone(),
        );
        for kind in FaultKind::ALL {
            gauge.get_or_create(&FaultLabels { fault: kind.name() }).set(0);
        }
        let inner = Inner {
            memory: settings.memory.clone(),
            surface,
            mask: AtomicU16::new(0),
            active: Mutex::default(),
            started: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            well_formed: Notify::new(),
            gauge,
        };
        let faults = Self(Some(Arc::new(inner)));
        tracing::warn!("faults can be caused on demand in this process, on the port for metrics");
        if let Some(remaining) = settings.memory.remaining() {
            faults.begin(Fault::crash(remaining));
        }
        faults
    }

    /// Whether faults can be caused here.
    pub(crate) fn enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Starts a fault, in place of one of its kind that is active.
    ///
    /// # Errors
    /// 403 when faults are not enabled, 422 when this process takes no events and should stop to.
    pub(crate) fn cause(&self, fault: Fault) -> Result<Value, Problem> {
        let inner = self.0.as_ref().ok_or_else(not_enabled)?;
        match fault.kind {
            FaultKind::StoppedConsumer if inner.surface.consumes.is_none() => return Err(consumes_nothing()),
            FaultKind::MalformedEvents if !inner.surface.publishes => return Err(publishes_nothing()),
            _ => {}
        }
        if fault.kind == FaultKind::Crash {
            inner.memory.keep(fault.lasts);
        }
        let told = fault.described(fault.lasts);
        self.begin(fault);
        Ok(told)
    }

    fn begin(&self, fault: Fault) {
        let Some(inner) = &self.0 else { return };
        tracing::warn!(
            fault = fault.kind.name(),
            seconds = fault.lasts.as_secs_f64(),
            "a fault begins, on demand"
        );
        let (kind, until) = (fault.kind, Instant::now() + fault.lasts);
        let number = inner.started.fetch_add(1, Ordering::Relaxed);
        let work = Work::start(&fault, until.into_std());
        let active = Active { number, fault, until, over: watch::Sender::new(()), _work: work };
        let mut over = active.over.subscribe();
        {
            let mut all = inner.active();
            all.insert(kind, active);
            inner.show(&all);
        }
        let inner = Arc::clone(inner);
        tokio::spawn(async move {
            if kind == FaultKind::Crash {
                tokio::select! {
                    _ = over.changed() => return,
                    () = tokio::time::sleep(CRASH_AFTER) => crash(),
                }
            }
            tokio::select! {
                // somebody else ended it
                _ = over.changed() => {}
                () = tokio::time::sleep_until(until) => inner.end(kind, Some(number)),
            }
        });
    }

    /// Undoes one fault, or all. Gives the names of those that were active.
    ///
    /// # Errors
    /// 403 when faults are not enabled.
    pub(crate) fn undo(&self, only: Option<FaultKind>) -> Result<Vec<&'static str>, Problem> {
        let inner = self.0.as_ref().ok_or_else(not_enabled)?;
        let kinds: Vec<FaultKind> =
            inner.active().keys().copied().filter(|kind| only.is_none_or(|only| only == *kind)).collect();
        kinds.iter().for_each(|kind| inner.end(*kind, None));
        Ok(kinds.into_iter().map(FaultKind::name).collect())
    }

    /// What is active, each with what is left of it.
    ///
    /// # Errors
    /// 403 when faults are not enabled.
    pub(crate) fn active(&self) -> Result<Vec<Value>, Problem> {
        let inner = self.0.as_ref().ok_or_else(not_enabled)?;
        let now = Instant::now();
        let told = |active: &Active| active.fault.described(active.until.saturating_duration_since(now));
        Ok(inner.active().values().map(told).collect())
    }

    /// Does to a request what the active faults say.
    ///
    /// # Errors
    /// 500 for the share of requests that is to fail.
    pub(crate) async fn meet(&self, endpoint: &str) -> Result<(), Problem> {
        let Some(inner) = self.0.as_ref().filter(|inner| inner.mask.load(Ordering::Relaxed) != 0) else {
            return Ok(());
        };
        if inner.surface.consumes == Some(endpoint)
            && let Some((_, mut over)) = inner.find(FaultKind::StoppedConsumer)
        {
            // it ends with an error, as the sender is dropped
            let _ = over.changed().await;
        }
        if let Some((fault, mut over)) = inner.find(FaultKind::Latency) {
            let latency = Duration::from_secs_f64(fault.number("latency_seconds"));
            let _ = tokio::time::timeout(latency, over.changed()).await;
        }
        match inner.find(FaultKind::ErrorRatio) {
            Some((fault, _)) if inner.fails(fault.number("ratio")) => Err(on_demand()),
            _ => Ok(()),
        }
    }

    /// What the metrics page is to say instead of its samples, if anything.
    pub(crate) fn metrics_page(&self) -> Option<&'static str> {
        if self.is_active(FaultKind::BrokenMetrics) {
            return Some("this page is broken on demand {\n");
        }
        self.is_active(FaultKind::EmptyMetrics).then_some("# this page is empty on demand\n")
    }

    /// Whether events are to be published in a form that is refused.
    pub fn malforms_events(&self) -> bool {
        self.is_active(FaultKind::MalformedEvents)
    }

    /// Waits until events are no longer malformed; for ever where that never happens.
    pub async fn events_well_formed_again(&self) {
        match &self.0 {
            Some(inner) => inner.well_formed.notified().await,
            None => std::future::pending().await,
        }
    }

    fn is_active(&self, kind: FaultKind) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.mask.load(Ordering::Relaxed) & bit(kind) != 0)
    }
}

impl Inner {
    fn active(&self) -> MutexGuard<'_, BTreeMap<FaultKind, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, kind: FaultKind) -> Option<(Fault, watch::Receiver<()>)> {
        let all = self.active();
        let active = all.get(&kind).filter(|active| Instant::now() < active.until)?;
        Some((active.fault.clone(), active.over.subscribe()))
    }

    /// Ends a fault; with `number` only that one, not one that has taken its place.
    fn end(&self, kind: FaultKind, number: Option<u64>) {
        let mut all = self.active();
        if number.is_some_and(|number| all.get(&kind).is_none_or(|active| active.number != number)) {
            return;
        }
        if all.remove(&kind).is_some() {
            if kind == FaultKind::Crash {
                self.memory.forget();
            }
            tracing::warn!(fault = kind.name(), "a fault is undone");
        }
        self.show(&all);
        if kind == FaultKind::MalformedEvents {
            self.well_formed.notify_one();
        }
    }

    fn show(&self, all: &BTreeMap<FaultKind, Active>) {
        self.mask.store(all.keys().map(|kind| bit(*kind)).sum(), Ordering::Relaxed);
        for kind in FaultKind::ALL {
            let labels = FaultLabels { fault: kind.name() };
            self.gauge.get_or_create(&labels).set(i64::from(all.contains_key(&kind)));
        }
    }

    /// Whether the next request fails. Multiples of the golden ratio are spread evenly over the unit interval: of any stretch of
    /// requests the asked share fails, and never every second one only.
    fn fails(&self, ratio: f64) -> bool {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let place = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (place as f64) < ratio * 2_f64.powi(64)
    }
}

fn bit(kind: FaultKind) -> u16 {
    1 << kind as u16
}

fn on_demand() -> Problem {
    let detail = "this request fails on demand: the fault error-ratio is active";
    Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "fault-on-demand", "Fault on demand", detail)
}

fn crash() -> ! {
    tracing::error!(code = CRASH_CODE, "the process ends: it crashes on demand");
    std::process::exit(CRASH_CODE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn enabled(registry: &mut Registry) -> Faults {
        let settings =
            FaultSettings::from_environment(&Environment::of([("FAULTS_ENABLED", "true")])).unwrap();
        Faults::start(&settings, FaultSurface { consumes: Some("/events"), publishes: true }, registry)
    }

    fn fault(kind: FaultKind, parameters: &Value) -> Fault {
        Fault::of(kind, parameters).unwrap()
    }

    fn gauge(registry: &Registry, kind: FaultKind) -> i64 {
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, registry).unwrap();
        let series = format!("todo_fault_active{{fault=\"{}\"}} ", kind.name());
        page.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn nothing_can_be_caused_unless_enabled() {
        let settings = FaultSettings::from_environment(&Environment::of([])).unwrap();
        let mut registry = Registry::default();
        let faults = Faults::start(&settings, FaultSurface::default(), &mut registry);
        let refused = faults.cause(fault(FaultKind::ErrorRatio, &json!({"ratio": 1}))).unwrap_err();
        assert!(refused.status() == 403 && refused.detail().contains("FAULTS_ENABLED=true"), "{refused:?}");
        assert!(faults.undo(None).is_err() && faults.active().is_err());
        assert!(faults.meet("/").await.is_ok());
        let wrong =
            FaultSettings::from_environment(&Environment::of([("FAULTS_ENABLED", "yes")])).unwrap_err();
        assert!(wrong.to_string().contains("neither true nor false; hint:"), "{wrong}");
    }

    #[tokio::test]
    async fn the_asked_share_of_requests_fails() {
        let faults = enabled(&mut Registry::default());
        for ratio in [0.05, 0.2, 0.5, 1.0] {
            faults.cause(fault(FaultKind::ErrorRatio, &json!({ "ratio": ratio }))).unwrap();
            let mut failed = 0.0;
            for _ in 0..400 {
                failed += f64::from(u8::from(faults.meet("/").await.is_err()));
            }
            assert!((failed / 400.0 - ratio).abs() <= 0.01, "{failed} of 400 for {ratio}");
        }
        assert_eq!(faults.undo(None).unwrap(), ["error-ratio"]);
        assert!(faults.meet("/").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_undoes_itself_and_a_newer_one_stays() {
        let mut registry = Registry::default();
        let faults = enabled(&mut registry);
        let kind = FaultKind::BrokenMetrics;
        faults.cause(fault(kind, &json!({"for_seconds": 60}))).unwrap();
        assert!(faults.metrics_page().is_some() && gauge(&registry, kind) == 1);
        tokio::time::sleep(Duration::from_secs(30)).await;
        faults.cause(fault(kind, &json!({"for_seconds": 60}))).unwrap();
        assert_eq!(faults.active().unwrap().len(), 1);
        tokio::time::sleep(Duration::from_secs(45)).await;
        assert_eq!(gauge(&registry, kind), 1, "the first one's end undid the second");
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert!(faults.metrics_page().is_none() && gauge(&registry, kind) == 0);
        assert!(faults.active().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_and_are_let_go_when_the_fault_is_undone() {
        let faults = enabled(&mut Registry::default());
        faults.cause(fault(FaultKind::Latency, &json!({"latency_seconds": 2}))).unwrap();
        let started = Instant::now();
        faults.meet("/").await.unwrap();
        assert!(started.elapsed() >= Duration::from_secs(2));
        faults.cause(fault(FaultKind::StoppedConsumer, &json!({}))).unwrap();
        let (waiting, others) = (faults.clone(), faults.clone());
        let waiting = tokio::spawn(async move { waiting.meet("/events").await });
        others.meet("/api").await.unwrap();
        assert!(!waiting.is_finished());
        faults.undo(None).unwrap();
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_takes_no_events_cannot_stop_to() {
        let settings =
            FaultSettings::from_environment(&Environment::of([("FAULTS_ENABLED", "true")])).unwrap();
        let faults = Faults::start(&settings, FaultSurface::default(), &mut Registry::default());
        let refused = faults.cause(fault(FaultKind::StoppedConsumer, &json!({}))).unwrap_err();
        assert!(
            refused.status() == 422
                && refused.detail().contains("hint: stop the consumer of the event service")
        );
    }
}
