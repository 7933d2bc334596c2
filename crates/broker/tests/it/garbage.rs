//! What is no request closes its connection and nothing else.

use crate::clients::{broker, producer, send};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Sends bytes and gives what comes back until the broker closes.
fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(bytes).unwrap();
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_odd_requests_leave_the_broker_working() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), &[("events", 1)]).await;
    let address = broker.address();
    assert!(exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").is_empty());
    assert!(exchange(address, &[0xff; 64]).is_empty());
    assert!(exchange(address, &framed(&[0; 3])).is_empty());
    // Metadata that claims two thousand million topics.
    assert!(
        exchange(address, &framed(&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff])).is_empty()
    );
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for _ in 0..500 {
        let mut bytes = Vec::new();
        for _ in 0..20 {
            let mut body = vec![0, (next() % 72) as u8, 0, (next() % 14) as u8];
            body.extend((0..next() % 90).map(|_| if next() % 3 == 0 { 0 } else { next() as u8 }));
            bytes.extend(framed(&body));
        }
        exchange(address, &bytes);
    }
    let answer = exchange(address, &framed(&[0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff]));
    assert_eq!(
        answer[4..10],
        [0, 0, 0, 7, 0, 35],
        "an unknown version of ApiVersions is answered in version 0"
    );
    send(&producer(address, &[]), "events", 0, ["still here".to_owned()]).await;
    broker.shutdown().await;
}
