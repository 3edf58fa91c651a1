//! `tidegate release list`: the published releases.

use std::cmp::Reverse;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tidegate_diagnostic::{Context as _, Diagnostic};
use tidegate_event::Timestamp;
use tidegate_release::{Envelope, ReleaseId, ReleaseManifest, RolloutState};

use crate::args;
use crate::release::backend::{StoreBackend, deadline, unverified};
use crate::release::render;
use crate::ui::error::Result;

/// The number of releases that are read at the same time.
const CONCURRENCY: usize = 8;

/// A published release, which may be unreadable.
struct Listed {
    id: ReleaseId,
    published_at: Timestamp,
    read: Result<Signed>,
}

/// A release manifest with the names of its signers.
struct Signed {
    manifest: ReleaseManifest,
    signers: Vec<String>,
}

/// Prints the releases, the newest first.
///
/// # Errors
/// The store fails.
pub(crate) async fn run(args: &args::StoreArgs) -> Result<()> {
    let backend = StoreBackend::find(args).await?;
    let state = backend.rollout_state().await?;
    let releases = backend.store.list(deadline()).await.context(|| "cannot list the releases")?;
    let read = |(id, published_at)| {
        let backend = &backend;
        async move {
            let read = backend.envelope(&id).await.and_then(|envelope| read(backend, &id, &envelope));
            Listed { id, published_at, read }
        }
    };
    // The futures are created before the stream: a stream of closures that borrow is not `Send`.
    let releases: Vec<_> = releases.into_iter().map(read).collect();
    let mut releases: Vec<_> = stream::iter(releases).buffer_unordered(CONCURRENCY).collect().await;
    releases.sort_by_key(|release| Reverse(release.published_at));
    if args.json {
        let releases: Vec<_> = releases.iter().map(|release| release.json(&state)).collect();
        render::print_json(&json!({ "releases": releases }));
        return Ok(());
    }
    let rows: Vec<_> = releases.iter().map(|release| release.row(&state)).collect();
    render::print_table(["RELEASE", "CREATED", "REVISION", "SIGNED BY", ""], &rows);
    Ok(())
}

fn read(backend: &StoreBackend, id: &ReleaseId, envelope: &Envelope) -> Result<Signed> {
    let manifest = unverified(id, envelope)?;
    let signers = envelope.signers().map(|key| backend.key_name(&key.to_string())).collect();
    Ok(Signed { manifest, signers })
}

impl Listed {
    fn json(&self, state: &RolloutState) -> Value {
        let mut json = json!({
            "id": self.id,
            "published-at": self.published_at,
            "active": self.is_active(state),
            "canary": self.is_canary(state),
            "pruning": state.pruning.contains(&self.id),
        });
        let more = match &self.read {
            Ok(Signed { manifest, signers }) => json!({ "provenance": manifest.provenance, "signed-by": signers }),
            Err(error) => json!({ "problem": error.to_string() }),
        };
        if let (Value::Object(json), Value::Object(more)) = (&mut json, more) {
            json.extend(more);
        }
        json
    }

    fn row(&self, state: &RolloutState) -> [String; 5] {
        let marks = [
            (self.is_active(state), "active"),
            (self.is_canary(state), "canary"),
            (state.pruning.contains(&self.id), "being removed"),
        ];
        let mut marks: Vec<_> =
            marks.iter().filter(|(applies, _)| *applies).map(|(_, mark)| (*mark).to_owned()).collect();
        let id = self.id.to_string();
        match &self.read {
            Ok(Signed { manifest, signers }) => {
                let provenance = &manifest.provenance;
                let revision = render::revision(provenance.revision.as_deref());
                [id, render::time(provenance.created_at), revision, signers.join(", "), marks.join(", ")]
            }
            Err(Diagnostic { why, .. }) => {
                marks.push(format!("cannot be read: {why}"));
                let none = || render::NONE.to_owned();
                [id, render::time(self.published_at), none(), none(), marks.join(", ")]
            }
        }
    }

    fn is_active(&self, state: &RolloutState) -> bool {
        state.active.as_ref() == Some(&self.id)
    }

    fn is_canary(&self, state: &RolloutState) -> bool {
        state.canary.as_ref().is_some_and(|canary| canary.release == self.id)
    }
}
