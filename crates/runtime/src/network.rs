//! Loopback addresses: a range of its own for every running instance, and single addresses out of it.
//!
//! Input: nothing but the machine. Output: addresses `127.x.y.z` for node, pods and Services. Linux delivers all of
//! 127.0.0.0/8 to this machine without any set-up. The range is held by a socket, so that it is free again however
//! the process ends.
//!
//! ```text
//! 127.x.0.1            the node
//! 127.x.1.1 … 239.254  pods, one after the other
//! 127.x.240.1 … 254    Services
//! 127.x.255.254:10900  the socket that holds the range
//! ```

use crate::RuntimeError;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

const LOCK_PORT: u16 = 10_900;
const PODS: u32 = 239 * 254;

/// A range that no other instance uses.
#[derive(Debug)]
pub(crate) struct Network {
    octet: u8,
    next_pod: AtomicU32,
    _lock: TcpListener,
}

impl Network {
    /// Takes the first free range.
    pub(crate) fn claim() -> Result<Self, RuntimeError> {
        let mut last = None;
        for octet in 64..=250 {
            match TcpListener::bind((Ipv4Addr::new(127, octet, 255, 254), LOCK_PORT)) {
                Ok(lock) => return Ok(Self { octet, next_pod: AtomicU32::new(0), _lock: lock }),
                Err(error) => last = Some(error),
            }
        }
        Err(RuntimeError::NoAddressRange(last.unwrap_or_else(|| std::io::Error::other("none tried"))))
    }

    /// The node's address.
    pub(crate) fn node(&self) -> IpAddr {
        Ipv4Addr::new(127, self.octet, 0, 1).into()
    }

    /// The address of the next pod; comes round after 60,706.
    pub(crate) fn pod(&self) -> IpAddr {
        let number = self.next_pod.fetch_add(1, Ordering::Relaxed) % PODS;
        let (third, fourth) = (number / 254 + 1, number % 254 + 1);
        Ipv4Addr::new(127, self.octet, octet(third), octet(fourth)).into()
    }

    /// The address of a Service by its number.
    pub(crate) fn service(&self, number: usize) -> IpAddr {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Ipv4Addr::new(127, self.octet, octet(240 + number / 254), octet(number % 254 + 1)).into()
    }
}

fn octet(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(254)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn instances_and_pods_do_not_share_addresses() {
        let (one, two) = (Network::claim().unwrap(), Network::claim().unwrap());
        assert_ne!(one.octet, two.octet);
        let pods: BTreeSet<_> = (0..1000).map(|_| one.pod()).collect();
        assert_eq!(pods.len(), 1000);
        assert!(!pods.contains(&one.service(0)) && !pods.contains(&one.node()));
        TcpListener::bind((one.pod(), 0)).expect("a pod's address can be listened on");
    }
}
