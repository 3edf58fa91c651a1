//! The crates that the bootstrap is linked from, as cargo resolves them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use tidegate_compile::Triple;
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_files::Links;
use tokio::process::Command;

use crate::ui::error::Result;

/// The fields of a line of `cargo tree`: the crate, and its licence.
const FORMAT: &str = "{p}\t{l}";
/// The maximum size of a lock file, in bytes. One of 400 crates has a hundredth of it.
const MAX_LOCK_BYTES: u64 = 10 << 20;
/// The mark of a crate whose dependencies are on an earlier line.
const REPEATED: &str = " (*)";

/// A version of a crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CrateId {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// The facts about a crate that a bill of materials lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Crate {
    /// The licence as an SPDX expression, or an empty text.
    pub(crate) license: String,
    /// The SHA-256 of the crate's archive in the registry. A crate of Tidegate has none.
    pub(crate) checksum: Option<String>,
    pub(crate) dependencies: BTreeSet<CrateId>,
}

/// The crates of a binary. The standard library is not one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crates {
    /// The crate that contains the binary.
    pub(crate) root: CrateId,
    pub(crate) all: BTreeMap<CrateId, Crate>,
    /// The version of Rust, whose standard library is linked too.
    pub(crate) rust: String,
}

/// A lock file of cargo.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl fmt::Display for CrateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// Lists the crates that `package` is linked from for `target`. Procedural macros and build scripts run at build time,
/// so they are not listed. `sources` is the folder of the workspace.
///
/// # Errors
/// Cargo cannot list them.
pub(crate) async fn of(package: &str, target: Triple, sources: &Path) -> Result<Crates> {
    let edges = "normal,no-proc-macro";
    let options = ["tree", "--locked", "--package", package, "--edges", edges, "--prefix", "depth", "--format", FORMAT];
    let tree = output("cargo", &[&options[..], &["--target", target.as_str()]].concat(), sources).await?;
    let rust = output("rustc", &["--version"], sources).await?;
    let lock = tidegate_files::read_text(&sources.join("Cargo.lock"), MAX_LOCK_BYTES, Links::Follow);
    let lock = lock.map_err(|error| cannot_list(&format!("cannot read `Cargo.lock`: {error}")))?;
    read(&tree, &lock, &rust).ok_or_else(|| cannot_list("the output of `cargo tree` has another form"))
}

