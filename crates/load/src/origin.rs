//! Where requests go: the addresses of a host.
//!
//! Input: scheme, host and port of a URL. Output: socket addresses. Hosts that are not this machine are refused unless
//! that is allowed: a load is an attack where it is not expected.

use crate::Error;
use hyper::Uri;
use std::net::SocketAddr;

/// The addresses of a URL's host.
pub(crate) async fn resolve(origin: &Uri, allow_remote: bool) -> Result<Vec<SocketAddr>, Error> {
    let named = origin.host().unwrap_or_default();
    let host = named.trim_start_matches('[').trim_end_matches(']');
    let failed = |source| Error::Resolve { host: host.to_owned(), source };
    let port = origin.port_u16().unwrap_or(80);
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.map_err(failed)?.collect();
    if addresses.is_empty() {
        return Err(failed(std::io::Error::from(std::io::ErrorKind::NotFound)));
    }
    let remote = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback());
    match remote {
        Some(address) if !allow_remote => Err(Error::Remote { host: host.to_owned(), address: address.ip() }),
        _ => Ok(addresses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn other_machines_need_permission() {
        let check = async |url: &str, allow: bool, expected: &str| {
            let told = match resolve(&url.parse().unwrap(), allow).await {
                Ok(addresses) => addresses[0].to_string(),
                Err(error) => error.to_string(),
            };
            assert!(told.contains(expected), "{told}");
        };
        check("http://127.3.2.1:80/", false, "127.3.2.1:80").await;
        check("http://127.0.0.1/", false, "127.0.0.1:80").await;
        check("http://[::1]:81/", false, "[::1]:81").await;
        check("http://192.0.2.1:80/", false, "add --allow-remote").await;
        check("http://[::ffff:192.0.2.1]:80/", false, "add --allow-remote").await;
        check("http://192.0.2.1:80/", true, "192.0.2.1:80").await;
    }
}
