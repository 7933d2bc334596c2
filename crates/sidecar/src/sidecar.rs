//! A sidecar from its start to its end: the one place where the parts are put together.
//!
//! Input: options. Output: a running sidecar, and its orderly end. In order: files, components, the API, the wait for the application, its
//! subscriptions, deliveries. It takes no decision about events.

use crate::api::{Api, AppFacts, PubSub, answer};
use crate::app_channel::{AppChannel, AppRequest};
use crate::app_health;
use crate::bus::{Bus, Deliver, Reading, stopped};
use crate::delivery::{Delivery, Subscriber};
use crate::kafka::KafkaBus;
use crate::measures::Measures;
use crate::resiliency::{Direction, Resiliency};
use crate::resources::Resources;
use crate::serve::{self, Answers};
use crate::spans::{Resource, Spans};
use crate::subscription::{self, Subscription};
use crate::trace_context::Tracing;
use crate::{SidecarError, SidecarOptions};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running sidecar.
#[derive(Debug)]
pub struct Sidecar {
    api_addresses: Vec<SocketAddr>,
    metrics_address: Option<SocketAddr>,
    asked_to_end: watch::Receiver<bool>,
    /// Ends deliveries first, listeners second.
    stop_delivering: watch::Sender<bool>,
    stop_serving: watch::Sender<bool>,
    delivering: JoinHandle<()>,
    servers: Vec<JoinHandle<()>>,
    exporting: Option<JoinHandle<()>>,
    graceful: Duration,
}

impl Sidecar {
    /// Starts a sidecar: it answers when this returns; it is ready once the application listens. Must be called within a tokio runtime of
    /// several threads.
    ///
    /// # Errors
    /// When options or files cannot be used, a component cannot be initialised, or an address cannot be listened on.
    pub async fn start(options: SidecarOptions) -> Result<Self, SidecarError> {
        options.check()?;
        let app_address = options.app_address()?;
        let resources = Resources::load(&options)?;
        let configuration = &resources.configuration;
        let namespace = options.namespace.as_deref().unwrap_or_default();
        let measures = Arc::new(Measures::new(&options.app_id, namespace, configuration.metrics.clone()));
        check_loopback(&options)?;
        let metrics_address = SocketAddr::new(options.metrics_listen_address, options.metrics_port);
        let metrics = match options.enable_metrics && configuration.metrics.enabled {
            true => Some(serve::bind(metrics_address, "metrics").await?),
            false => None,
        };
        let buses = connect(&resources, &measures, options.graceful_shutdown).await?;
        let (spans, exporting) = match &configuration.otel_endpoint {
            Some(endpoint) => {
                let (spans, task) = Spans::to(endpoint, trace_resource(&options), Arc::clone(&measures));
                (spans, Some(task))
            }
            None => (Spans::nowhere(Arc::clone(&measures)), None),
        };
        let tracing = Tracing::of(&configuration.sampling_rate, exporting.is_some());
        let (shutdown, asked_to_end) = watch::channel(false);
        let api = Arc::new(api_of(&options, &resources, &buses, tracing, &spans, &measures, shutdown));
        api.outbound_ready.store(true, Ordering::Release);

        let (stop_serving, serving) = watch::channel(false);
        let (mut servers, mut api_addresses) = (Vec::new(), Vec::new());
        for address in &options.listen_addresses {
            let listener = serve::bind(SocketAddr::new(*address, options.http_port), "API").await?;
            api_addresses.extend(listener.local_addr());
            servers.push(serve::serve(listener, Arc::clone(&api), serving.clone()));
        }
        let metrics_address = metrics.as_ref().and_then(|listener| listener.local_addr().ok());
        if let Some(listener) = metrics {
            servers.push(serve::serve(listener, Arc::new(Page(Arc::clone(&measures))), serving));
        }
        tracing::info!(app_id = options.app_id, api = ?api_addresses, metrics = ?metrics_address, "sidecar is listening");

        let (stop_delivering, stopping) = watch::channel(false);
        let graceful = options.graceful_shutdown;
        let work = Work { options, resources, buses, tracing, spans, measures, api, app_address };
        let delivering = tokio::spawn(work.run(stopping));
        Ok(Self {
            api_addresses,
            metrics_address,
            asked_to_end,
            stop_delivering,
            stop_serving,
            delivering,
            servers,
            exporting,
            graceful,
        })
    }

