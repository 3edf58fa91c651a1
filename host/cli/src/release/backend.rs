//! The store of releases: a folder, or a deployed stage.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_app::{App, Keys, Manifest};
use tidegate_aws::stack::{Query, Stack};
use tidegate_diagnostic::{Code, Context as _, Diagnostic};
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::keys::KeyId;
use tidegate_release::rollout::{Action, Change, Halt, RolloutError};
use tidegate_release::store::fs::FolderStore;
use tidegate_release::store::{Consistency, ReleaseWriter};
use tidegate_release::{Envelope, ReleaseId, ReleaseManifest, RolloutState, StoreError, TrustedKeys};

use crate::args::{ReleaseRef, StoreArgs, StoreLocation};
use crate::build;
use crate::release::render;
use crate::ui::error::Result;

/// The time limit of one call to a store.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The folder of releases inside the state folder of the app.
const RELEASES_DIR: &str = "releases";

/// A store of releases, and the app that is deployed there.
pub(crate) struct StoreBackend {
    /// The store, for reading and writing.
    pub(crate) store: Arc<dyn ReleaseWriter>,
    /// The app that the hosts were deployed with. `None` if nothing is deployed.
    pub(crate) deployed: Option<App>,
    /// The command that deploys the app again.
    pub(crate) redeploy: &'static str,
    /// The operator, for the history.
    pub(crate) who: String,
    /// The name of the app.
    pub(crate) app: String,
    /// Every key in the manifest.
    pub(crate) keys: Keys,
    /// The keys that the hosts trust.
    pub(crate) trusted: TrustedKeys,
}

/// The treatment of a missing folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Creates the folder.
    Create,
    /// Fails, because the name may be misspelt, and a missing folder has no releases.
    Refuse,
}

/// Returns the default folder of an app's releases.
pub(crate) fn default_dir(manifest: &Manifest) -> PathBuf {
    build::state::path(manifest).join(RELEASES_DIR)
}

/// Returns the deadline of a call to a store that begins now.
pub(crate) fn deadline() -> Deadline {
    Deadline::after(CALL_TIMEOUT)
}

impl StoreBackend {
    /// Opens the store that the arguments name. A missing folder is an error.
    ///
    /// # Errors
    /// There is no app or no store, or the stage is not deployed.
    pub(crate) async fn find(args: &StoreArgs) -> Result<Self> {
        Self::open(&Manifest::load(&args.app)?, &args.location, Missing::Refuse).await
    }

    /// Opens the store of an app.
    ///
    /// # Errors
    /// The folder cannot be used, or the stage is not deployed.
    pub(crate) async fn open(manifest: &Manifest, location: &StoreLocation, missing: Missing) -> Result<Self> {
        match &location.stage {
            Some(stage) => Self::stage(manifest, stage, location).await,
            None => Self::folder(manifest, location, missing),
        }
    }

    fn folder(manifest: &Manifest, location: &StoreLocation, missing: Missing) -> Result<Self> {
        let dir = match (&location.store, missing) {
            (Some(dir), _) => dir.clone(),
            (None, Missing::Create) => build::state::prepare(manifest)?.join(RELEASES_DIR),
            (None, Missing::Refuse) => {
                let dir = default_dir(manifest);
                if dir.exists() {
                    build::state::prepare(manifest)?;
                }
                dir
            }
        };
        let what = || format!("cannot open the releases in `{}`", dir.display());
        if missing == Missing::Refuse && !dir.is_dir() {
            return Err(Diagnostic::new(Code::ReleasesMissing, what(), "no such folder").hint(
                "publish a release with `tidegate release create`, name another folder with `--store DIR`, or name a \
                 stage on AWS with `--stage STAGE`",
            ));
        }
        let store = FolderStore::open(&dir).context(what)?;
        let deployed = store.deployed().context(what)?;
        Ok(Self {
            deployed,
            store: Arc::new(store),
            redeploy: "start `tidegate dev --releases` again",
            who: user_at_host(),
            app: manifest.name().to_owned(),
            keys: manifest.keys().clone(),
            trusted: TrustedKeys::of_stage(manifest.keys(), &location.trust),
        })
    }

    async fn stage(manifest: &Manifest, stage: &str, location: &StoreLocation) -> Result<Self> {
        let query = Query {
            app: manifest.name(),
            stage,
            profile: location.profile.as_deref(),
            region: location.region.as_deref(),
        };
        let found = Stack::find(&query, deadline()).await?;
        Ok(Self {
            store: Arc::new(found.store),
            deployed: Some(found.app),
            redeploy: "run `make deploy`",
            who: found.who,
            app: manifest.name().to_owned(),
            keys: manifest.keys().clone(),
            trusted: TrustedKeys::of_stage(manifest.keys(), stage),
        })
    }

