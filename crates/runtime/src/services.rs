//! Services get their addresses and listeners: inside on their own address, outside on 127.0.0.1 where asked for.
//!
//! Input: the Services of the manifests and `expose`. Output: names for environment values, running proxies, and what
//! could not be done, each with its remedy; the others run all the same.

use crate::cluster::Cluster;
use crate::network::Network;
use crate::procfs::holder_of;
use crate::proxy::{self, Backends};
use crate::resolve::{ServiceAddress, ServiceNames};
use crate::{RuntimeError, dapr};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tidewatch_manifest::{Service, ServicePort};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A Service that is reachable at a fixed address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// The Service as the user wrote it: `[namespace/]service[:port]`. Unlike `service` it is there only once.
    pub name: String,
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub service: String,
    /// The Service's port by name; empty when it has none.
    pub port_name: String,
    /// The Service's port by number.
    pub port: u16,
    /// Where it is reached.
    pub address: SocketAddr,
}

/// A listener that waits for the cluster to exist.
pub(crate) struct Waiting {
    listener: TcpListener,
    namespace: String,
    service: String,
    port: String,
    number: u16,
}

/// What becomes of the Services.
#[derive(Default)]
pub(crate) struct Opened {
    pub(crate) names: ServiceNames,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) exposed: Vec<Exposed>,
    pub(crate) problems: Vec<RuntimeError>,
}

impl Opened {
    /// Opens all listeners; nothing is carried before [`Opened::serve`], so that no pod can come too early.
    pub(crate) fn open(services: &[Service], network: &Network, expose: &BTreeMap<String, u16>) -> Self {
        let mut opened = Self::default();
        let selecting =
            services.iter().filter(|service| !service.selector.is_empty() && !dapr::is_sidecars(service));
        for (number, service) in selecting.enumerate() {
            opened.open_service(service, network.service(number));
        }
        for (name, port) in expose {
            opened.expose(services, name, *port);
        }
        opened
    }

    fn open_service(&mut self, service: &Service, ip: IpAddr) {
        let mut moved = Vec::new();
        for port in service.ports.iter().filter(|port| port.protocol == "TCP") {
            let address = SocketAddr::new(ip, port.port);
            let listener = match proxy::listen(address) {
                // Ports below 1024 may not be listened on: names lead to another port instead.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    proxy::listen(SocketAddr::new(ip, 0))
                }
                other => other,
            };
            match listener {
                Ok(listener) => {
                    let actual = listener.local_addr().map_or(port.port, |address| address.port());
                    if actual != port.port {
                        moved.push((port.port, actual));
                    }
                    self.wait(service, port, listener);
                }
                Err(error) => self.problems.push(RuntimeError::ServiceAddress {
                    service: full_name(service),
                    address,
                    source_text: error.to_string(),
                }),
            }
        }
        let key = (service.meta.namespace.clone(), service.meta.name.clone());
        self.names.addresses.insert(key, ServiceAddress { ip, moved });
    }

    fn wait(&mut self, service: &Service, port: &ServicePort, listener: TcpListener) {
        self.waiting.push(Waiting {
            listener,
            namespace: service.meta.namespace.clone(),
            service: service.meta.name.clone(),
            port: port.name.clone(),
            number: port.port,
        });
    }

    fn expose(&mut self, services: &[Service], name: &str, local_port: u16) {
        let (service, port) = match find(services, name) {
            Ok(found) => found,
            Err(error) => return self.problems.push(error),
        };
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), local_port);
        match proxy::listen(address).and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((address, listener)) => {
                self.exposed.push(Exposed {
                    name: name.to_owned(),
                    namespace: service.meta.namespace.clone(),
                    service: service.meta.name.clone(),
                    port_name: port.name.clone(),
                    port: port.port,
                    address,
                });
                self.wait(service, port, listener);
            }
            Err(error) => {
                let hint = match error.kind() {
                    io::ErrorKind::PermissionDenied => format!(
                        "ports below 1024 need rights; choose another: --expose {name}=0 takes any free one"
                    ),
                    _ => {
                        let holder = holder_of(address).map_or_else(
                            || format!("what uses port {local_port} (ss -ltnp shows it)"),
                            |holder| format!("{holder}, which listens there"),
                        );
                        format!("stop {holder}, or choose another: --expose {name}=0 takes any free one")
                    }
                };
                self.problems.push(RuntimeError::Expose {
                    address,
                    service: full_name(service),
                    source_text: error.to_string(),
                    hint,
                });
            }
        }
    }

    /// Starts carrying connections.
    pub(crate) fn serve(waiting: Vec<Waiting>, cluster: &Arc<Cluster>, tasks: &mut JoinSet<()>) {
        for Waiting { listener, namespace, service, port, number } in waiting {
            let backends = Arc::new(Backends::new(cluster, &namespace, &service, &port, number));
            tasks.spawn(proxy::serve(listener, backends, Arc::clone(cluster)));
        }
    }
}

fn full_name(service: &Service) -> String {
    format!("{}/{}", service.meta.namespace, service.meta.name)
}

/// The Service and port that `[namespace/]service[:port]` names: without a port the one named `http`, or the first.
fn find<'a>(services: &'a [Service], name: &str) -> Result<(&'a Service, &'a ServicePort), RuntimeError> {
    let unknown =
        |problem: String, hint: String| RuntimeError::ExposeUnknown { name: name.to_owned(), problem, hint };
    let (service_name, port_name) = name.split_once(':').unwrap_or((name, ""));
    let named: Vec<&Service> = services
        .iter()
        .filter(|service| service.meta.name == service_name || full_name(service) == service_name)
        .collect();
    let service = match named[..] {
        [service] => service,
        [] => {
            let known: Vec<&str> = services.iter().map(|service| service.meta.name.as_str()).collect();
            return Err(unknown(
                "there is no such Service".to_owned(),
                format!("there are: {}", known.join(", ")),
            ));
        }
        _ => {
            let known: Vec<String> = named.iter().map(|service| full_name(service)).collect();
            return Err(unknown(
                "several namespaces have it".to_owned(),
                format!("write one of: {}", known.join(", ")),
            ));
        }
    };
    if service.selector.is_empty() {
        return Err(unknown(
            "the Service selects no pods".to_owned(),
            "expose one with spec.selector".to_owned(),
        ));
    }
    let mut tcp = service.ports.iter().filter(|port| port.protocol == "TCP");
    let port = if port_name.is_empty() {
        tcp.clone().find(|port| port.name == "http").or_else(|| tcp.next())
    } else {
        tcp.find(|port| port.name == port_name || port.port.to_string() == port_name)
    };
    port.map(|port| (service, port)).ok_or_else(|| {
        let known: Vec<String> =
            service.ports.iter().map(|port| format!("{} ({})", port.port, port.name)).collect();
        unknown("the Service has no such TCP port".to_owned(), format!("it has: {}", known.join(", ")))
    })
}