/// Returns what a program prints.
async fn output(program: &str, arguments: &[&str], dir: &Path) -> Result<String> {
    let mut command = Command::new(program);
    // The bootstrap is built without these flags, which select crates too.
    command.args(arguments).current_dir(dir).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let done = command.env("CARGO_TERM_COLOR", "never").kill_on_drop(true).output().await;
    let done = done.map_err(|error| cannot_list(&format!("cannot start `{program}`: {error}")))?;
    if !done.status.success() {
        return Err(cannot_list(String::from_utf8_lossy(&done.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn cannot_list(why: &str) -> Diagnostic {
    Diagnostic::new(Code::BootstrapBuildFailed, "cannot list the crates of the bootstrap", why)
}

/// Reads the tree, the lock file and the version of Rust. Each line of the tree begins with its depth.
fn read(tree: &str, lock: &str, rust: &str) -> Option<Crates> {
    let lock: Lock = toml::from_str(lock).ok()?;
    let checksums = lock
        .package
        .into_iter()
        .filter_map(|Locked { name, version, checksum }| Some((CrateId { name, version }, checksum?)));
    let mut checksums: BTreeMap<_, _> = checksums.collect();
    let mut all: BTreeMap<CrateId, Crate> = BTreeMap::new();
    let mut path: Vec<CrateId> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let line = line.trim_end_matches(REPEATED);
        let (found, license) = line.split_once('\t')?;
        let digits = found.find(|character: char| !character.is_ascii_digit())?;
        let (depth, found) = found.split_at(digits);
        path.truncate(depth.parse().ok()?);
        let mut words = found.split(' ');
        let name = words.next()?.to_owned();
        let id = CrateId { name, version: words.next()?.strip_prefix('v')?.to_owned() };
        if let Some(parent) = path.last().and_then(|parent| all.get_mut(parent)) {
            parent.dependencies.insert(id.clone());
        }
        let checksum = checksums.remove(&id);
        let entry = all.entry(id.clone()).or_insert_with(|| Crate { checksum, ..Crate::default() });
        // Before SPDX expressions, a slash meant a choice.
        entry.license = license.replace('/', " OR ");
        path.push(id);
    }
    Some(Crates { root: path.into_iter().next()?, all, rust: rust.split(' ').nth(1)?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> CrateId {
        let (name, version) = text.split_once('@').unwrap();
        CrateId { name: name.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn crates_of_a_tree_have_licences_checksums_and_dependencies() {
        let tree = "0host v0.1.0 (file:///src/host)\tApache-2.0\n1a v1.0.0\tMIT/Apache-2.0\n2c v2.0.0\tMIT\n\
            1b v1.1.0\t\n2c v2.0.0\tMIT (*)\n2c v3.0.0-rc.1+x\tMIT\n1a v1.0.0\tMIT/Apache-2.0 (*)\n";
        let lock = "version = 4\n[[package]]\nname = 'a'\nversion = '1.0.0'\nchecksum = 'aa'\n\
            [[package]]\nname = 'host'\nversion = '0.1.0'\n\
            [[package]]\nname = 'macro'\nversion = '1.0.0'\nchecksum = '0'";
        let crates = read(tree, lock, "rustc 1.95.0 (abc 2026-01-01)\n").unwrap();
        assert_eq!((&crates.root, crates.rust.as_str()), (&id("host@0.1.0"), "1.95.0"));
        let names: Vec<_> = crates.all.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["a@1.0.0", "b@1.1.0", "c@2.0.0", "c@3.0.0-rc.1+x", "host@0.1.0"]);
        let a = &crates.all[&id("a@1.0.0")];
        assert_eq!((a.license.as_str(), a.checksum.as_deref()), ("MIT OR Apache-2.0", Some("aa")));
        assert_eq!(a.dependencies, [id("c@2.0.0")].into());
        assert_eq!(crates.all[&id("b@1.1.0")].dependencies, [id("c@2.0.0"), id("c@3.0.0-rc.1+x")].into());
        assert_eq!(crates.all[&crates.root].dependencies, [id("a@1.0.0"), id("b@1.1.0")].into());
        assert_eq!(crates.all[&crates.root].checksum, None);
    }

    #[tokio::test]
    async fn crates_of_the_function_are_linked_and_locked() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let crates = of("tidegate-lambda", Triple::X86_64Linux, &sources).await.unwrap();
        let names: BTreeSet<_> = crates.all.keys().map(|id| id.name.as_str()).collect();
        for linked in ["tidegate-lambda", "tidegate-runtime", "tokio", "wasmtime", "ring", "serde"] {
            assert!(names.contains(linked), "`{linked}` is missing");
        }
        for other in ["tidegate-cli", "tidegate-gateway", "cranelift-codegen", "serde_derive", "criterion", "cc"] {
            assert!(!names.contains(other), "`{other}` is not linked");
        }
        for (id, found) in &crates.all {
            assert_eq!(found.checksum.is_none(), id.name.starts_with("tidegate-"), "{id}");
            assert!(found.dependencies.iter().all(|id| crates.all.contains_key(id)), "{id}");
        }
        assert!(crates.rust.starts_with(env!("CARGO_PKG_RUST_VERSION")), "{}", crates.rust);
    }

    #[test]
    fn trees_of_another_form_are_refused() {
        for tree in ["", "host v0.1.0\tMIT", "0host\tMIT", "0host v0.1.0", "0host 0.1.0\tMIT", "0\tMIT"] {
            assert_eq!(read(tree, "package = []", "rustc 1.95.0"), None, "{tree}");
        }
    }
}
