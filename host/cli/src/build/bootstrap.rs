//! The binary of the Lambda function: a prebuilt one, or one that is built here from Tidegate's sources.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tidegate_compile::Triple;
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_files::Links;
use tokio::process::Command;

use crate::build::crates::{self, Crates};
use crate::build::shell::{self, Failure};
use crate::ui::error::Result;
use crate::ui::progress::Progress;

/// The sources that this command line was built from.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The version of glibc in `provided.al2023`.
///
/// <https://docs.aws.amazon.com/linux/al2023/ug/glibc-gcc-and-binutils.html>
const GLIBC: &str = "2.34";
/// The maximum size of a bootstrap, in bytes: that of an unzipped package on Lambda.
const MAX_BYTES: u64 = 250 << 20;
/// The Cargo profile of the function.
const PROFILE: &str = "lambda";
/// The crate that contains the function.
const PACKAGE: &str = "tidegate-lambda";

/// The binary of the Lambda function.
pub(crate) struct Bootstrap {
    pub(crate) bytes: Vec<u8>,
    /// The crates that it is linked from. `None` if it was built elsewhere.
    pub(crate) crates: Option<Crates>,
}

/// Reads the bootstrap at `path`, or builds one for `target`.
///
/// # Errors
/// The bootstrap cannot be read or built, or is for another CPU.
pub(crate) async fn read(path: Option<&Path>, target: Triple) -> Result<Bootstrap> {
    let (path, crates) = match path {
        Some(path) => (path.to_owned(), None),
        None => {
            let sources = sources()?;
            (build(target, &sources).await?, Some(crates::of(PACKAGE, target, &sources).await?))
        }
    };
    let what = || format!("cannot use the bootstrap `{}`", path.display());
    let bytes = tidegate_files::read(&path, MAX_BYTES, Links::Follow).diagnose(Code::BootstrapMissing, what)?;
    match machine(&bytes) {
        Some(found) if found == target => Ok(Bootstrap { bytes, crates }),
        Some(found) => {
            let why = format!("it is built for `{found}`, and the package is for `{target}`");
            Err(Diagnostic::new(Code::BootstrapInvalid, what(), why))
        }
        None => Err(Diagnostic::new(Code::BootstrapInvalid, what(), "not a Linux executable for x86-64 or arm64")
            .hint("leave out `--bootstrap`: the command then builds one")),
    }
}

/// Returns the CPU in an ELF header.
///
/// <https://gabi.xinuos.com/elf/02-eheader.html>
fn machine(bytes: &[u8]) -> Option<Triple> {
    let header = bytes.get(..20)?;
    match (header.starts_with(b"\x7fELF"), header.get(18..)?) {
        (true, [0x3e, 0]) => Some(Triple::X86_64Linux),
        (true, [0xb7, 0]) => Some(Triple::Aarch64Linux),
        _ => None,
    }
}

/// Returns the folder of Tidegate's sources.
fn sources() -> Result<PathBuf> {
    let what = || format!("cannot find Tidegate's sources in `{SOURCES}`, where this command was built");
    let sources = std::fs::canonicalize(SOURCES).diagnose(Code::BootstrapBuildFailed, what);
    sources.map_err(|error| error.hint("pass `--bootstrap FILE`"))
}

/// Builds the bootstrap. Zig is the linker and the C compiler, so any machine can build for both targets and for
/// Lambda's glibc.
async fn build(target: Triple, sources: &Path) -> Result<PathBuf> {
    let target_dir = sources.join("target");
    let progress = Progress::start("building", &format!("bootstrap for {target}"));
    let mut command = Command::new("cargo-zigbuild");
    command.args(["zigbuild", "--locked", "--package", PACKAGE, "--profile", PROFILE]);
    command.arg("--target").arg(format!("{target}.{GLIBC}")).arg("--target-dir").arg(&target_dir);
    command.arg("--config").arg(remap(sources, target));
    // These variables would replace the flags above.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").current_dir(sources);
    shell::complete(command, &progress).await.map_err(|failure| build_error(failure, target))?;
    progress.done();
    Ok(target_dir.join(target.as_str()).join(PROFILE).join("bootstrap"))
}

/// Returns the setting that keeps the paths of this machine out of the binary, so that every machine builds the same
/// bytes.
fn remap(sources: &Path, target: Triple) -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).unwrap_or_default();
    let flag = |from: &Path, to: &str| format!("'--remap-path-prefix={}={to}'", from.display());
    let flags = [flag(sources, "tidegate"), flag(&home, "cargo")].join(",");
    format!("target.{target}.rustflags=[{flags}]")
}

fn build_error(failure: Failure, target: Triple) -> Diagnostic {
    let missing = matches!(&failure, Failure::Start(error) if error.kind() == ErrorKind::NotFound);
    let hint = match missing {
        true => "install it with `pip install cargo-zigbuild ziglang`, or pass `--bootstrap FILE`".to_owned(),
        false => format!("install what it needs with `rustup target add {target}` and `pip install ziglang`"),
    };
    let error = failure.into_diagnostic("`cargo-zigbuild`").context("cannot build the bootstrap");
    Diagnostic { code: Code::BootstrapBuildFailed, ..error }.hint(hint)
}
