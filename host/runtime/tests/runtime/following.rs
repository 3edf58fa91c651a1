//! Random sequences of rollout steps, compared with a simple model.
//!
//! The store is a folder and the host is real: each release is signed, published, verified and linked. Each step ends
//! with an event whose release is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::test_runner::{Config, TestRunner};
use tidegate_app::keys::{Key, Keys};
use tidegate_app::{App, Route};
use tidegate_app::{Grants, Limits};
use tidegate_compile::Triple;
use tidegate_event::{ConnectionId, Timestamp};
use tidegate_ports::Deadline;
use tidegate_release::manifest::Provenance;
use tidegate_release::prune::{self, Rules};
use tidegate_release::publish::{BuiltComponent, BuiltRelease, publish, verify_complete};
use tidegate_release::rollout::{Action, Canary, RolloutError, RolloutState, TrafficWeight};
use tidegate_release::store::fs::FolderStore;
use tidegate_release::store::{Consistency, ReleaseReader as _, ReleaseWriter as _};
use tidegate_release::{Digest, Envelope, Release, ReleaseId, SigningKey, TrustedKeys};
use tidegate_runtime::{
    Engine, EngineOptions, FollowOptions, Follower, RolloutHooks, Track, engine, interface, rollout,
};

use crate::events::{self, OWN};
use crate::fixture::{Fixture, any, app_of, release, route};
use crate::guests;
use crate::model::{BUDGET, KEEP, Model, RELEASES, Step, step};

/// The system under test.
struct World {
    folder: tempfile::TempDir,
    store: Arc<FolderStore>,
    key: SigningKey,
    contents: Vec<BuiltRelease>,
    ids: Vec<ReleaseId>,
    engine: Engine,
    deployed: Release,
    fixture: Fixture,
    follower: Arc<Follower>,
    frozen: bool,
    model: Model,
}

/// Returns an app with the probe. Each number has another time limit, and so another release.
fn version(number: usize) -> App {
    let time = Duration::from_secs(u64::try_from(number).unwrap() + 3);
    app_of([("chat", Route { limits: Limits { time, ..Limits::default() }, ..route("probe", any(), true) })])
}

fn deployed() -> App {
    app_of([("chat", route("echo", Grants::default(), true))])
}

