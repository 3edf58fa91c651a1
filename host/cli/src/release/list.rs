//! `tidegate release list`: the releases that are published.

use anyhow::{Context, Result};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tidegate_event::Timestamp;
use tidegate_release::{Envelope, ReleaseId, ReleaseManifest, RolloutState};

use crate::args;
use crate::release::backend::{Target, deadline};
use crate::release::render as text;

/// How many releases are read at a time.
const CONCURRENCY: usize = 8;

/// A release, as far as it can be read.
struct Listed {
    id: ReleaseId,
    published_at: Timestamp,
    read: Result<(ReleaseManifest, Vec<String>)>,
}

/// Prints the releases, the newest first.
///
/// # Errors
/// When the store fails.
pub(crate) async fn run(args: &args::Anywhere) -> Result<()> {
    let target = Target::find(&args.app, &args.place).await?;
    let pointer = target.pointer().await?;
    let releases = target.store.list(deadline()).await.context("cannot list the releases")?;
    let read = |(id, published_at)| {
        let target = &target;
        async move {
            let read = target.envelope(&id).await.and_then(|envelope| read(target, &envelope));
            Listed { id, published_at, read }
        }
    };
    // Made before they are polled: a stream of closures that borrow would not be `Send`.
    let releases: Vec<_> = releases.into_iter().map(read).collect();
    let mut releases: Vec<_> = stream::iter(releases).buffer_unordered(CONCURRENCY).collect().await;
    releases.sort_by_key(|release| std::cmp::Reverse(release.published_at));
    if args.json {
        let releases: Vec<_> = releases.iter().map(|release| release.json(&pointer)).collect();
        text::print_json(&json!({ "releases": releases }));
        return Ok(());
    }
    let rows: Vec<_> = releases.iter().map(|release| release.row(&pointer)).collect();
    text::print_table(["RELEASE", "CREATED", "REVISION", "SIGNED BY", ""], &rows);
    Ok(())
}

fn read(target: &Target, envelope: &Envelope) -> Result<(ReleaseManifest, Vec<String>)> {
    let signers = envelope.signers().map(|key| target.key_name(&key.to_string()));
    Ok((envelope.unverified()?, signers.collect()))
}

impl Listed {
    fn json(&self, pointer: &RolloutState) -> Value {
        let mut json = json!({
            "id": self.id,
            "published-at": self.published_at,
            "active": self.is_active(pointer),
            "canary": self.is_canary(pointer),
            "pruning": pointer.pruning.contains(&self.id),
        });
        let more = match &self.read {
            Ok((document, signers)) => json!({ "provenance": document.provenance, "signed-by": signers }),
            Err(error) => json!({ "problem": format!("{error:#}") }),
        };
        if let (Value::Object(json), Value::Object(more)) = (&mut json, more) {
            json.extend(more);
        }
        json
    }

    fn row(&self, pointer: &RolloutState) -> [String; 5] {
        let marks = [
            (self.is_active(pointer), "active"),
            (self.is_canary(pointer), "canary"),
            (pointer.pruning.contains(&self.id), "being removed"),
        ];
        let mut marks: Vec<_> = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| (*mark).to_owned()).collect();
        let id = self.id.to_string();
        match &self.read {
            Ok((document, signers)) => {
                let made = &document.provenance;
                let revision = text::revision(made.revision.as_deref());
                [id, text::time(made.created_at), revision, signers.join(", "), marks.join(", ")]
            }
            Err(error) => {
                marks.push(format!("cannot be read: {error:#}"));
                let none = || text::NONE.to_owned();
                [id, text::time(self.published_at), none(), none(), marks.join(", ")]
            }
        }
    }

    fn is_active(&self, pointer: &RolloutState) -> bool {
        pointer.active.as_ref() == Some(&self.id)
    }

    fn is_canary(&self, pointer: &RolloutState) -> bool {
        pointer.canary.as_ref().is_some_and(|canary| canary.release == self.id)
    }
}
