//! The revision of the sources that an app is built from.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// The suffix of a revision with uncommitted changes.
const DIRTY: &str = "-dirty";
/// The pathspecs that exclude Tidegate's own folder, which is not a source even if git does not ignore it.
const WITHOUT_STATE: [&str; 2] = [":(top)", ":(top,exclude,glob)**/.tidegate/**"];

/// Returns the commit that is checked out in the folder `dir`, with the suffix `-dirty` if there are uncommitted
/// changes. Returns `None` outside a git repository, or if git is not installed.
pub(crate) async fn of(dir: &Path) -> Option<String> {
    let head = git(dir, &["rev-parse", "HEAD"]).await?;
    let head = head.trim();
    let changes = git(dir, &[&["status", "--porcelain", "--"], WITHOUT_STATE.as_slice()].concat()).await?;
    (!head.is_empty()).then(|| format!("{head}{}", if changes.trim().is_empty() { "" } else { DIRTY }))
}

async fn git(dir: &Path, arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    // Inside a git hook these variables name the repository of the hook.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(name);
    }
    let output = git.output().await.ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(dir: &Path, arguments: &[&str]) {
        let who = ["-c", "user.name=a", "-c", "user.email=a@b.test", "-c", "commit.gpgsign=false"];
        assert!(git(dir, &[who.as_slice(), arguments].concat()).await.is_some(), "{arguments:?}");
    }

    #[tokio::test]
    async fn revisions_are_commits_with_a_mark_for_changes() {
        let dir = tempfile::tempdir().unwrap();
        let app = dir.path().join("app");
        std::fs::create_dir(&app).unwrap();
        assert_eq!(of(&app).await, None);
        run(dir.path(), &["init", "--quiet"]).await;
        assert_eq!(of(&app).await, None);
        std::fs::write(app.join("a.rs"), "1").unwrap();
        run(dir.path(), &["add", "."]).await;
        run(dir.path(), &["commit", "--quiet", "--no-verify", "-m", "a"]).await;
        let clean = of(&app).await.unwrap();
        assert_eq!((clean.len(), clean.contains('-')), (40, false));
        std::fs::create_dir(app.join(".tidegate")).unwrap();
        std::fs::write(app.join(".tidegate/app.json"), "").unwrap();
        assert_eq!(of(&app).await, Some(clean.clone()));
        std::fs::write(dir.path().join("beside.rs"), "").unwrap();
        assert_eq!(of(&app).await, Some(format!("{clean}-dirty")));
    }
}
