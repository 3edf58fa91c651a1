//! The guest programs of `tests/guests`, built and compiled once for all tests.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

use tidegate_compile::{Compiler, Triple};

/// The guest's component.
pub(crate) fn wasm(name: &str) -> Vec<u8> {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(build);
    let path = BUILT.join(format!("guest_{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// The guest's artifact for this machine.
pub(crate) fn artifact(name: &str) -> PathBuf {
    static COMPILED: LazyLock<Mutex<HashMap<String, PathBuf>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap();
    let compile = || {
        let artifact = format!("{name}.cwasm");
        once_in_a_run(&dir().join(format!("{artifact}.run")), || {
            let compiler = Compiler::new(Triple::host().unwrap()).unwrap();
            write(&artifact, &compiler.compile(&wasm(name)).unwrap());
        });
        dir().join(artifact)
    };
    compiled.entry(name.to_owned()).or_insert_with(compile).clone()
}

/// Writes a file for the tests. Artifacts may be mapped, so an old one is replaced and never rewritten.
pub(crate) fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let dir = dir();
    let path = dir.join(name);
    let new = dir.join(format!("{name}.{}", std::process::id()));
    std::fs::write(&new, bytes).unwrap();
    std::fs::rename(&new, &path).unwrap();
    path
}

fn dir() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("artifacts");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn build() -> PathBuf {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests");
    let target = guests.join("target");
    std::fs::create_dir_all(&target).unwrap();
    once_in_a_run(&target.join("tests.run"), || {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2", "--manifest-path"])
            .arg(guests.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .status()
            .unwrap();
        assert!(status.success(), "the guest programs do not build; hint: `rustup target add wasm32-wasip2`");
    });
    target.join("wasm32-wasip2/release")
}

/// Does work for all tests of a run. nextest starts a process for each test: the first one works, and the others wait.
/// `record` is a file that names the run. Without nextest, each process does the work.
fn once_in_a_run(record: &Path, work: impl FnOnce()) {
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_default();
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(record).unwrap();
    file.lock().unwrap();
    let done = std::io::read_to_string(&file).unwrap();
    if run.is_empty() || done != run {
        work();
        file.set_len(0).unwrap();
        file.rewind().unwrap();
        file.write_all(run.as_bytes()).unwrap();
    }
}
