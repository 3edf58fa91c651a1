//! Whose releases: those of a folder, or of a deployed stage.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tidegate_app::{App, Keys, Manifest};
use tidegate_aws::stack::{Query, Stack};
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::keys::KeyId;
use tidegate_release::rollout::{Action, Change, Halt};
use tidegate_release::store::fs::FolderStore;
use tidegate_release::store::{Consistency, ReleaseWriter};
use tidegate_release::{Envelope, ReleaseId, RolloutState, StoreError, TrustedKeys};

use crate::args::{Name, Place};
use crate::build;
use crate::release::render as text;

/// How long one call of a store may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The folder of releases, in that of what Tidegate makes of an app.
const RELEASES_DIR: &str = "releases";

/// Where releases are, with what serves from there.
pub(crate) struct Target {
    /// The store.
    pub(crate) store: Arc<dyn ReleaseWriter>,
    /// The app that the hosts were deployed with; none where nothing was deployed.
    pub(crate) deployed: Option<App>,
    /// What deploys the app anew.
    pub(crate) redeploy: &'static str,
    /// Who changes it, for history.
    pub(crate) who: String,
    /// The app's name.
    pub(crate) app: String,
    /// Every key that the manifest knows.
    pub(crate) keys: Keys,
    /// The keys that the hosts trust.
    pub(crate) trusted: TrustedKeys,
}

/// What to do about a folder that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Make it.
    Make,
    /// Say so: it may be misspelt, and it has no releases.
    Refuse,
}

/// The folder of an app's releases, unless another is named.
pub(crate) fn default_dir(manifest: &Manifest) -> PathBuf {
    build::state_dir(manifest).join(RELEASES_DIR)
}

/// The time by which a store answers.
pub(crate) fn deadline() -> Deadline {
    Deadline::after(CALL_TIMEOUT)
}

impl Target {
    /// The releases of the app in the folder `app`.
    ///
    /// # Errors
    /// When there is no app, or nothing that could have releases.
    pub(crate) async fn find(app: &Path, place: &Place) -> Result<Self> {
        Self::open(&Manifest::load(app)?, place, Missing::Refuse).await
    }

    /// The releases of this app.
    ///
    /// # Errors
    /// When the folder cannot be used, or the stage is not deployed.
    pub(crate) async fn open(manifest: &Manifest, place: &Place, missing: Missing) -> Result<Self> {
        match &place.stage {
            Some(stage) => Self::stage(manifest, stage, place).await,
            None => Self::folder(manifest, place, missing),
        }
    }

    fn folder(manifest: &Manifest, place: &Place, missing: Missing) -> Result<Self> {
        let dir = place.store.clone().unwrap_or_else(|| default_dir(manifest));
        if missing == Missing::Refuse && !dir.is_dir() {
            bail!(
                "there are no releases in `{}`; hint: `tidegate release create` publishes one, `--store DIR` names another \
                 folder, and `--stage STAGE` a stage on AWS",
                dir.display()
            );
        }
        let store = FolderStore::open(&dir)?;
        Ok(Self {
            deployed: store.deployed()?,
            store: Arc::new(store),
            redeploy: "start `tidegate dev --releases` again",
            who: user_at_host(),
            app: manifest.name().to_owned(),
            keys: manifest.keys().clone(),
            trusted: TrustedKeys::of_stage(manifest.keys(), &place.trust),
        })
    }

    async fn stage(manifest: &Manifest, stage: &str, place: &Place) -> Result<Self> {
        let (profile, region) = (place.profile.as_deref(), place.region.as_deref());
        let query = Query { app: manifest.name(), stage, profile, region };
        let found = Stack::find(&query, deadline()).await?;
        Ok(Self {
            store: Arc::new(found.store),
            deployed: Some(found.app),
            redeploy: "make deploy",
            who: found.who,
            app: manifest.name().to_owned(),
            keys: manifest.keys().clone(),
            trusted: TrustedKeys::of_stage(manifest.keys(), stage),
        })
    }