    /// Where the API listens, with the real ports.
    pub fn api_addresses(&self) -> &[SocketAddr] {
        &self.api_addresses
    }

    /// Where the metrics page is, with the real port; `None` when metrics are off.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Waits until the application asks it to end by `POST /v1.0/shutdown`.
    pub async fn asked_to_end(&mut self) {
        if self.asked_to_end.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends it: no further event is taken, those under way are finished and their offsets committed, answers under way are sent, spans
    /// are exported. What takes longer than `graceful_shutdown` is cut off; events cut off are delivered again after the next start.
    pub async fn shutdown(self) {
        self.stop_delivering.send_replace(true);
        let abort = self.delivering.abort_handle();
        if tokio::time::timeout(self.graceful, self.delivering).await.is_err() {
            tracing::warn!("deliveries did not end in {}s and are cut off", self.graceful.as_secs_f32());
            abort.abort();
        }
        self.stop_serving.send_replace(true);
        for mut server in self.servers {
            if tokio::time::timeout(Duration::from_secs(1), &mut server).await.is_err() {
                server.abort();
            }
        }
        if let Some(mut exporting) = self.exporting
            && tokio::time::timeout(Duration::from_secs(2), &mut exporting).await.is_err()
        {
            exporting.abort();
        }
    }
}

/// The metrics page, on every path.
struct Page(Arc<Measures>);

impl Answers for Page {
    async fn answer(&self, _request: Request<Incoming>, _peer: SocketAddr) -> Response<Full<Bytes>> {
        answer(200, Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"), self.0.encode())
    }
}

impl Answers for Api {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        self.handle(request, peer).await
    }
}

fn trace_resource(options: &SidecarOptions) -> Resource {
    let name = options.service_name.clone().unwrap_or_else(|| options.app_id.clone());
    let pairs = options.resource_attributes.split(',').filter_map(|pair| pair.split_once('='));
    let others = pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    let others = others.filter(|(key, _)| key != "service.name");
    Resource { attributes: std::iter::once(("service.name".to_owned(), name)).chain(others).collect() }
}

/// A topic on the bus, and what takes its messages.
type Topic = (String, Arc<dyn Deliver>);
type Buses = BTreeMap<String, Arc<dyn Bus>>;

/// Connects every component; one that cannot be is an error, unless it says `ignoreErrors`.
async fn connect(
    resources: &Resources,
    measures: &Measures,
    graceful: Duration,
) -> Result<Buses, SidecarError> {
    let mut buses = Buses::new();
    for component in &resources.components {
        measures.component_loaded();
        let (settings, timeout) = (component.kafka.clone(), component.init_timeout);
        let connected =
            tokio::task::spawn_blocking(move || KafkaBus::connect(settings, timeout, graceful)).await;
        match connected.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(bus) => {
                measures.component_initialised(&component.name, true);
                tracing::info!(
                    component = component.name,
                    brokers = component.kafka.brokers,
                    "component is initialised"
                );
                buses.insert(component.name.clone(), Arc::new(bus));
            }
            Err(reason) => {
                measures.component_initialised(&component.name, false);
                if !component.ignore_errors {
                    let hint = "check the brokers of its metadata, raise spec.initTimeout, or write spec.ignoreErrors: true";
                    return Err(SidecarError::Component { name: component.name.clone(), reason, hint });
                }
                tracing::error!(
                    component = component.name,
                    reason,
                    "component is not initialised and ignored"
                );
            }
        }
    }
    Ok(buses)
}

fn topic_prefix(resources: &Resources, options: &SidecarOptions, component: &str) -> String {
    let scoped = resources.components.iter().any(|one| one.name == component && one.namespace_scoped);
    if scoped { options.namespace.clone().unwrap_or_else(|| "default".to_owned()) } else { String::new() }
}

