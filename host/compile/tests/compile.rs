//! Components in, artifacts and clear errors out.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking"
)]

use tidegate_compile::{Compiler, Error, Target, inspect};
use tidegate_runtime::{Incompatibility, Role, engine};

#[path = "../../runtime/tests/runtime/guests.rs"]
#[allow(dead_code, reason = "shared with the tests of `runtime`, which use all of it")]
mod guests;

const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn a_component_is_compiled_for_every_target() {
    let component = guests::wasm("echo");
    let artifacts = Target::ALL.map(|target| Compiler::new(target).unwrap().compile(&component).unwrap());
    for artifact in &artifacts {
        let kind = wasmtime::Engine::detect_precompiled(artifact);
        assert!(matches!(kind, Some(wasmtime::Precompiled::Component)), "{kind:?}");
    }
    assert_ne!(artifacts[0], artifacts[1]);
}

#[test]
fn compiling_is_reproducible() {
    let compiler = Compiler::new(Target::host().unwrap()).unwrap();
    let component = guests::wasm("echo");
    assert_eq!(compiler.compile(&component), compiler.compile(&component));
}

#[test]
fn targets_are_named_by_triple() {
    for target in Target::ALL {
        assert_eq!(target.to_string().parse(), Ok(target));
    }
    let error = "riscv64gc-unknown-linux-gnu".parse::<Target>().unwrap_err();
    assert_eq!(error, Error::UnknownTarget("riscv64gc-unknown-linux-gnu".to_owned()));
    assert!(Target::ALL.iter().all(|target| error.to_string().contains(target.triple())), "{error}");
}

#[test]
fn what_is_no_component_is_named() {
    let compiler = Compiler::new(Target::host().unwrap()).unwrap();
    for (bytes, found) in [
        (&b""[..], "empty"),
        (CORE_MODULE, "core module"),
        (b"\0asm\x63\0\0\0", "unknown version"),
        (b"  (component)", "text"),
        (b"(module)", "text"),
        (b"#!/bin/sh", "not WebAssembly at all"),
    ] {
        for error in [inspect(bytes).unwrap_err(), compiler.compile(bytes).unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains(found) && text.contains("hint: build for `wasm32-wasip2`"), "{text}");
        }
    }
}

#[test]
fn a_damaged_component_is_refused() {
    let compiler = Compiler::new(Target::host().unwrap()).unwrap();
    let whole = guests::wasm("echo");
    let half = &whole[..whole.len() / 2];
    assert!(matches!(inspect(half), Err(Error::Malformed(_))));
    assert!(matches!(compiler.compile(half), Err(Error::Compile { .. })));
}

#[test]
fn interfaces_are_read_with_their_versions() {
    let probe = inspect(&guests::wasm("probe")).unwrap();
    assert_eq!(probe.exports, ["tidegate:route/handler@0.1.0"]);
    for interface in ["storage", "connections", "messaging", "types"] {
        assert!(probe.imports.contains(&format!("tidegate:route/{interface}@0.1.0")), "{:?}", probe.imports);
    }
    assert!(probe.imports.contains(&"wasi:config/store@0.2.0-rc.1".to_owned()));
    assert_eq!(probe.check_world(), Ok(()));

    let both = inspect(&guests::wasm("both")).unwrap();
    assert!(both.exports(Role::Route) && both.exports(Role::Authorizer));

    let newer = inspect(&guests::wasm("newer")).unwrap().check_world().unwrap_err();
    assert_eq!(newer, Incompatibility::WrongVersion { interface: "tidegate:route/handler@0.2.0".to_owned() });
    let stranger = inspect(&guests::wasm("stranger")).unwrap().check_world().unwrap_err();
    assert!(matches!(stranger, Incompatibility::WrongWorld { .. }), "{stranger}");
    let empty = inspect(EMPTY_COMPONENT).unwrap().check_world().unwrap_err();
    assert_eq!(empty, Incompatibility::WrongWorld { exports: "nothing".to_owned() });
}

/// Releases name their engine, so that a host refuses those of another before it loads anything of them.
#[test]
fn an_engine_is_named_by_the_version_that_is_locked() {
    let lock = include_str!("../../../Cargo.lock");
    let (_, rest) = lock.split_once("name = \"wasmtime\"\nversion = \"").unwrap();
    let (version, _) = rest.split_once('"').unwrap();
    assert!(engine::id().starts_with(&format!("wasmtime-{version}/")), "{}", engine::id());
}

/// When this fails, what hosts load has changed: count the number in `engine::id` up, and write the new fingerprints here.
#[test]
fn the_name_of_an_engine_changes_with_its_configuration() {
    assert!(engine::id().ends_with("/1"), "{}", engine::id());
    let fingerprints = Target::ALL.map(|target| Compiler::new(target).unwrap().fingerprint());
    assert_eq!(fingerprints, FINGERPRINTS);
}

/// Those of the engine `/1`, by target in order.
const FINGERPRINTS: [u64; 2] = [16_931_352_978_219_759_391, 355_238_793_717_696_271];
