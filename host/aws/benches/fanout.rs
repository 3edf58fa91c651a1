//! The time of one message to a thousand connections, compared with the lower bound that the pace allows.
//!
//! The endpoint takes 10 ms for each post. It has a thread for each connection and sends minimal responses, so that its
//! own work is small compared with the wait.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark prints its result")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tidegate_aws::apigateway::{MAX_IN_FLIGHT, START_IN_FLIGHT};
use tidegate_aws::{Account, Transport};
use tidegate_event::{ConnectionId, Payload};
use tidegate_ports::{Deadline, Messaging as _};

const CONNECTIONS: usize = 1_000;
const POST: Duration = Duration::from_millis(10);
const RUNS: usize = 20;

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/dev", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || answer(stream));
        }
    });
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    executor.block_on(measure(&url));
}

/// Answers each request 10 ms after its last byte. The sleep of a thread is exact to 0.1 ms, and the timer of an
/// executor to about a millisecond.
fn answer(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 8 << 10];
    let mut length = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[length..]) {
        length += read;
        let Some(head) = buffer[..length].windows(4).position(|part| part == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let body: usize = text.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        if length < head + 4 + body {
            continue;
        }
        length = 0;
        std::thread::sleep(POST);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    }
}

async fn measure(url: &str) {
    let account = Account::new(Transport::new().unwrap(), "eu-west-1", "AKIDEXAMPLE", "secret", None);
    let messaging = account.messaging(url);
    let ids: Vec<_> =
        (0..CONNECTIONS).map(|number| ConnectionId::new(format!("L0SM9cOFvHc{number:04}=")).unwrap()).collect();
    let message = Payload::Text("x".repeat(200));
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let results = messaging.send_many(&ids, &message, Deadline::after(Duration::from_secs(29))).await;
        times.push(start.elapsed());
        assert!(results.iter().all(Result::is_ok));
    }
    times.sort();
    let median = times[RUNS / 2];
    let bound = bound();
    let ratio = median.as_secs_f64() / bound.as_secs_f64();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "fan-out to {CONNECTIONS}, from {START_IN_FLIGHT} in flight: median {median:.1?}, bound {bound:.1?}, {ratio:.2}"
    )
    .unwrap();
}

/// Returns the time of the posts if only the endpoint takes time. The window grows by one with each window of answers.
fn bound() -> Duration {
    let mut window = START_IN_FLIGHT as f64;
    let mut left = CONNECTIONS as f64;
    let mut waits = 0.0;
    while left > 0.0 {
        waits += (left / window).min(1.0);
        left -= window;
        window = (window + 1.0).min(MAX_IN_FLIGHT as f64);
    }
    POST.mul_f64(waits)
}
