//! Releases that are published to a running function: where they are, and what of each this function serves.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tidegate_app::{App, Keys};
use tidegate_aws::Account;
use tidegate_release::store::ReleaseReader;
use tidegate_release::store::cached::Cached;
use tidegate_release::store::fs::FolderStore;
use tidegate_release::{Release, TrustedKeys, folder};
use tidegate_runtime::rollout::{self, RolloutEvent};
use tidegate_runtime::{FollowOptions, Follower, Host, RolloutHooks};

use crate::config_cache::ConfigCache;
use crate::environment::{Environment, Function, Published};
use crate::log;
use crate::metrics::Metrics;

/// Where artifacts are kept for processes that start again in the same environment, and for a way back.
const CACHE_DIR: &str = "/tmp/tidegate-artifacts";
/// How much of Lambda's 512 MB of `/tmp` they may take.
const CACHE_BYTES: u64 = 128 << 20;

/// Follows the releases that are published, where the environment says where they are. `package` is the package's own release,
/// whole; `serves` what this function serves of it.
pub(crate) fn follower(
    environment: &Environment,
    account: &Account,
    host: &Arc<Host>,
    (package, serves): (&App, Release),
    (values, metrics): (&Arc<ConfigCache>, &Arc<Metrics>),
) -> anyhow::Result<Option<Arc<Follower>>> {
    let Some(published) = &environment.releases else { return Ok(None) };
    let keys = TrustedKeys::of_stage(&keys(&environment.package)?, &environment.stage);
    let terms = rollout::host_profile(keys, package.clone()).context("no release is compiled for this machine")?;
    let options = FollowOptions { terms, host: environment.name.clone(), poll_interval: environment.poll_interval };
    let hooks = hooks(environment.function.clone(), Arc::clone(host), Arc::clone(values), Arc::clone(metrics));
    let store = store(environment, account, published)?;
    Ok(Some(Follower::new(Arc::clone(host), serves, store, options, hooks)))
}

fn store(
    environment: &Environment,
    account: &Account,
    published: &Published,
) -> anyhow::Result<Arc<dyn ReleaseReader>> {
    Ok(match published {
        Published::Folder(folder) => Arc::new(FolderStore::open(folder)?),
        Published::Aws { tables, bucket } => {
            let endpoints = &environment.endpoints;
            let store = account.releases(tables, bucket, endpoints.dynamodb.as_deref(), endpoints.s3.as_deref());
            Arc::new(Cached::new(Arc::new(store), CACHE_DIR, CACHE_BYTES))
        }
    })
}

/// The keys in the package; a package without any trusts none.
fn keys(package: &Path) -> anyhow::Result<Keys> {
    let path: PathBuf = package.join(folder::KEYS_FILE);
    let context = || format!("cannot read the keys in `{}`", path.display());
    match fs::read(&path) {
        Ok(json) => serde_json::from_slice(&json).with_context(context),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Keys::default()),
        Err(error) => Err(error).with_context(context),
    }
}

/// Leaves of an app what a function serves: the other half would be loaded for nothing.
pub(crate) fn select(app: &mut App, function: &Function) {
    match function {
        Function::Handler { .. } => app.authorizer = None,
        Function::Authorizer => app.routes.clear(),
    }
}

/// Every configuration name that something of an app is granted.
pub(crate) fn config_names(app: &App) -> BTreeSet<String> {
    let routes = app.routes.values().map(|route| &route.grants);
    let grants = routes.chain(app.authorizer.iter().map(|authorizer| &authorizer.grants));
    grants.flat_map(|grants| grants.config.iter().cloned()).collect()
}

/// Reduces releases to what this function serves, reads their configuration, and counts what happens to them.
fn hooks(function: Function, host: Arc<Host>, config: Arc<ConfigCache>, metrics: Arc<Metrics>) -> RolloutHooks {
    RolloutHooks {
        select: Box::new(move |app| select(app, &function)),
        prepare: Box::new(move |release, deadline| {
            let names = config_names(&release.app);
            let host = Arc::clone(&host);
            let config = Arc::clone(&config);
            Box::pin(async move {
                let added = config.add(names, &host, deadline).await;
                added.map_err(|error| {
                    format!("{error:#}; hint: the role may read those of the app that was deployed: make deploy")
                })
            })
        }),
        on_event: Box::new(move |event| match event {
            RolloutEvent::Swapped { stable, .. } => log::set_release(stable.clone()),
            RolloutEvent::Refused(release) => metrics.happened("ReleaseFailures", release),
            RolloutEvent::Halted(release) => metrics.happened("CanaryHalts", release),
            _ => {}
        }),
    }
}
