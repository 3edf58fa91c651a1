//! The cost of one call of storage and registry, over the embedded database in memory.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "this is a bench")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use tidegate_aws::{DynamoRegistry, DynamoStorage, Tables, dynamodb::client};
use tidegate_dynamodb_embedded::Embedded;
use tidegate_event::{Connection, ConnectionId, Timestamp};
use tidegate_ports::storage::{Key, Order, QueryOptions, SortRange, WriteOptions};
use tidegate_ports::{Deadline, Registry, Storage};
use tokio::runtime::Runtime;

const MESSAGE: &str = r#"{"from":"ann","text":"hello, is anybody there?","at":1800000000000,"room":"lobby"}"#;

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

fn key(sort: u32) -> Key {
    Key { partition: "lobby".to_owned(), sort: format!("{sort:010}") }
}

async fn ports() -> (DynamoStorage, DynamoRegistry) {
    let database = Embedded::memory().unwrap();
    let client = client::local(database.http_client());
    let tables = Tables::default();
    tables.create_missing(&client).await.unwrap();
    (DynamoStorage::new(client.clone(), &tables), DynamoRegistry::new(client, &tables))
}

async fn fill(storage: &DynamoStorage, registry: &DynamoRegistry) {
    for sort in 0..200 {
        storage.put("rooms", &key(sort), MESSAGE, &WriteOptions::default(), soon()).await.unwrap();
    }
    for number in 0..1_000 {
        let connection = Connection {
            id: ConnectionId::new(format!("L0SM9cOFv{number:06}=")).unwrap(),
            connected_at: Timestamp::now(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: None,
            domain_name: "localhost".to_owned(),
            stage: "dev".to_owned(),
            principal: Some("ann".to_owned()),
            context: Vec::new(),
        };
        registry.register(&connection, soon()).await.unwrap();
        registry.join("thousand", &connection.id, soon()).await.unwrap();
        if number < 100 {
            registry.join("hundred", &connection.id, soon()).await.unwrap();
        }
    }
}

fn storage(c: &mut Criterion, runtime: &Runtime, port: &DynamoStorage) {
    c.bench_function("get", |b| {
        b.to_async(runtime).iter(|| async { black_box(port.get("rooms", &key(7), soon()).await.unwrap()) });
    });
    c.bench_function("put", |b| {
        b.to_async(runtime).iter(|| async {
            black_box(port.put("rooms", &key(900), MESSAGE, &WriteOptions::default(), soon()).await.unwrap())
        });
    });
    let options = QueryOptions {
        range: Some(SortRange::Prefix("0".to_owned())),
        order: Order::Descending,
        limit: 100,
        cursor: None,
    };
    c.bench_function("query of 100 messages", |b| {
        b.to_async(runtime).iter(|| async { black_box(port.query("rooms", "lobby", &options, soon()).await.unwrap()) });
    });
}

fn registry(c: &mut Criterion, runtime: &Runtime, port: &DynamoRegistry) {
    let id = ConnectionId::new("L0SM9cOFv000000=").unwrap();
    c.bench_function("describe", |b| {
        b.to_async(runtime).iter(|| async { black_box(port.describe(&id, soon()).await.unwrap()) });
    });
    c.bench_function("join", |b| {
        b.to_async(runtime).iter(|| async { port.join("hundred", &id, soon()).await.unwrap() });
    });
    for (name, members) in [("hundred", 100), ("thousand", 1_000)] {
        c.bench_function(&format!("members of {members}"), |b| {
            b.to_async(runtime).iter(|| async {
                let page = port.members(name, 1_000, None, soon()).await.unwrap();
                assert_eq!(page.members.len(), members);
                black_box(page)
            });
        });
    }
}

fn dynamo(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (store, connections) = runtime.block_on(async {
        let (store, connections) = ports().await;
        fill(&store, &connections).await;
        (store, connections)
    });
    storage(c, &runtime, &store);
    registry(c, &runtime, &connections);
}

criterion_group!(benches, dynamo);
criterion_main!(benches);
