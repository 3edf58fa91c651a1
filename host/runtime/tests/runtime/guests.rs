//! The guest programs of `tests/guests`, built and compiled once for all tests.

use std::collections::HashMap;
use std::fs::File;
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
        let compiler = Compiler::new(Triple::host().unwrap()).unwrap();
        write(&format!("{name}.cwasm"), &compiler.compile(&wasm(name)).unwrap())
    };
    compiled.entry(name.to_owned()).or_insert_with(compile).clone()
}

/// Writes a file for the tests. Artifacts may be mapped, so an old one is replaced and never rewritten.
pub(crate) fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("artifacts");
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(name);
    let new = dir.join(format!("{name}.{}", std::process::id()));
    std::fs::write(&new, bytes).unwrap();
    std::fs::rename(&new, &path).unwrap();
    path
}

fn build() -> PathBuf {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests");
    let target = guests.join("target");
    std::fs::create_dir_all(&target).unwrap();
    // Test processes run side by side. The first one builds, and the others wait for it.
    let lock = File::create(target.join("tests.lock")).unwrap();
    lock.lock().unwrap();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2", "--manifest-path"])
        .arg(guests.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .status()
        .unwrap();
    assert!(status.success(), "the guest programs do not build; hint: `rustup target add wasm32-wasip2`");
    target.join("wasm32-wasip2/release")
}
