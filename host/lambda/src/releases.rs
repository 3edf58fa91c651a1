//! The rollout of published releases to the running function: the store of the releases, and the part of each release
//! that the function serves.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use tidegate_app::{App, Keys};
use tidegate_aws::Account;
use tidegate_diagnostic::{Code, Context as _, Diagnose as _, Diagnostic};
use tidegate_files::Links;
use tidegate_release::store::ReleaseReader;
use tidegate_release::store::cached::Cached;
use tidegate_release::store::fs::FolderStore;
use tidegate_release::{Release, TrustedKeys, folder};
use tidegate_runtime::rollout::{self, RolloutEvent};
use tidegate_runtime::{FollowOptions, Follower, Host, RolloutHooks};

use crate::config_cache::ConfigCache;
use crate::environment::{Environment, Function, ReleaseSource};
use crate::log;
use crate::metrics::Metrics;

/// The folder that keeps artifacts for later processes in the same environment, and for a rollback.
const CACHE_DIR: &str = "/tmp/tidegate-artifacts";
/// The maximum size of the cached artifacts in Lambda's 512 MB of `/tmp`, in bytes.
const CACHE_BYTES: u64 = 128 << 20;

/// The maximum size of the file of trusted keys, in bytes. A key has about 150 bytes.
const MAX_KEYS_BYTES: u64 = 1 << 20;

/// Returns the follower of published releases, or `None` if the environment does not name their store. The host runs
/// `release`, the release of the package.
pub(crate) fn follower(
    environment: &Environment,
    account: &Account,
    host: &Arc<Host>,
    release: Release,
    hooks: RolloutHooks,
) -> Result<Option<Arc<Follower>>, Diagnostic> {
    let Some(source) = &environment.releases else { return Ok(None) };
    let keys = TrustedKeys::of_stage(&keys(&environment.package)?, &environment.stage);
    let profile = rollout::host_profile(keys, release.declared_app.clone());
    let profile = profile
        .ok_or_else(|| Diagnostic::new(Code::MachineUnsupported, "no release is compiled for this machine", ""))?;
    let options = FollowOptions { profile, host: environment.name.clone(), poll_interval: environment.poll_interval };
    let store = store(environment, account, source)?;
    Ok(Some(Follower::new(Arc::clone(host), release, store, options, hooks)))
}

fn store(
    environment: &Environment,
    account: &Account,
    source: &ReleaseSource,
) -> Result<Arc<dyn ReleaseReader>, Diagnostic> {
    Ok(match source {
        ReleaseSource::Folder(folder) => {
            let store = FolderStore::open(folder);
            Arc::new(store.context(|| format!("cannot open the folder of releases `{}`", folder.display()))?)
        }
        ReleaseSource::Aws { tables, bucket } => {
            let endpoints = &environment.endpoints;
            let store = account.releases(tables, bucket, endpoints.dynamodb.as_deref(), endpoints.s3.as_deref());
            Arc::new(Cached::new(Arc::new(store), CACHE_DIR, CACHE_BYTES))
        }
    })
}

/// Reads the trusted keys of the package. If the package has no such file, no key is trusted.
fn keys(package: &Path) -> Result<Keys, Diagnostic> {
    let path = package.join(folder::KEYS_FILE);
    let what = || format!("cannot read the trusted keys `{}`", path.display());
    match tidegate_files::read(&path, MAX_KEYS_BYTES, Links::RefuseBelow(package)) {
        Ok(json) => serde_json::from_slice(&json).diagnose(Code::FunctionKeysRead, what),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Keys::default()),
        Err(error) => Err(error).diagnose(Code::FunctionKeysRead, what),
    }
}

/// Removes the part of an app that the function does not serve.
pub(crate) fn select(app: &mut App, function: &Function) {
    match function {
        Function::Handler { .. } => app.authorizer = None,
        Function::Authorizer => app.routes.clear(),
    }
}

/// Returns the configuration names that the routes and the authorizer are granted.
pub(crate) fn config_names(app: &App) -> BTreeSet<String> {
    let routes = app.routes.values().map(|route| &route.grants);
    let grants = routes.chain(app.authorizer.iter().map(|authorizer| &authorizer.grants));
    grants.flat_map(|grants| grants.config.iter().cloned()).collect()
}

/// Returns the hooks of this function: they reduce releases to the part that it serves, read their configuration, and
/// count the events of the rollout.
pub(crate) fn hooks(
    function: &Function,
    host: &Arc<Host>,
    config: &Arc<ConfigCache>,
    metrics: &Arc<Metrics>,
) -> RolloutHooks {
    let function = function.clone();
    let host = Arc::clone(host);
    let config = Arc::clone(config);
    let metrics = Arc::clone(metrics);
    RolloutHooks {
        select: Box::new(move |app| select(app, &function)),
        prepare: Box::new(move |release, deadline| {
            let names = config_names(&release.app);
            let host = Arc::clone(&host);
            let config = Arc::clone(&config);
            Box::pin(async move {
                let added = config.add(names, &host, deadline).await;
                added.map_err(|error| {
                    error.hint("the role may read the values of the deployed app: run `make deploy` before activating")
                })
            })
        }),
        on_event: Box::new(move |event| match event {
            RolloutEvent::Swapped { stable, .. } => log::set_release(stable.clone()),
            RolloutEvent::Refused(release) => metrics.count_release_event("ReleaseFailures", release),
            RolloutEvent::Halted(release) => metrics.count_release_event("CanaryHalts", release),
            _ => {}
        }),
    }
}
