//! The cost of the gateway compared with a bare WebSocket server: echo, fan-out, and memory of idle connections.
//!
//! `cargo bench -p tidegate-gateway` prints rates and ratios. Both ends run in one process, with 4 KiB buffers. The
//! function behind the gateway is native: it decodes each event and encodes a reply, as a host does. A separate process
//! holds the connections for the memory figure.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run stops"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use tidegate_event::{Event, Payload, Reply, RouteKey, SelectionExpression, decode_request, encode_reply};
use tidegate_gateway::{
    Access, ApiConfig, Caller, Clock, Function, Gateway, Invoke, InvokeError, Limits, RouteConfig, SocketTable,
};
use tidegate_ports::{Deadline, Messaging};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

const RUN: Duration = Duration::from_secs(3);
const ECHO: &str = r#"{"action":"echo","text":"hello, hello, is there anybody in there?"}"#;

struct Echo;

#[async_trait]
impl Invoke for Echo {
    async fn invoke(&self, _: Function, event: Vec<u8>, _: Caller<'_>) -> Result<Vec<u8>, InvokeError> {
        let request = decode_request(&event).map_err(|error| InvokeError::Unavailable(error.to_string()))?;
        let body = match request.event {
            Event::Message(message) => Some(message.data),
            _ => None,
        };
        Ok(encode_reply(&Reply { status: 200, headers: Vec::new(), body }))
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(4 << 10)
}

async fn connect(port: u16) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket option");
    let url = format!("ws://127.0.0.1:{port}/dev");
    let opened = tokio_tungstenite::client_async_with_config(url, stream, Some(config())).await;
    opened.expect("the server lets the client in").0
}

/// Starts a bare server, the baseline, and returns its port.
async fn bare() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let Ok(mut socket) = tokio_tungstenite::accept_async_with_config(stream, Some(config())).await else {
                    return;
                };
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

async fn gateway() -> (u16, Arc<SocketTable>) {
    let routes = [("$connect", false), ("$disconnect", false), ("$default", true), ("echo", true), ("chat", false)];
    let routes: BTreeMap<_, _> =
        routes.map(|(key, response)| (RouteKey::new(key).expect("a key"), RouteConfig { response })).into();
    let api = ApiConfig {
        api_id: "local".to_owned(),
        stage: "dev".to_owned(),
        region: "local".to_owned(),
        account: "000000000000".to_owned(),
        domain_name: None,
        selection: SelectionExpression::parse("$request.body.action").expect("an expression"),
        routes,
        authorizer: None,
        stage_variables: Vec::new(),
    };
    let connections = SocketTable::new(Limits::default(), Clock::system());
    let gateway = Gateway::new(api, Access::default(), Arc::clone(&connections), Arc::new(Echo));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(tidegate_gateway::run(listener, gateway, std::future::pending()));
    (port, connections)
}

/// The result of an echo benchmark.
struct EchoResult {
    /// Messages per second.
    rate: f64,
    /// The median latency of an echo.
    median: Duration,
    /// Processor time per message at both ends, in microseconds.
    cost: f64,
}

/// Measures echoes on `count` connections, each of which waits for its echo.
async fn echo(port: u16, count: usize) -> EchoResult {
    let before = processor();
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut socket = connect(port).await;
        clients.push(async move {
            let mut waits = Vec::new();
            let end = Instant::now() + RUN;
            while Instant::now() < end {
                let begun = Instant::now();
                socket.send(Message::text(ECHO)).await.expect("the socket is open");
                socket.next().await.expect("the socket is open").expect("an echo");
                waits.push(begun.elapsed());
            }
            waits
        });
    }
    let tasks: Vec<_> = clients.into_iter().map(tokio::spawn).collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.expect("no panic"));
    }
    waits.sort_unstable();
    let messages = waits.len() as f64;
    let cost = (processor() - before) / messages;
    EchoResult { rate: messages / RUN.as_secs_f64(), median: waits[waits.len() / 2], cost }
}

/// Measures the delivery of messages to `count` connections. Returns the deliveries per second, and the processor time
/// of each in microseconds.
async fn fan_out(count: usize) -> (f64, f64) {
    let (port, connections) = gateway().await;
    let mut tasks = Vec::new();
    let rounds = 200_000 / count;
    for _ in 0..count {
        let mut socket = connect(port).await;
        tasks.push(tokio::spawn(async move {
            for _ in 0..rounds {
                socket.next().await.expect("the socket is open").expect("a message");
            }
        }));
    }
    let ids = connections.ids();
    let data = Payload::Text(ECHO.to_owned());
    let begun = Instant::now();
    let before = processor();
    let sending = tokio::spawn(async move {
        for _ in 0..rounds {
            let mut missed = ids.clone();
            while !missed.is_empty() {
                let results = connections.send_many(&missed, &data, Deadline::after(RUN)).await;
                let mut sent = results.iter().map(Result::is_ok);
                missed.retain(|_| !sent.next().unwrap_or_default());
                tokio::task::yield_now().await;
            }
        }
    });
    for task in tasks {
        task.await.expect("no panic");
    }
    sending.await.expect("no panic");
    let deliveries = (rounds * count) as f64;
    (deliveries / begun.elapsed().as_secs_f64(), (processor() - before) / deliveries)
}

/// Returns the processor time of this process in microseconds. Other work on the machine does not affect it.
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = text.split(' ').skip(13).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    fields.iter().sum::<f64>() * 10_000.0
}

/// Returns the resident memory of this process in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4_096
}

/// Returns the resident memory per idle connection in bytes.
async fn idle(count: usize) -> usize {
    let (port, connections) = gateway().await;
    let before = resident();
    let program = std::env::current_exe().expect("a program");
    let mut holder = Command::new(program)
        .args(["hold", &port.to_string(), &count.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut lines = std::io::BufReader::new(holder.stdout.take().expect("a pipe"));
    tokio::task::spawn_blocking(move || lines.read_line(&mut String::new())).await.expect("no panic").expect("a line");
    assert_eq!(connections.len(), count);
    let bytes = (resident() - before) / count;
    drop(holder.stdin.take());
    holder.wait().expect("the process ends");
    bytes
}

/// Opens connections and holds them until standard input ends.
async fn hold(port: u16, count: usize) {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(connect(port).await);
    }
    println!("held");
    std::io::stdout().flush().expect("a pipe");
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, port, count] = arguments.as_slice()
        && verb == "hold"
    {
        return hold(port.parse().expect("a port"), count.parse().expect("a count")).await;
    }
    // `cargo test --benches` only builds it.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    println!("idle: {} bytes a connection, 10,000 held", idle(10_000).await);
    for count in [1, 32, 256] {
        let baseline = echo(bare().await, count).await;
        let found = echo(gateway().await.0, count).await;
        println!("echo, {count} connections:");
        for (name, EchoResult { rate, median, cost }) in [("bare", &baseline), ("gateway", &found)] {
            println!("  {name:<8}{rate:>9.0}/s  p50 {median:>10.1?}  {cost:>6.2} µs of processor time a message");
        }
        println!(
            "  ratio   {:>9.2}    the gateway costs {:.2} µs",
            found.rate / baseline.rate,
            found.cost - baseline.cost
        );
    }
    for count in [100, 1_000] {
        let (rate, cost) = fan_out(count).await;
        println!("fan-out, {count} connections: {rate:.0} deliveries/s, {cost:.2} µs of processor time each");
    }
}