fn api_of(
    options: &SidecarOptions,
    resources: &Resources,
    buses: &Buses,
    tracing: Tracing,
    spans: &Spans,
    measures: &Arc<Measures>,
    shutdown: watch::Sender<bool>,
) -> Api {
    let pubsub = |name: &String, bus: &Arc<dyn Bus>| PubSub {
        bus: Arc::clone(bus),
        scopes: resources
            .components
            .iter()
            .find(|one| one.name == *name)
            .map(|one| one.scopes.clone())
            .unwrap_or_default(),
        policy: resources.resiliency.policy(name, Direction::Outbound),
        topic_prefix: topic_prefix(resources, options, name),
    };
    Api {
        app_id: options.app_id.clone(),
        api_token: options.api_token.clone(),
        max_body_bytes: options.max_body_bytes,
        pubsubs: buses.iter().map(|(name, bus)| (name.clone(), pubsub(name, bus))).collect(),
        tracing,
        spans: spans.clone(),
        measures: Arc::clone(measures),
        outbound_ready: AtomicBool::new(false),
        ready: AtomicBool::new(false),
        attributes: Mutex::default(),
        subscriptions: Mutex::new(resources.subscriptions.clone()),
        app: AppFacts {
            port: options.app_port,
            address: options.app_channel_address.clone(),
            max_concurrency: options.app_max_concurrency,
            health: options.app_health.clone(),
        },
        shutdown,
    }
}

/// What happens beside the API: from the wait for the application to its deliveries.
struct Work {
    options: SidecarOptions,
    resources: Resources,
    buses: Buses,
    tracing: Tracing,
    spans: Spans,
    measures: Arc<Measures>,
    api: Arc<Api>,
    app_address: Option<SocketAddr>,
}

impl Work {
    async fn run(self, mut stopping: watch::Receiver<bool>) {
        let Some(address) = self.app_address else {
            self.api.ready.store(true, Ordering::Release);
            if !self.resources.subscriptions.is_empty() {
                tracing::warn!("there are subscriptions and no --app-port: no event is delivered");
            }
            return;
        };
        let (health, healthy) = watch::channel(self.options.app_health.is_none());
        let app =
            Arc::new(AppChannel::new(address, &self.options, healthy.clone(), Arc::clone(&self.measures)));
        tracing::info!(%address, "waiting until the application listens");
        tokio::select! {
            () = app.wait_until_listening() => {}
            () = stopped(&mut stopping) => return,
        }
        let probing = self
            .options
            .app_health
            .clone()
            .map(|options| tokio::spawn(app_health::probe(Arc::clone(&app), options, health)));
        self.api.ready.store(true, Ordering::Release);
        self.deliver(&app, healthy, stopping).await;
        if let Some(probing) = probing {
            probing.abort();
        }
    }

    /// Delivers while the application is healthy, until told to stop.
    async fn deliver(
        &self,
        app: &Arc<AppChannel>,
        mut healthy: watch::Receiver<bool>,
        mut stopping: watch::Receiver<bool>,
    ) {
        let mut asked: Option<Vec<Subscription>> = None;
        loop {
            tokio::select! {
                _ = healthy.wait_for(|healthy| *healthy) => {}
                () = stopped(&mut stopping) => return,
            }
            if asked.is_none() {
                asked = tokio::select! {
                    subscriptions = discover(app) => subscriptions,
                    () = stopped(&mut stopping) => return,
                };
            }
            let merged =
                subscription::merged(&self.resources.subscriptions, asked.clone().unwrap_or_default());
            *self.api.subscriptions.lock().unwrap_or_else(PoisonError::into_inner) = merged.clone();
            let readings = self.read(app, merged);
            let ended = tokio::select! {
                gone = healthy.wait_for(|healthy| !*healthy) => gone.is_err(),
                () = stopped(&mut stopping) => true,
            };
            if ended {
                // The health of an application that is not probed never changes, and its sender is gone.
                stopped(&mut stopping).await;
            }
            for reading in readings {
                reading.stop().await;
            }
            if *stopping.borrow() {
                return;
            }
        }
    }

    fn read(&self, app: &Arc<AppChannel>, subscriptions: Vec<Subscription>) -> Vec<Box<dyn Reading>> {
        let shared = Arc::new(Delivery {
            app: Arc::clone(app),
            tracing: self.tracing,
            spans: self.spans.clone(),
            measures: Arc::clone(&self.measures),
        });
        let mut topics: BTreeMap<String, Vec<Topic>> = BTreeMap::new();
        for subscription in subscriptions {
            let (pubsub, topic) = (subscription.pubsub.clone(), subscription.topic.clone());
            let Some(subscriber) = self.subscriber(&shared, subscription) else { continue };
            let on_bus = format!("{}{topic}", subscriber.topic_prefix);
            topics.entry(pubsub).or_default().push((on_bus, Arc::new(subscriber)));
        }
        let mut readings = Vec::new();
        for (pubsub, topics) in topics {
            let names: Vec<&str> = topics.iter().map(|(topic, _)| topic.as_str()).collect();
            tracing::info!(pubsub, topics = ?names, "the application is subscribed");
            match self.buses[&pubsub].read(topics) {
                Ok(reading) => readings.push(reading),
                Err(error) => {
                    tracing::error!(pubsub, error, "topics cannot be read; no event of them is delivered");
                }
            }
        }
        readings
    }

