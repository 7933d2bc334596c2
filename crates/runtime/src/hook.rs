//! Lifecycle hooks: what is done before a container is asked to end.
//!
//! Input: a handler of the manifest. Output: whether it succeeded, or why not. The caller limits the time.

use crate::check::{HttpRequest, address_of, connect};
use crate::cluster::Cluster;
use crate::launch;
use crate::pod::Pod;
use std::sync::Arc;
use tidewatch_manifest::{Container, Handler};

/// Runs a handler once.
///
/// # Errors
/// Why it failed, or that it cannot be run locally.
pub(crate) async fn run(
    cluster: &Arc<Cluster>,
    pod: &Arc<Pod>,
    container: &Container,
    handler: &Handler,
    id: &str,
) -> Result<(), String> {
    let port = |port: &tidewatch_manifest::PortRef| {
        port.resolve(&container.ports)
            .ok_or_else(|| format!("couldn't find port \"{port}\" of container {}", container.name))
    };
    match handler {
        Handler::HttpGet { tls: true, .. } => Err(unsupported("httpGet with scheme HTTPS")),
        Handler::HttpGet { host, port: reference, path, headers, .. } => {
            let address = address_of(host.as_deref(), pod.ip, port(reference)?);
            HttpRequest { address, host: host.as_deref(), path, headers }.check().await
        }
        Handler::TcpSocket { host, port: reference } => {
            connect(address_of(host.as_deref(), pod.ip, port(reference)?)).await
        }
        Handler::Exec { command } => exec(cluster, pod, container, command, id).await,
        Handler::Sleep { duration } => {
            tokio::time::sleep(*duration).await;
            Ok(())
        }
        Handler::Grpc { .. } => Err(unsupported("grpc")),
    }
}

/// Why a handler cannot be run locally, if it cannot.
pub(crate) fn why_not(cluster: &Cluster, container: &Container, handler: &Handler) -> Option<String> {
    match handler {
        Handler::HttpGet { tls: true, .. } => Some(unsupported("httpGet with scheme HTTPS")),
        Handler::Grpc { .. } => Some(unsupported("grpc")),
        Handler::Sleep { .. } => Some(unsupported("sleep")),
        Handler::Exec { command } => {
            let known = cluster.settings.image(&container.image)?.exec.contains_key(&command.join(" "));
            (!known).then(|| no_command(container, command))
        }
        _ => None,
    }
}

fn unsupported(what: &str) -> String {
    format!("{what} is not run locally; it counts as passed here")
}

fn no_command(container: &Container, command: &[String]) -> String {
    let command = command.join(" ");
    let image = tidewatch_manifest::short_image_name(&container.image);
    format!(
        "the command {command:?} exists in the image only; it counts as passed here; hint: name one in tidewatch.yaml: \
         images: {image}: exec: {{ {command:?}: [\"{{bin}}/…\"] }}"
    )
}

async fn exec(
    cluster: &Arc<Cluster>,
    pod: &Arc<Pod>,
    container: &Container,
    command: &[String],
    id: &str,
) -> Result<(), String> {
    let Some(launch) = launch::prepare_exec(cluster, pod, container, command, id) else {
        return Err(no_command(container, command));
    };
    let program = launch.program.clone();
    let process = cluster
        .spawner
        .spawn(launch)
        .await
        .map_err(|error| launch::start_error(&program, &container.image, &error))?;
    let said = process.take_pipes().map(|(out, err)| tokio::spawn(first_bytes(out, err)));
    let ended = process.wait().await.map_err(|error| error.to_string())?;
    let said = match said {
        Some(said) => said.await.unwrap_or_default(),
        None => String::new(),
    };
    if ended.exit_code() == 0 {
        Ok(())
    } else {
        Err(format!("exit code {}: {}", ended.exit_code(), said.trim()))
    }
}

/// What a command printed, for the message; the rest is thrown away.
async fn first_bytes(out: tokio::net::unix::pipe::Receiver, err: tokio::net::unix::pipe::Receiver) -> String {
    use tokio::io::{AsyncReadExt, copy, sink};
    let read = async |mut pipe: tokio::net::unix::pipe::Receiver| {
        let mut first = Vec::new();
        let _ = (&mut pipe).take(1024).read_to_end(&mut first).await;
        let _ = copy(&mut pipe, &mut sink()).await;
        first
    };
    let (mut out, err) = tokio::join!(read(out), read(err));
    out.extend_from_slice(&err);
    String::from_utf8_lossy(&out).into_owned()
}
