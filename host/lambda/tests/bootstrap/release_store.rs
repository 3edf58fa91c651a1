//! A store of releases that a process follows, for tests.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_app::App;
use tidegate_app::keys::{Key, Keys};
use tidegate_aws::{Account, ReleaseTables, Transport};
use tidegate_compile::Triple;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::manifest::Provenance;
use tidegate_release::publish::{BuiltComponent, BuiltRelease, publish};
use tidegate_release::rollout::{Action, RolloutState, TrafficWeight};
use tidegate_release::store::fs::FolderStore;
use tidegate_release::store::{self, Consistency};
use tidegate_release::{Digest, ReleaseId, SigningKey, folder};
use tidegate_runtime::{engine, interface};

use crate::aws::{ACCESS_KEY_ID, BUCKET, release_tables};
use crate::clock::Clock;
use crate::events;
use crate::process::{Bootstrap, Setup, setup};
use crate::{app, guests};

/// The message that `echo` returns unchanged; the probe answers something else.
pub(crate) const MESSAGE: &str = "settings";
/// A little more than the poll interval.
pub(crate) const STALE: Duration = Duration::from_secs(3);
/// A little more than the maximum age of a snapshot before an event.
pub(crate) const THAWED: Duration = Duration::from_secs(31);

/// A store in a folder or on AWS, with the key that signs its releases.
pub(crate) struct Store {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Arc<dyn store::ReleaseWriter>,
    pub(crate) key: SigningKey,
}

impl Store {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(FolderStore::open(folder.path()).unwrap());
        Self { folder, store, key: SigningKey::generate().unwrap() }
    }

    /// Creates a store on the AWS of a process, which follows it.
    pub(crate) fn on_aws(setup: Setup) -> (Self, Setup) {
        let url = setup.aws.url();
        let account = Account::new(Transport::new().unwrap(), "eu-west-1", ACCESS_KEY_ID, "secret", Some("token"));
        let store = Arc::new(account.releases(&release_tables(), BUCKET, Some(&url), Some(&url)));
        let store = Self { store, ..Self::new() };
        let ReleaseTables { releases, release_status } = release_tables();
        let setup = store.trusted_by(setup).set("RELEASES_TABLE", &releases);
        (store, setup.set("RELEASE_STATUS_TABLE", &release_status).set("RELEASES_BUCKET", BUCKET))
    }

    /// Makes a process follow the folder and trust its key.
    pub(crate) fn followed_by(&self, setup: Setup) -> Setup {
        self.trusted_by(setup).set("RELEASES_DIR", self.folder.path().to_str().unwrap())
    }

    /// Makes a process trust the key.
    pub(crate) fn trusted_by(&self, setup: Setup) -> Setup {
        let key = Key { public_key: self.key.public_key(), stages: ["dev".to_owned()].into(), revoked: false };
        let keys = Keys([("ci".to_owned(), key)].into());
        std::fs::write(setup.task().join(folder::KEYS_FILE), serde_json::to_vec(&keys).unwrap()).unwrap();
        setup
    }

    /// Starts a process with this clock that follows the store.
    pub(crate) async fn start(&self, clock: &Clock) -> Bootstrap {
        self.followed_by(clock.set(setup(&app()).await)).start().await
    }

    pub(crate) async fn publish(&self, app: &App) -> ReleaseId {
        self.publish_as(app, &[self.key_copy()], |_| {}).await
    }

    pub(crate) fn key_copy(&self) -> SigningKey {
        SigningKey::from_pem(self.key.to_pem()).unwrap()
    }

    pub(crate) async fn publish_as(
        &self,
        app: &App,
        keys: &[SigningKey],
        change: impl Fn(&mut BuiltRelease),
    ) -> ReleaseId {
        let target = Triple::host().unwrap().as_str().to_owned();
        let compiled = |name: &String| {
            let artifact = std::fs::read(guests::artifact(name)).unwrap();
            let artifacts = BTreeMap::from([(target.clone(), artifact)]);
            (name.clone(), BuiltComponent { digest: Digest::of(&guests::wasm(name)), artifacts })
        };
        let mut content = BuiltRelease {
            app: app.clone(),
            components: app.components.iter().map(compiled).collect(),
            engine: engine::id(),
            wit: interface::WIT_VERSION.to_owned(),
            targets: [(target.clone(), engine::cpu_baseline(&target).unwrap().to_owned())].into(),
            provenance: Provenance { created_at: Timestamp::now(), revision: None, tidegate: "test".to_owned() },
        };
        change(&mut content);
        publish(&*self.store, &content, keys).await.unwrap().id
    }

    pub(crate) async fn move_to(&self, action: Action, next: impl FnOnce(&RolloutState) -> RolloutState) {
        let old = self.store.rollout_state(Consistency::Strong, soon_enough()).await.unwrap();
        let next = next(&old);
        let change = old.change(&next, action, Timestamp::now(), "test".to_owned(), None);
        self.store.compare_and_set(&next, &change, soon_enough()).await.unwrap();
    }

    pub(crate) async fn activate(&self, release: &ReleaseId) {
        self.move_to(Action::Activate, |old| old.activate(release, None).unwrap()).await;
    }

    pub(crate) async fn canary(&self, release: &ReleaseId, budget: u64) {
        let next = |old: &RolloutState| old.canary(release, TrafficWeight::ALL, budget, None, false).unwrap();
        self.move_to(Action::Canary, next).await;
    }

    /// Returns the files of a folder of the store.
    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    pub(crate) async fn failure(&self, release: &ReleaseId) -> String {
        let mut reports = self.store.load_reports(soon_enough()).await.unwrap();
        reports.remove(release).unwrap().failure.unwrap().reason
    }
}

pub(crate) fn soon_enough() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// Returns the app with the probe in place of `echo`.
pub(crate) fn probed() -> App {
    let mut app = app();
    let grants = app.routes["any"].grants.clone();
    for (key, route) in &mut app.routes {
        if key.as_str() == "echo" {
            route.component = "probe".to_owned();
            route.grants = grants.clone();
        }
    }
    app.components = app.used();
    app
}

impl Bootstrap {
    /// Returns true if the probe answers in place of `echo`. The post-response phase is over when it returns.
    pub(crate) async fn is_probed(&self) -> bool {
        self.text(events::message("echo", MESSAGE)).await != MESSAGE
    }

    /// Returns true if the probe answers once the snapshot is stale: one event reads it, and the next runs on it.
    pub(crate) async fn is_probed_soon(&self, clock: &Clock) -> bool {
        clock.advance_more(STALE);
        self.is_probed().await;
        self.is_probed().await
    }
}

/// Returns the app with another limit: another release with the same behaviour.
pub(crate) fn with_time(app: &App, seconds: u64) -> App {
    let mut app = app.clone();
    for route in app.routes.values_mut() {
        route.limits.time = Duration::from_secs(seconds);
    }
    app
}
