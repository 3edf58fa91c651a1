//! `tidegate package`: writes an app and the host as the zip file of a Lambda function.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tidegate_app::{Keys, Manifest};
use tidegate_compile::Triple;
use tidegate_diagnostic::{Code, Diagnose as _};
use tidegate_release::Release;
use tidegate_release::folder::{APP_FILE, ARTIFACT_EXTENSION, COMPONENTS_DIR, ID_FILE, KEYS_FILE};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::build::bootstrap::{self, Bootstrap};
use crate::build::{self, Artifacts, BuiltApp, check, sbom};
use crate::ui::error::Result;
use crate::ui::terminal::out;
use crate::{args, keys};

/// The file name that Lambda requires for the host.
const BOOTSTRAP: &str = "bootstrap";
/// The file that contains the routing fingerprint as one line. The stack records the fingerprint.
const FINGERPRINT_FILE: &str = "routing-fingerprint";
/// The file with the bill of materials. Scanners know the name by its ending.
const SBOM_FILE: &str = "sbom.cdx.json";
/// The highest compression level of deflate, because a package is written once and loaded often.
const COMPRESSION_LEVEL: i64 = 9;
const FILE_MODE: u32 = 0o644;
const PROGRAM_MODE: u32 = 0o755;

/// The bytes and the mode of each file, by its path in the zip file.
type Files = BTreeMap<String, (Vec<u8>, u32)>;

/// Builds the app for one CPU, and prints the path of the package.
///
/// # Errors
/// The app cannot be built, the bootstrap cannot be built, or the package cannot be written. An earlier package is kept
/// then.
pub(crate) async fn run(args: &args::Package) -> Result<()> {
    let manifest = Manifest::load(&args.app.dir)?;
    let target: Triple = args.target.into();
    // This check reports problems now that a host on Lambda would otherwise report at its start.
    let BuiltApp { release, components, artifacts } = check::checked(&manifest, Artifacts::Compiled).await?;
    let digests = sbom::digests(&components);
    let artifacts = match target == Triple::host()? {
        true => artifacts,
        false => build::compile(components, target, Artifacts::Compiled).await?,
    };
    let bootstrap = bootstrap::read(args.bootstrap.as_deref(), target).await?;
    let output = match &args.output {
        Some(path) => path.clone(),
        None => build::state::path(&manifest).join(format!("{}-{}.zip", manifest.name(), args.target)),
    };
    let sbom = sbom::write(&release, &digests, &artifacts, &bootstrap);
    let files = files(&release, manifest.keys(), artifacts, bootstrap, sbom);
    write(&output, &files).diagnose(Code::FileWrite, || format!("cannot write the package `{}`", output.display()))?;
    out!("{}", output.display());
    Ok(())
}

/// Returns the files of a package.
///
/// Nothing is read back from a folder, in which another process could have replaced it.
fn files(
    release: &Release,
    keys: &Keys,
    artifacts: BTreeMap<String, Vec<u8>>,
    bootstrap: Bootstrap,
    sbom: Vec<u8>,
) -> Files {
    let Release { id, app, .. } = release;
    let mut files = Files::new();
    files.insert(BOOTSTRAP.to_owned(), (bootstrap.bytes, PROGRAM_MODE));
    files.insert(SBOM_FILE.to_owned(), (sbom, FILE_MODE));
    files.insert(APP_FILE.to_owned(), (app.to_json().into_bytes(), FILE_MODE));
    files.insert(ID_FILE.to_owned(), (format!("{id}\n").into_bytes(), FILE_MODE));
    files.insert(FINGERPRINT_FILE.to_owned(), (format!("{}\n", app.routing_fingerprint()).into_bytes(), FILE_MODE));
    files.insert(KEYS_FILE.to_owned(), (keys::trusted(keys), FILE_MODE));
    for (name, artifact) in artifacts {
        files.insert(format!("{COMPONENTS_DIR}/{name}.{ARTIFACT_EXTENSION}"), (artifact, FILE_MODE));
    }
    files
}

/// Writes the zip file atomically. Equal files result in equal bytes: entries are sorted by path, and have the earliest
/// date that the format allows.
fn write(path: &Path, files: &Files) -> io::Result<()> {
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
    make_readable(temporary.as_file())?;
    temporary.persist(path)?;
    Ok(())
}

/// Sets the usual permissions on a temporary file, which at first only its owner can read.
fn make_readable(file: &File) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(FILE_MODE))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