    /// Reads the rollout state.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn rollout_state(&self) -> Result<RolloutState> {
        let state = self.store.rollout_state(Consistency::Strong, deadline()).await;
        state.context(|| "cannot read the rollout state")
    }

    /// Reads the halt of the canary.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn halt(&self, state: &RolloutState) -> Result<Option<Halt>> {
        let Some(canary) = &state.canary else { return Ok(None) };
        let halt = self.store.halt(canary.run, deadline()).await;
        halt.context(|| "cannot read the halt of the canary")
    }

    /// Reads the history, the newest change first.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn history(&self, limit: usize) -> Result<Vec<Change>> {
        self.store.history(limit, deadline()).await.context(|| "cannot read the history")
    }

    /// Reads a published release.
    ///
    /// # Errors
    /// The release does not exist, or is not valid.
    pub(crate) async fn envelope(&self, release: &ReleaseId) -> Result<Envelope> {
        let what = || format!("cannot read the release `{release}`");
        let envelope = self.store.envelope(release, deadline()).await.context(what)?;
        Envelope::parse(&envelope).context(what)
    }

    /// Reads the manifest of a published release, without verifying it.
    ///
    /// # Errors
    /// The same as for [`envelope`](Self::envelope).
    pub(crate) async fn release_manifest(&self, release: &ReleaseId) -> Result<ReleaseManifest> {
        unverified(release, &self.envelope(release).await?)
    }

    /// Returns the release that the reference names.
    ///
    /// # Errors
    /// No release, or more than one, has this name.
    pub(crate) async fn resolve(&self, reference: &ReleaseRef, state: &RolloutState) -> Result<ReleaseId> {
        let digits = match reference {
            ReleaseRef::Active => return Ok(state.active.clone().ok_or(RolloutError::NothingActive)?),
            ReleaseRef::Canary => {
                let canary = state.canary.as_ref().ok_or(RolloutError::NoCanary)?;
                return Ok(canary.release.clone());
            }
            ReleaseRef::Deployed => {
                let why = "it is not published, and can only be compared with `tidegate release diff`";
                return Err(Diagnostic::new(
                    Code::ReleaseNotPublished,
                    "cannot use the deployed app as a release",
                    why,
                ));
            }
            ReleaseRef::Digits(digits) => digits,
        };
        // The caller reads the release, and reports an error if it does not exist.
        if let Ok(id) = digits.parse() {
            return Ok(id);
        }
        let what = || format!("cannot find the release `{digits}`");
        let releases = self.store.list(deadline()).await.context(what)?;
        let found: Vec<_> = releases.into_keys().filter(|id| id.as_str().starts_with(digits.as_str())).collect();
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(Diagnostic::new(Code::StoreNotFound, what(), "no release id starts with these digits")
                .hint("list the releases with `tidegate release list`")),
            several => {
                let several: Vec<_> = several.iter().map(|id| format!("`{id}`")).collect();
                let why = format!("several release ids start with these digits: {}", several.join(", "));
                Err(Diagnostic::new(Code::ReleaseAmbiguous, what(), why).hint("give more digits"))
            }
        }
    }

    /// Replaces the rollout state `state` with `next`, and returns the new entry in the history.
    ///
    /// # Errors
    /// Another operator changed the rollout state first, or the store fails.
    pub(crate) async fn compare_and_set(
        &self,
        state: &RolloutState,
        next: &RolloutState,
        action: Action,
        why: Option<String>,
    ) -> Result<Change> {
        let change = state.change(next, action, Timestamp::now(), self.who.clone(), why);
        let what = "cannot change the rollout";
        match self.store.compare_and_set(next, &change, deadline()).await {
            Ok(()) => Ok(change),
            Err(StoreError::Conflict(failure)) => Err(self.conflict(what, &failure.why).await),
            Err(StoreError::Unavailable(failure)) => {
                let why = format!("{failure}; it is unknown whether the change was made");
                Err(Diagnostic::new(Code::RolloutOutcomeUnknown, what, why)
                    .hint("check the outcome with `tidegate release status`"))
            }
            Err(error) => Err(Diagnostic::from(error).context(what)),
        }
    }

    async fn conflict(&self, what: &str, reason: &str) -> Diagnostic {
        let last = self.history(1).await.ok().and_then(|changes| changes.into_iter().next());
        let why = match last {
            Some(change) => format!("`{}` was first: {}", change.who, describe_change(&change)),
            None => format!("another operator was first: {reason}"),
        };
        Diagnostic::new(Code::RolloutConflict, what, why).hint("look at `tidegate release status`, and decide again")
    }

    /// Returns the name in the manifest of the key with the id `key`, or the id if the manifest does not list the key.
    pub(crate) fn key_name(&self, key: &str) -> String {
        let named = self.keys.0.iter().find(|(_, known)| KeyId::of(&known.public_key).to_string() == key);
        named.map_or_else(|| key.to_owned(), |(name, _)| name.clone())
    }
}

/// Returns the manifest in an envelope, without verifying it.
///
/// # Errors
/// The manifest is not valid.
pub(crate) fn unverified(release: &ReleaseId, envelope: &Envelope) -> Result<ReleaseManifest> {
    envelope.unverified().context(|| format!("cannot read the release `{release}`"))
}

/// Returns a sentence about a change: its effect, time and reason.
pub(crate) fn describe_change(change: &Change) -> String {
    let why = change.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let effect = describe_effect(change);
    format!("{effect} at {}{why}, which made generation {}", render::time(change.at), change.generation)
}

/// Returns a sentence about the effect of a change.
pub(crate) fn describe_effect(change: &Change) -> String {
    let to = change.to.as_ref().map_or("the bundled release".to_owned(), |to| format!("`{to}`"));
    match (change.action, &change.canary) {
        (Action::Activate, _) => format!("{to} became active"),
        (Action::Canary, Some(canary)) => format!("`{}` became the canary for {}", canary.release, canary.weight),
        (Action::Canary, None) => "a canary began".to_owned(),
        (Action::Promote, _) => format!("the canary {to} was promoted"),
        (Action::Rollback, _) if change.from == change.to => "the canary was ended".to_owned(),
        (Action::Rollback, _) => format!("{to} became active again"),
        (Action::Prune, _) => "releases were pruned".to_owned(),
    }
}

/// Returns the user and the machine, for the history of a folder.
fn user_at_host() -> String {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    format!("{user}@{}", rustix::system::uname().nodename().to_string_lossy())
}