fn content(app: App) -> BuiltRelease {
    let target = Triple::host().unwrap().as_str().to_owned();
    let compiled = |name: &String| {
        let artifacts = BTreeMap::from([(target.clone(), std::fs::read(guests::artifact(name)).unwrap())]);
        (name.clone(), BuiltComponent { digest: Digest::of(&guests::wasm(name)), artifacts })
    };
    BuiltRelease {
        components: app.components.iter().map(compiled).collect(),
        app,
        engine: engine::id(),
        wit: interface::WIT_VERSION.to_owned(),
        targets: [(target.clone(), engine::cpu_baseline(&target).unwrap().to_owned())].into(),
        provenance: Provenance { created_at: Timestamp(1), revision: None, tidegate: "test".to_owned() },
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

impl World {
    async fn new(engine: Engine, contents: Vec<BuiltRelease>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(FolderStore::open(folder.path()).unwrap());
        let key = SigningKey::generate().unwrap();
        let ids = contents.iter().map(|content| content.manifest().id()).collect();
        let deployed = release(deployed());
        let (fixture, follower) = start(&engine, &store, &key, &deployed);
        follower.poll(soon()).await;
        let model = Model::default();
        Self { folder, store, key, contents, ids, engine, deployed, fixture, follower, frozen: false, model }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Publish(number) => {
                publish(&*self.store, &self.contents[*number], std::slice::from_ref(&self.key)).await.unwrap();
                self.model.published.insert(*number);
            }
            Step::BrokenPublish(number) => {
                let artifacts = self.contents[*number].components.values().flat_map(|it| it.artifacts.values());
                for artifact in artifacts {
                    self.store.put_artifact(artifact, soon()).await.unwrap();
                }
                let half = self.folder.path().join("releases").join(".half-written");
                std::fs::write(half, b"{\"payloadType\":").unwrap();
            }
            Step::Activate(number) => self.activate(*number).await,
            Step::Canary(number, share) => self.canary(*number, TrafficWeight::new(*share).unwrap()).await,
            Step::Promote => self.promote().await,
            Step::Rollback => self.rollback().await,
            Step::Halt(number) => {
                if self.model.canary.is_none() {
                    self.canary(*number, TrafficWeight::ALL).await;
                }
                self.halt().await;
            }
            Step::Prune => self.prune().await,
            Step::Freeze => self.frozen = true,
            Step::Thaw => self.frozen = false,
            Step::Crash => {
                let (fixture, follower) = start(&self.engine, &self.store, &self.key, &self.deployed);
                follower.poll(soon()).await;
                (self.fixture, self.follower, self.frozen) = (fixture, follower, false);
            }
            Step::BrokenMove(number) => {
                let old = self.pointer().await;
                let next = RolloutState {
                    generation: old.generation + 1,
                    active: Some(self.ids[*number].clone()),
                    ..old.clone()
                };
                let change = old.change(&next, Action::Activate, Timestamp(1), "crashed".to_owned(), None);
                let path = self.folder.path().join(format!("history/{:020}.json", next.generation));
                std::fs::write(path, serde_json::to_vec(&change).unwrap()).unwrap();
            }
        }
    }

    async fn pointer(&self) -> RolloutState {
        self.store.rollout_state(Consistency::Strong, soon()).await.unwrap()
    }

    async fn advance(&self, next: &RolloutState, action: Action) {
        let change = self.pointer().await.change(next, action, Timestamp::now(), "test".to_owned(), None);
        self.store.compare_and_set(next, &change, soon()).await.unwrap();
    }

    /// Returns true if the release is complete, as the command line checks before it activates.
    async fn is_whole(&self, number: usize) -> bool {
        let Ok(envelope) = self.store.envelope(&self.ids[number], soon()).await else { return false };
        verify_complete(&*self.store, &Envelope::parse(&envelope).unwrap().unverified().unwrap()).await.unwrap();
        true
    }

    async fn activate(&mut self, number: usize) {
        assert_eq!(self.is_whole(number).await, self.model.published.contains(&number));
        if !self.model.published.contains(&number) {
            return;
        }
        let pointer = self.pointer().await;
        let halt = self.halted(&pointer).await;
        let canary = self.model.canary.map(|(canary, _)| canary);
        match pointer.activate(&self.ids[number], halt.as_ref()) {
            Ok(next) => {
                self.advance(&next, Action::Activate).await;
                self.model.activate(number);
                self.model.halted = false;
            }
            Err(RolloutError::Halted { .. }) => assert!(self.model.halted && canary == Some(number)),
            Err(error) => {
                assert_eq!(error, RolloutError::Active(self.ids[number].clone()));
                assert_eq!((self.model.active, self.model.canary), (Some(number), None));
            }
        }
    }

    async fn canary(&mut self, number: usize, share: TrafficWeight) {
        if !self.model.published.contains(&number) {
            return;
        }
        let pointer = self.pointer().await;
        let halt = self.halted(&pointer).await;
        let same = self.model.canary.is_some_and(|(canary, _)| canary == number);
        match pointer.canary(&self.ids[number], share, BUDGET, halt.as_ref(), false) {
            Ok(next) => {
                self.advance(&next, Action::Canary).await;
                self.model.canary = Some((number, share));
                self.model.changed(self.model.active);
                self.model.halted &= same;
            }
            Err(RolloutError::Halted { .. }) => assert!(self.model.halted && same),
            Err(error) => {
                assert_eq!(error, RolloutError::Active(self.ids[number].clone()));
                assert_eq!(self.model.active, Some(number));
            }
        }
    }

    async fn halted(&self, pointer: &RolloutState) -> Option<tidegate_release::rollout::Halt> {
        let run = pointer.canary.as_ref()?.run;
        let halt = self.store.halt(run, soon()).await.unwrap();
        assert_eq!(halt.is_some(), self.model.halted);
        halt
    }

    async fn promote(&mut self) {
        let pointer = self.pointer().await;
        let halt = self.halted(&pointer).await;
        match (pointer.promote(halt.as_ref()), self.model.canary) {
            (Ok(next), Some((canary, _))) => {
                self.advance(&next, Action::Promote).await;
                self.model.activate(canary);
            }
            (Err(RolloutError::NoCanary), None) => {}
            (Err(RolloutError::Halted { .. }), Some(_)) => assert!(self.model.halted),
            (moved, canary) => panic!("{moved:?} {canary:?}"),
        }
    }

    async fn rollback(&mut self) {
        let history = self.store.history(1_000, soon()).await.unwrap();
        let moved = self.pointer().await.rollback(&history);
        match (moved, self.model.canary, self.model.active) {
            (Ok(next), Some(_), _) => {
                self.advance(&next, Action::Rollback).await;
                (self.model.canary, self.model.halted) = (None, false);
                self.model.changed(self.model.active);
            }
            (Ok(next), None, Some(active)) => {
                let back = self.model.before[&active];
                self.advance(&next, Action::Rollback).await;
                self.model.changed(back);
                self.model.active = back;
            }
            (Err(RolloutError::NothingActive), None, None) => {}
            (moved, canary, active) => panic!("{moved:?} {canary:?} {active:?}"),
        }
    }

    /// Makes the canary trap if it serves the connection.
    async fn halt(&mut self) {
        if self.frozen {
            return;
        }
        self.settle().await;
        let Some(Canary { run, .. }) = self.fixture.host.canary() else { return };
        let before = self.store.canary_counts(run, soon()).await.unwrap().failures();
        for _ in before..=BUDGET {
            let outcome = self.fixture.dispatch(&events::message("chat", "trap")).await;
            if outcome.active.as_ref().unwrap().track != Track::Canary {
                return;
            }
            if self.follower.record(&outcome) {
                self.follower.flush(soon()).await;
            }
        }
        self.model.halted = true;
    }

    async fn prune(&mut self) {
        let rules = Rules { keep: KEEP, min_age: Duration::ZERO };
        let by = prune::Author { who: "test".to_owned(), why: None };
        prune::prune(&*self.store, rules, Timestamp::now(), &by).await.unwrap();
        let stored = self.store.list(soon()).await.unwrap();
        let left: BTreeSet<_> = (0..RELEASES).filter(|number| stored.contains_key(&self.ids[*number])).collect();
        assert!(self.model.needed().is_subset(&left), "{:?} {left:?}", self.model);
        assert!(left.is_subset(&self.model.published));
        self.model.published = left;
        for number in &self.model.published {
            assert!(self.is_whole(*number).await);
        }
    }

    /// Runs two events, after which the host has applied every change.
    async fn settle(&self) {
        for _ in 0..2 {
            self.follower.before_event().await;
            let outcome = self.fixture.dispatch(&events::message("chat", "echo")).await;
            let _ = self.follower.record(&outcome);
            self.follower.after_event(soon()).await;
        }
    }

    async fn check(&self) {
        if self.frozen {
            return;
        }
        self.settle().await;
        let connection = ConnectionId::new(OWN).unwrap();
        let outcome = self.fixture.dispatch(&events::message("chat", "echo")).await;
        assert!(outcome.response.is_ok());
        let running = outcome.active.unwrap();
        let canary = self.model.serving(&self.ids, &connection);
        let stable = self.model.active.map_or(&self.deployed.id, |active| &self.ids[active]);
        let expected = canary.map_or((stable, Track::Stable), |canary| (&self.ids[canary], Track::Canary));
        assert_eq!((&running.release, running.track), expected, "{:?}", self.model);
        // The history has every change, and none that was interrupted.
        let pointer = self.pointer().await;
        let history = self.store.history(1_000, soon()).await.unwrap();
        assert_eq!(
            history.iter().map(|it| it.generation).collect::<Vec<_>>(),
            (1..=pointer.generation).rev().collect::<Vec<_>>()
        );
        assert!(history.iter().all(|it| it.who != "crashed"));
    }
}

fn start(engine: &Engine, store: &Arc<FolderStore>, key: &SigningKey, deployed: &Release) -> (Fixture, Arc<Follower>) {
    let fixture = Fixture::with(engine.clone(), self::deployed()).unwrap();
    let key = Key { public_key: key.public_key(), stages: ["dev".to_owned()].into(), revoked: false };
    let keys = TrustedKeys::of_stage(&Keys([("test".to_owned(), key)].into()), "dev");
    let profile = rollout::host_profile(keys, self::deployed()).unwrap();
    // Every event polls.
    let options = FollowOptions { profile, host: "test".to_owned(), poll_interval: Duration::ZERO };
    let host = Arc::clone(&fixture.host);
    let follower = Follower::new(host, deployed.clone(), Arc::clone(store) as _, options, RolloutHooks::default());
    (fixture, follower)
}

fn run(executor: &tokio::runtime::Runtime, engine: &Engine, contents: &[BuiltRelease], steps: &[Step]) {
    executor.block_on(async {
        let mut world = World::new(engine.clone(), contents.to_vec()).await;
        for step in steps {
            world.take(step).await;
            world.check().await;
        }
    });
}

#[test]
fn the_serving_release_matches_the_model() {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let engine = Engine::new(EngineOptions::on_demand(4)).unwrap();
    let contents: Vec<_> = (0..RELEASES).map(|number| content(version(number))).collect();
    // Sequences that random steps rarely produce.
    for steps in [
        vec![Step::Publish(0), Step::Halt(0), Step::Crash, Step::Rollback, Step::Canary(0, 10_000)],
        vec![
            Step::Publish(0),
            Step::Publish(1),
            Step::Activate(0),
            Step::Freeze,
            Step::Activate(1),
            Step::Prune,
            Step::Thaw,
        ],
        vec![Step::Publish(0), Step::BrokenMove(1), Step::Crash, Step::Activate(0), Step::Rollback, Step::Crash],
    ] {
        run(&executor, &engine, &contents, &steps);
    }
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let steps = proptest::collection::vec(step(), 1..30);
    let ran = runner.run(&steps, |steps| {
        run(&executor, &engine, &contents, &steps);
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn a_state_that_jumped_ahead_and_was_repaired_is_followed_without_a_restart() {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let engine = Engine::new(EngineOptions::on_demand(4)).unwrap();
    let contents: Vec<_> = (0..2).map(|number| content(version(number))).collect();
    executor.block_on(async {
        let mut world = World::new(engine, contents).await;
        for step in [Step::Publish(0), Step::Publish(1), Step::Activate(0)] {
            world.take(&step).await;
        }
        let good = world.pointer().await;
        for generation in [1_000_000, tidegate_release::rollout::MAX_GENERATION, u64::MAX] {
            for state in [RolloutState { generation, ..good.clone() }, good.clone()] {
                let path = world.store.rollout_state_path();
                std::fs::write(path, serde_json::to_vec(&state).unwrap()).unwrap();
                world.follower.poll(soon()).await;
            }
        }
        // A lost state is reported, and does not stop the release that runs.
        let path = world.store.rollout_state_path();
        let kept = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        world.follower.poll(soon()).await;
        let lost = world.store.load_reports(soon()).await.unwrap()[&world.ids[0]].failure.clone().unwrap();
        assert!(lost.reason.contains("is lost"), "{lost:?}");
        assert_eq!(
            world.fixture.dispatch(&events::message("chat", "echo")).await.active.unwrap().release,
            world.ids[0]
        );
        std::fs::write(&path, kept).unwrap();
        for step in [Step::Activate(1), Step::Rollback] {
            world.take(&step).await;
            world.check().await;
        }
        let reports = world.store.load_reports(soon()).await.unwrap();
        assert_eq!(reports[&world.ids[0]].failed, 3, "{reports:?}");
    });
}
