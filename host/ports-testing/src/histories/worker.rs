//! The calls of one worker.

use std::future::poll_fn;
use std::task::Poll;

use serde_json::{Value, json};
use tidegate_ports::storage::{Action, Condition, Error, Item, Key, Operation, Storage, Version, WriteOptions};

use super::Log;
use super::model::{Call, Change, DOCUMENTS, Document, Guard, Outcome, Step};
use super::random::Random;
use crate::soon;

const COLLECTION: &str = "history";

/// A worker, which makes one call after the other.
pub(super) struct Worker<'a> {
    port: &'a dyn Storage,
    log: &'a Log,
    seed: u64,
    random: Random,
    /// The number of its next write. No other worker has it.
    next: u64,
    /// The last version of each document that the worker saw.
    seen: [Option<(Version, Document)>; DOCUMENTS],
}

impl<'a> Worker<'a> {
    pub(super) fn new(port: &'a dyn Storage, log: &'a Log, seed: u64, number: usize) -> Self {
        let number = u64::try_from(number).unwrap_or(0) + 1;
        let random = Random::new(seed.wrapping_mul(1_009).wrapping_add(number));
        Self { port, log, seed, random, next: number * 1_000, seen: [None, None] }
    }

    pub(super) async fn run(mut self, calls: usize) {
        for _ in 0..calls {
            let document = self.document();
            match self.random.below(10) {
                0..=2 => self.get(document).await,
                3..=4 => self.put(document).await,
                5..=6 => self.update(document).await,
                7 => self.delete(document).await,
                _ => self.transact().await,
            }
            pause().await;
        }
    }

    async fn get(&mut self, document: usize) {
        let started = self.log.start();
        // A read that failed has no effect.
        let Ok(found) = self.port.get(COLLECTION, &self.key(document), soon()).await else { return };
        let found = found.map(|item| self.see(document, &item));
        self.log.end(started, Call::Get(document, found));
    }

    async fn put(&mut self, document: usize) {
        let (guard, options) = self.guard(document);
        let number = self.number();
        let started = self.log.start();
        let text = put_text(number);
        let result = self.port.put(COLLECTION, &self.key(document), &text, &options, soon()).await;
        if let Ok(version) = &result {
            let written = Document { put: number, sum: 0, updates: Vec::new() };
            self.log.seen(version, &written);
            self.remember(document, version.clone(), written);
        }
        let steps = vec![Step { document, guard, change: Change::Put(number) }];
        self.end(started, steps, result.map(|_| None));
    }

    async fn update(&mut self, document: usize) {
        let (guard, options) = self.guard(document);
        let number = self.number();
        let started = self.log.start();
        let result = self.port.update(COLLECTION, &self.key(document), &changes(number), &options, soon()).await;
        let result = result.map(|item| Some(self.see(document, &item)));
        let steps = vec![Step { document, guard, change: Change::Update(number) }];
        self.end(started, steps, result);
    }

    async fn delete(&mut self, document: usize) {
        let (guard, options) = self.guard(document);
        let started = self.log.start();
        let condition = options.condition.as_ref();
        let result = self.port.delete(COLLECTION, &self.key(document), condition, soon()).await;
        self.end(started, vec![Step { document, guard, change: Change::Delete }], result.map(|()| None));
    }

    async fn transact(&mut self) {
        let mut steps = Vec::new();
        let mut operations = Vec::new();
        for document in 0..DOCUMENTS {
            let (guard, options) = self.guard(document);
            let number = self.number();
            let (change, action) = match (self.random.below(4), options.condition.clone()) {
                (0, _) => (Change::Put(number), Action::Put(put_text(number), options)),
                (1, condition) => (Change::Delete, Action::Delete(condition)),
                (2, Some(condition)) => (Change::Check, Action::Check(condition)),
                _ => (Change::Update(number), Action::Update(changes(number).to_vec(), options)),
            };
            steps.push(Step { document, guard, change });
            operations.push(Operation { collection: COLLECTION.to_owned(), key: self.key(document), action });
        }
        let started = self.log.start();
        let result = self.port.transact(&operations, soon()).await;
        self.end(started, steps, result.map(|()| None));
    }

    /// Records a write. A write that was not applied, although its conditions may hold, is left out.
    fn end(&self, started: usize, steps: Vec<Step>, result: Result<Option<Document>, Error>) {
        let outcome = match result {
            Ok(document) => Outcome::Applied(document),
            Err(Error::Conflict) => Outcome::Conflict,
            Err(Error::Unavailable) => Outcome::Unknown,
            Err(Error::Throttled) => return,
            Err(error) => panic!("the workload is wrong: {error}"),
        };
        self.log.end(started, Call::Write(steps, outcome));
    }

    /// Chooses a condition.
    fn guard(&mut self, document: usize) -> (Guard, WriteOptions) {
        let seen = self.seen.get(document).cloned().flatten();
        let (guard, condition) = match (self.random.below(6), seen) {
            (0..=1, _) => (Guard::Always, None),
            (2, _) => (Guard::Absent, Some(Condition::Absent)),
            (3.., Some((version, document))) => (Guard::Is(document), Some(Condition::Version(version))),
            _ => (Guard::Present, Some(Condition::Present)),
        };
        (guard, WriteOptions { condition, expires_at: None })
    }

    fn see(&mut self, document: usize, item: &Item) -> Document {
        let found = read(&item.document);
        self.log.seen(&item.version, &found);
        self.remember(document, item.version.clone(), found.clone());
        found
    }

    fn remember(&mut self, document: usize, version: Version, found: Document) {
        if let Some(place) = self.seen.get_mut(document) {
            *place = Some((version, found));
        }
    }

    fn document(&mut self) -> usize {
        usize::from(self.random.below(3) == 0)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn key(&self, document: usize) -> Key {
        Key { partition: self.seed.to_string(), sort: document.to_string() }
    }
}

fn put_text(number: u64) -> String {
    json!({ "put": number, "sum": 0, "updates": [] }).to_string()
}

fn changes(number: u64) -> [tidegate_ports::storage::Change; 2] {
    use tidegate_ports::storage::Change;
    let path = |name: &str| vec![name.to_owned()];
    [Change::Add { path: path("sum"), by: 1 }, Change::Append { path: path("updates"), values: format!("[{number}]") }]
}

fn read(text: &str) -> Document {
    let value: Value = serde_json::from_str(text).unwrap();
    let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let updates = value.get("updates").and_then(Value::as_array).unwrap();
    Document {
        put: number("put"),
        sum: number("sum"),
        updates: updates.iter().map(|number| number.as_u64().unwrap()).collect(),
    }
}

/// Lets other workers run.
async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
