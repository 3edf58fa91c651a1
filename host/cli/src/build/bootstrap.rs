//! The host's binary for a Lambda function: one that was built, or built here from Tidegate's sources.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use tidegate_compile::Triple;
use tokio::process::Command;

use crate::build::shell;
use crate::ui::progress::Progress;

/// The sources that this command line was built from.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The version of glibc in `provided.al2023`.
///
/// <https://docs.aws.amazon.com/linux/al2023/ug/glibc-gcc-and-binutils.html>
const GLIBC: &str = "2.34";
/// The profile of the root workspace that is made for it.
const PROFILE: &str = "lambda";

/// The bytes of the bootstrap at `path`, or of the one that is built here for `target`.
///
/// # Errors
/// When it cannot be read or built, or is for another CPU.
pub(crate) async fn read(path: Option<&Path>, target: Triple) -> Result<Vec<u8>> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => build(target).await?,
    };
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read the bootstrap `{}`", path.display()))?;
    match machine(&bytes) {
        Some(found) if found == target => Ok(bytes),
        Some(found) => bail!("the bootstrap `{}` is for `{found}`, and the package for `{target}`", path.display()),
        None => bail!(
            "`{}` is no executable for Linux on x86-64 or arm64; hint: without `--bootstrap` it is built here",
            path.display()
        ),
    }
}

/// What an ELF header says of its machine.
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

/// Builds the bootstrap with zig as the linker and the C compiler, so that any machine builds for both targets and for
/// Lambda's glibc.
async fn build(target: Triple) -> Result<PathBuf> {
    let sources = std::fs::canonicalize(SOURCES).with_context(|| {
        format!(
            "cannot find Tidegate's sources in `{SOURCES}`, where this command was built; hint: give `--bootstrap FILE`"
        )
    })?;
    let target_dir = sources.join("target");
    let progress = Progress::start("building", &format!("bootstrap for {target}"));
    let mut command = Command::new("cargo-zigbuild");
    command.args(["zigbuild", "--locked", "--package", "tidegate-lambda", "--profile", PROFILE]);
    command.arg("--target").arg(format!("{target}.{GLIBC}")).arg("--target-dir").arg(&target_dir);
    command.arg("--config").arg(remap(&sources, target));
    // They would take the place of the flags given above.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").current_dir(&sources);
    shell::complete(command).await.map_err(|error| hint(error, target))?;
    progress.done();
    Ok(target_dir.join(target.as_str()).join(PROFILE).join("bootstrap"))
}

/// The setting that keeps the folders of this machine out of the binary, so that it is the same from any.
fn remap(sources: &Path, target: Triple) -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).unwrap_or_default();
    let flag = |from: &Path, to: &str| format!("'--remap-path-prefix={}={to}'", from.display());
    let flags = [flag(sources, "tidegate"), flag(&home, "cargo")].join(",");
    format!("target.{target}.rustflags=[{flags}]")
}

fn hint(error: anyhow::Error, target: Triple) -> anyhow::Error {
    let missing = error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound);
    let hint = match missing {
        true => "hint: `pip install cargo-zigbuild ziglang` brings it, or give `--bootstrap FILE`".to_owned(),
        false => format!("hint: it needs `rustup target add {target}`, and `pip install ziglang`"),
    };
    anyhow!("cannot build the bootstrap with `cargo-zigbuild`: {error:#}; {hint}")
}
