//! CloudWatch's embedded metrics: lines of JSON on standard output.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! A line costs money by its length, so what happens within a second is one line. A fault is written at once. Lambda may
//! freeze a process and never continue it: what its last second counted is then lost, which nothing but metrics may be.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tidegate_release::Release;

use crate::environment::{Environment, Function};
use crate::invocation::Done;
use crate::log;

const NAMESPACE: &str = "Tidegate";
/// Releases have no canary yet: every event runs on the stable one.
const TRACK: &str = "stable";
/// How long counts are kept back.
const INTERVAL: Duration = Duration::from_secs(1);
/// The most values of one metric in one line, which is CloudWatch's limit.
const MAX_VALUES: usize = 100;
/// The route of events that no route ran for.
const NO_ROUTE: &str = "none";
/// The route of the authorizer's events.
const AUTHORIZER: &str = "authorizer";

/// Counts events by route.
pub(crate) struct Metrics {
    app: String,
    stage: String,
    release: String,
    authorizer: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    written: Option<(Instant, SystemTime)>,
    routes: BTreeMap<String, Counts>,
}

#[derive(Default)]
struct Counts {
    errors: u32,
    traps: u32,
    milliseconds: Vec<f64>,
}

impl Metrics {
    pub(crate) fn new(environment: &Environment, release: &Release) -> Self {
        Self {
            app: release.app.name.clone(),
            stage: environment.stage.clone(),
            release: release.id.to_string(),
            authorizer: environment.function == Function::Authorizer,
            state: Mutex::default(),
        }
    }

    /// Counts an event, and writes what is due.
    pub(crate) fn record(&self, done: &Done) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let route = match &done.route {
            _ if self.authorizer => AUTHORIZER,
            Some(route) => route,
            None => NO_ROUTE,
        };
        let counts = match state.routes.get_mut(route) {
            Some(counts) => counts,
            None => state.routes.entry(route.to_owned()).or_default(),
        };
        counts.errors += u32::from(done.failed);
        counts.traps += u32::from(done.trapped);
        // To a microsecond: a line costs money by its length.
        let micros = u32::try_from(done.took.as_micros()).unwrap_or(u32::MAX);
        counts.milliseconds.push(f64::from(micros) / 1_000.0);
        let full = counts.milliseconds.len() >= MAX_VALUES;
        let now = (Instant::now(), SystemTime::now());
        if full || done.failed || done.trapped || state.is_due(now) {
            state.written = Some(now);
            for (route, counts) in std::mem::take(&mut state.routes) {
                log::write_line(self.line(&route, counts, now.1).to_string());
            }
        }
    }

    fn line(&self, route: &str, counts: Counts, now: SystemTime) -> Value {
        let millis = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut by_route = vec![
            json!({ "Name": "Events", "Unit": "Count" }),
            json!({ "Name": "Errors", "Unit": "Count" }),
            json!({ "Name": "Duration", "Unit": "Milliseconds" }),
        ];
        // What alarms watch is a whole app's.
        let fault = if self.authorizer { "AuthorizerFaults" } else { "Traps" };
        by_route.push(json!({ "Name": fault, "Unit": "Count" }));
        let faults = if self.authorizer { counts.errors } else { counts.traps };
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": u64::try_from(millis).unwrap_or_default(),
                "CloudWatchMetrics": [
                    { "Namespace": NAMESPACE, "Dimensions": [["Stage", "Route", "Track"]], "Metrics": by_route },
                    {
                        "Namespace": NAMESPACE,
                        "Dimensions": [["App", "Stage"]],
                        "Metrics": [{ "Name": fault, "Unit": "Count" }],
                    },
                ],
            }),
        );
        for (name, value) in [
            ("App", self.app.as_str()),
            ("Stage", self.stage.as_str()),
            ("Route", route),
            ("Track", TRACK),
            ("Release", self.release.as_str()),
        ] {
            line.insert(name.to_owned(), value.into());
        }
        line.insert("Events".to_owned(), counts.milliseconds.len().into());
        line.insert("Errors".to_owned(), counts.errors.into());
        line.insert(fault.to_owned(), faults.into());
        line.insert("Duration".to_owned(), counts.milliseconds.into());
        Value::Object(line)
    }
}

impl State {
    /// Whether a second has passed, by whichever clock saw more of it.
    fn is_due(&self, now: (Instant, SystemTime)) -> bool {
        self.written.is_none_or(|(written, written_at)| {
            let by_wall = now.1.duration_since(written_at).unwrap_or_default();
            now.0.saturating_duration_since(written).max(by_wall) >= INTERVAL
        })
    }
}