    /// The pointer, as it is.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn pointer(&self) -> Result<RolloutState> {
        self.store.rollout_state(Consistency::Strong, deadline()).await.context("cannot read which release runs")
    }

    /// Why the canary was halted, if it was.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn halt(&self, pointer: &RolloutState) -> Result<Option<Halt>> {
        let Some(canary) = &pointer.canary else { return Ok(None) };
        self.store.halt(canary.run, deadline()).await.context("cannot read whether the canary was halted")
    }

    /// A release as it was published.
    ///
    /// # Errors
    /// When there is none, or it is none.
    pub(crate) async fn envelope(&self, release: &ReleaseId) -> Result<Envelope> {
        let envelope = self.store.envelope(release, deadline()).await?;
        Envelope::parse(&envelope).with_context(|| format!("cannot read the release `{release}`"))
    }

    /// The release of this name.
    ///
    /// # Errors
    /// When there is none, or several.
    pub(crate) async fn resolve(&self, name: &Name, pointer: &RolloutState) -> Result<ReleaseId> {
        let digits = match name {
            Name::Active => return pointer.active.clone().context("no release is active"),
            Name::Canary => {
                return pointer.canary.as_ref().map(|canary| canary.release.clone()).context("there is no canary");
            }
            Name::Deployed => bail!("what hosts were deployed with is not published, so it can only be compared"),
            Name::Digits(digits) => digits,
        };
        // Whoever reads it says whether it is there.
        if let Ok(whole) = digits.parse() {
            return Ok(whole);
        }
        let releases = self.store.list(deadline()).await.context("cannot list the releases")?;
        let found: Vec<_> = releases.into_keys().filter(|id| id.as_str().starts_with(digits.as_str())).collect();
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => bail!("there is no release `{digits}`; hint: `tidegate release list` shows those that there are"),
            several => {
                let several: Vec<_> = several.iter().map(|id| format!("`{id}`")).collect();
                bail!("several releases begin with `{digits}`: {}; hint: give more digits", several.join(", "))
            }
        }
    }

    /// Makes `next` the pointer.
    ///
    /// # Errors
    /// When somebody else moved it meanwhile, who is named, or the store fails.
    pub(crate) async fn advance(
        &self,
        pointer: &RolloutState,
        next: &RolloutState,
        action: Action,
        why: Option<String>,
    ) -> Result<Change> {
        let change = pointer.change(next, action, Timestamp::now(), self.who.clone(), why);
        match self.store.compare_and_set(next, &change, deadline()).await {
            Ok(()) => Ok(change),
            Err(StoreError::Conflict(problem)) => Err(self.moved_meanwhile(&problem.why).await),
            Err(StoreError::Unavailable(problem)) => Err(anyhow!(
                "{problem}; whether the change was made is not known; hint: `tidegate release status` shows it"
            )),
            Err(error) => Err(error.into()),
        }
    }

    async fn moved_meanwhile(&self, problem: &str) -> anyhow::Error {
        let hint = "hint: look at `tidegate release status`, and decide anew";
        let last = self.store.history(1, deadline()).await.ok().and_then(|changes| changes.into_iter().next());
        match last {
            Some(change) => anyhow!("somebody else was first, `{}`: {}; {hint}", change.who, sentence(&change)),
            None => anyhow!("somebody else was first: {problem}; {hint}"),
        }
    }

    /// How a signature's key is called: its name in the manifest, or its id.
    pub(crate) fn key_name(&self, key: &str) -> String {
        let named = self.keys.0.iter().find(|(_, known)| KeyId::of(&known.public_key).to_string() == key);
        named.map_or_else(|| key.to_owned(), |(name, _)| name.clone())
    }
}

/// What a change did, when and why.
pub(crate) fn sentence(change: &Change) -> String {
    let why = change.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!("{} at {}{why}, which made generation {}", deed(change), text::time(change.at), change.generation)
}

/// What a change did.
pub(crate) fn deed(change: &Change) -> String {
    let to = change.to.as_ref().map_or("what was deployed".to_owned(), |to| format!("`{to}`"));
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

/// The user and the machine, for the history of a folder.
fn user_at_host() -> String {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    format!("{user}@{}", rustix::system::uname().nodename().to_string_lossy())
}
