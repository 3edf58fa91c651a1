//! CloudWatch's embedded metrics: lines of JSON on standard output.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! CloudWatch charges for the length of each line, so the events of one second share a line. A fault is written at
//! once. If Lambda freezes a process and never resumes it, the counts of its last second are lost.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tidegate_ports::AwakeInstant;
use tidegate_release::{Release, ReleaseId};
use tidegate_runtime::{Fault, Track};

use crate::environment::{Environment, Function};
use crate::invocation::Done;
use crate::log;

const NAMESPACE: &str = "Tidegate";
/// The time after which counts are written.
const INTERVAL: Duration = Duration::from_secs(1);
/// The maximum number of values of one metric in one line, a limit of CloudWatch.
const MAX_VALUES: usize = 100;
/// The route of events that ran no route.
const NO_ROUTE: &str = "none";
/// The route of the authorizer's events.
const AUTHORIZER: &str = "authorizer";

/// Counts events by route and release.
pub(crate) struct Metrics {
    app: String,
    stage: String,
    /// The release of the package, for events that ran no release.
    release: ReleaseId,
    authorizer: bool,
    state: Mutex<State>,
}

/// The dimensions of a count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    route: String,
    track: Track,
    release: ReleaseId,
}

#[derive(Default)]
struct State {
    written: Option<AwakeInstant>,
    groups: BTreeMap<Group, Counts>,
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
            release: release.id.clone(),
            authorizer: environment.function == Function::Authorizer,
            state: Mutex::default(),
        }
    }

    /// Counts an event, and writes the counts that are due.
    pub(crate) fn record(&self, done: &Done) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let route = match &done.route {
            _ if self.authorizer => AUTHORIZER,
            Some(route) => route,
            None => NO_ROUTE,
        };
        let active = done.active.as_ref();
        let group = Group {
            route: route.to_owned(),
            track: active.map_or(Track::Stable, |active| active.track),
            release: active.map_or(&self.release, |active| &active.release).clone(),
        };
        let trapped = matches!(done.fault, Some(Fault::Trap | Fault::Timeout));
        let counts = state.groups.entry(group).or_default();
        counts.errors += u32::from(done.failed);
        counts.traps += u32::from(trapped);
        // Rounded to microseconds, because CloudWatch charges for the length of a line.
        let micros = u32::try_from(done.took.as_micros()).unwrap_or(u32::MAX);
        counts.milliseconds.push(f64::from(micros) / 1_000.0);
        let full = counts.milliseconds.len() >= MAX_VALUES;
        if full || done.failed || trapped || state.is_due() {
            state.written = Some(AwakeInstant::now());
            let now = SystemTime::now();
            for (group, counts) in std::mem::take(&mut state.groups) {
                log::write_line(self.line(&group, counts, now).to_string());
            }
        }
    }

    /// Writes a rollout event of a release as a metric with the value 1.
    pub(crate) fn count_release_event(&self, name: &'static str, release: &ReleaseId) {
        let metric = json!({ "Name": name, "Unit": "Count" });
        let mut line = Map::new();
        line.insert("_aws".to_owned(), about(SystemTime::now(), &[(&["App", "Stage"], &[metric])]));
        for (name, value) in [("App", self.app.as_str()), ("Stage", &self.stage), ("Release", release.as_str())] {
            line.insert(name.to_owned(), value.into());
        }
        line.insert(name.to_owned(), 1.into());
        log::write_line(Value::Object(line).to_string());
    }

    fn line(&self, group: &Group, counts: Counts, now: SystemTime) -> Value {
        let mut by_route = vec![
            json!({ "Name": "Events", "Unit": "Count" }),
            json!({ "Name": "Errors", "Unit": "Count" }),
            json!({ "Name": "Duration", "Unit": "Milliseconds" }),
        ];
        // Alarms watch the fault metric of the whole app.
        let fault = if self.authorizer { "AuthorizerFaults" } else { "Traps" };
        by_route.push(json!({ "Name": fault, "Unit": "Count" }));
        let faults = if self.authorizer { counts.errors } else { counts.traps };
        let mut line = Map::new();
        let by_app = [json!({ "Name": fault, "Unit": "Count" })];
        let metrics: [(&[&str], &[Value]); 2] =
            [(&["Stage", "Route", "Track"], &by_route), (&["App", "Stage"], &by_app)];
        line.insert("_aws".to_owned(), about(now, &metrics));
        let track = group.track.to_string();
        for (name, value) in [
            ("App", self.app.as_str()),
            ("Stage", self.stage.as_str()),
            ("Route", group.route.as_str()),
            ("Track", track.as_str()),
            ("Release", group.release.as_str()),
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

/// Returns the metadata of a line: its metrics and their dimensions.
fn about(now: SystemTime, metrics: &[(&[&str], &[Value])]) -> Value {
    let millis = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let metrics = metrics
        .iter()
        .map(|(dimensions, metrics)| json!({ "Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": metrics }));
    json!({
        "Timestamp": u64::try_from(millis).unwrap_or_default(),
        "CloudWatchMetrics": metrics.collect::<Vec<_>>(),
    })
}

impl State {
    /// Returns true if the last line was written at least a second ago.
    fn is_due(&self) -> bool {
        self.written.is_none_or(|written| written.elapsed() >= INTERVAL)
    }
}
