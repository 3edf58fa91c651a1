//! `tidegate package`: an app and the host as the zip of a Lambda function.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tidegate_app::{App, Keys, Manifest};
use tidegate_compile::Triple;
use tidegate_release::folder;
use tidegate_release::folder::{APP_FILE, ARTIFACT_EXTENSION, COMPONENTS_DIR, ID_FILE, KEYS_FILE};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::build::{self, bootstrap, built, check};
use crate::ui::output::out;
use crate::{args, keys};

/// The host, as Lambda looks for it.
const BOOTSTRAP: &str = "bootstrap";
/// The fingerprint of the routing, in a line, which the stack records.
const FINGERPRINT_FILE: &str = "routing-fingerprint";
/// The best that deflate does: a package is made seldom and loaded often.
const COMPRESSION_LEVEL: i64 = 9;
const FILE_MODE: u32 = 0o644;
const PROGRAM_MODE: u32 = 0o755;

/// The content of a package: each file's bytes and mode, by its path in the zip.
type Files = BTreeMap<String, (Vec<u8>, u32)>;

/// Builds the app for `target`, and prints the path of the package.
///
/// # Errors
/// When the app is at fault, the bootstrap cannot be built, or the file cannot be written; what was there is then still
/// there.
pub(crate) async fn run(args: &args::Package) -> Result<()> {
    let manifest = Manifest::load(&args.app.dir)?;
    let target: Triple = args.target.into();
    // A host of this machine says now what one on Lambda would say at its start.
    check::checked(&manifest).await?;
    let dir = build::state_dir(&manifest).join("package").join(target.as_str());
    let components = built::read(&manifest)?;
    let id = built::release_id(&manifest, &components);
    let artifacts = build::compile(&manifest, components, target).await?;
    let release = folder::write(&dir, &id, &manifest.app(), &artifacts)?;
    let bootstrap = bootstrap::read(args.bootstrap.as_deref(), target).await?;
    let output = match &args.output {
        Some(path) => path.clone(),
        None => build::state_dir(&manifest).join(format!("{}-{}.zip", manifest.name(), args.target)),
    };
    let files = files(&dir, (&release.app, manifest.keys()), artifacts, bootstrap)?;
    write(&output, &files).with_context(|| format!("cannot write the package `{}`", output.display()))?;
    out!("{}", output.display());
    Ok(())
}

/// What the package of a release consists of.
fn files(
    dir: &Path,
    (app, keys): (&App, &Keys),
    artifacts: BTreeMap<String, Vec<u8>>,
    bootstrap: Vec<u8>,
) -> Result<Files> {
    let mut files = Files::new();
    files.insert(BOOTSTRAP.to_owned(), (bootstrap, PROGRAM_MODE));
    for name in [APP_FILE, ID_FILE] {
        let path = dir.join(name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        files.insert(name.to_owned(), (bytes, FILE_MODE));
    }
    files.insert(FINGERPRINT_FILE.to_owned(), (format!("{}\n", app.routing_fingerprint()).into_bytes(), FILE_MODE));
    files.insert(KEYS_FILE.to_owned(), (keys::trusted(keys), FILE_MODE));
    for (name, artifact) in artifacts {
        files.insert(format!("{COMPONENTS_DIR}/{name}.{ARTIFACT_EXTENSION}"), (artifact, FILE_MODE));
    }
    Ok(files)
}

/// Writes the zip beside `path`, and puts it there in one step. Equal files make equal bytes: they are in the order of
/// their paths, and all from the first day that a zip knows.
fn write(path: &Path, files: &Files) -> Result<()> {
    let parent = parent(path);
    fs::create_dir_all(&parent)?;
    let mut temporary = tempfile::NamedTempFile::new_in(&parent)?;
    let mut zip = ZipWriter::new(temporary.as_file_mut());
    for (name, (bytes, mode)) in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(COMPRESSION_LEVEL))
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(*mode);
        zip.start_file(name, options)?;
        zip.write_all(bytes)?;
    }
    zip.finish()?.sync_all()?;
    readable(temporary.as_file())?;
    temporary.persist(path)?;
    Ok(())
}

/// A temporary file is its maker's alone; a package has the usual permissions.
fn readable(file: &File) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.set_permissions(fs::Permissions::from_mode(FILE_MODE))?)
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