    fn subscriber(&self, shared: &Arc<Delivery>, subscription: Subscription) -> Option<Subscriber> {
        let (pubsub, topic) = (&subscription.pubsub, &subscription.topic);
        let Some(bus) = self.buses.get(pubsub) else {
            tracing::warn!(pubsub, topic, "there is no such pub/sub component; the subscription is left out");
            return None;
        };
        let component = self.resources.components.iter().find(|one| one.name == *pubsub)?;
        if !component.scopes.may_subscribe(topic) {
            tracing::warn!(
                pubsub,
                topic,
                "the application may not subscribe to this topic; the subscription is left out"
            );
            return None;
        }
        Some(Subscriber {
            shared: Arc::clone(shared),
            bus: Arc::clone(bus),
            policy: inbound(&self.resources.resiliency, pubsub),
            topic_prefix: topic_prefix(&self.resources, &self.options, pubsub),
            subscription,
        })
    }
}

fn inbound(resiliency: &Resiliency, pubsub: &str) -> crate::resiliency::Policy {
    resiliency.policy(pubsub, Direction::Inbound)
}

/// Asks the application what it subscribes to; `None` when it cannot be asked now.
async fn discover(app: &AppChannel) -> Option<Vec<Subscription>> {
    const WAITS: [Duration; 4] =
        [Duration::from_millis(500), Duration::from_millis(750), Duration::from_secs(1), Duration::ZERO];
    for wait in WAITS {
        let request = AppRequest {
            method: hyper::Method::GET,
            path: "dapr/subscribe",
            content_type: "application/json",
            headers: &[],
            body: Bytes::new(),
            span: None,
        };
        match app.invoke(request).await {
            Ok(answer) if answer.status == 200 => match subscription::answered(&answer.body) {
                Ok(subscriptions) => return Some(subscriptions),
                Err(error) => {
                    tracing::error!(
                        error,
                        "GET /dapr/subscribe: the answer cannot be used; only subscriptions of files hold"
                    );
                    return Some(Vec::new());
                }
            },
            Ok(answer) => {
                if answer.status != 404 {
                    tracing::error!(
                        status = answer.status,
                        "GET /dapr/subscribe failed; only subscriptions of files hold"
                    );
                }
                return Some(Vec::new());
            }
            Err(error) => {
                tracing::debug!(error, "GET /dapr/subscribe is not answered");
                tokio::time::sleep(wait).await;
            }
        }
    }
    None
}

/// Other machines are let in only with a token, and not at all to the page of metrics, which asks for none.
fn check_loopback(options: &SidecarOptions) -> Result<(), SidecarError> {
    let refused = |flag, address: &IpAddr, hint| {
        let reason = "it is not a loopback address".to_owned();
        Err(SidecarError::Option { flag, value: address.to_string(), reason, hint })
    };
    let foreign = options.listen_addresses.iter().find(|address| !address.is_loopback());
    match foreign {
        Some(address) if options.api_token.is_none() => {
            return refused("dapr-listen-addresses", address, "set DAPR_API_TOKEN, or listen on 127.0.0.1");
        }
        _ => {}
    }
    let metrics = &options.metrics_listen_address;
    if options.enable_metrics && !metrics.is_loopback() {
        return refused(
            "metrics-listen-address",
            metrics,
            "listen on 127.0.0.1, or say --enable-metrics=false",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_need_a_token() {
        let check = |api: &str, token: Option<&str>, metrics: &str, expected: bool| {
            let options = SidecarOptions {
                listen_addresses: vec![api.parse().expect("an address")],
                api_token: token.map(str::to_owned),
                metrics_listen_address: metrics.parse().expect("an address"),
                ..SidecarOptions::new("app")
            };
            assert_eq!(check_loopback(&options).is_ok(), expected, "{api} {token:?} {metrics}");
        };
        check("127.9.0.1", None, "::1", true);
        check("0.0.0.0", None, "127.0.0.1", false);
        check("0.0.0.0", Some("t"), "127.0.0.1", true);
        check("127.0.0.1", Some("t"), "0.0.0.0", false);
    }
}
