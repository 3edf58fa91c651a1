//! Compilation, and the errors of files that cannot be compiled.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use tidegate_compile::{Compiler, Error, Triple, inspect};
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_runtime::{Incompatibility, Role, engine};

#[path = "../../runtime/tests/runtime/guests.rs"]
#[allow(dead_code, reason = "shared with the tests of `runtime`, which use all of it")]
mod guests;

const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn components_are_compiled_for_every_target() {
    let component = guests::wasm("echo");
    let artifacts = Triple::ALL.map(|triple| Compiler::new(triple).unwrap().compile(&component).unwrap());
    for artifact in &artifacts {
        let kind = wasmtime::Engine::detect_precompiled(artifact);
        assert!(matches!(kind, Some(wasmtime::Precompiled::Component)), "{kind:?}");
    }
    assert_ne!(artifacts[0], artifacts[1]);
}

#[test]
fn compiling_is_reproducible() {
    let compiler = Compiler::new(Triple::host().unwrap()).unwrap();
    let component = guests::wasm("echo");
    assert_eq!(compiler.compile(&component), compiler.compile(&component));
}

#[test]
fn triples_round_trip_through_text() {
    for triple in Triple::ALL {
        assert_eq!(triple.to_string().parse(), Ok(triple));
    }
    let error = "riscv64gc-unknown-linux-gnu".parse::<Triple>().unwrap_err();
    assert_eq!(error, Error::UnknownTriple("riscv64gc-unknown-linux-gnu".to_owned()));
    let hint = Diagnostic::from(error).hint.unwrap();
    assert!(Triple::ALL.iter().all(|triple| hint.contains(triple.as_str())), "{hint}");
}

#[test]
fn files_that_are_not_components_are_described() {
    let compiler = Compiler::new(Triple::host().unwrap()).unwrap();
    for (bytes, found) in [
        (&b""[..], "empty"),
        (CORE_MODULE, "core module"),
        (b"\0asm\x63\0\0\0", "unknown version"),
        (b"  (component)", "text"),
        (b"(module)", "text"),
        (b"#!/bin/sh", "not WebAssembly"),
    ] {
        for error in [inspect(bytes).unwrap_err(), compiler.compile(bytes).unwrap_err()] {
            assert!(matches!(&error, Error::NotAComponent { found: actual } if actual.contains(found)), "{error}");
            let diagnostic = Diagnostic::from(error);
            assert_eq!(diagnostic.code, Code::NotAComponent);
            assert!(diagnostic.hint.unwrap().contains("`wasm32-wasip2`"));
        }
    }
}

#[test]
fn damaged_components_are_rejected() {
    let compiler = Compiler::new(Triple::host().unwrap()).unwrap();
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

/// Returns a component that consists of one core module or of one section.
fn component_of(section: &[u8]) -> Vec<u8> {
    [EMPTY_COMPONENT, section].concat()
}

/// Returns a core module with these sections as a section of a component.
fn module_of(sections: &[u8]) -> Vec<u8> {
    let module = [CORE_MODULE, sections].concat();
    [vec![1, u8::try_from(module.len()).unwrap()], module].concat()
}

#[test]
fn proposals_that_hosts_do_not_enable_are_named_with_the_switch_of_the_tool() {
    let compiler = Compiler::new(Triple::host().unwrap()).unwrap();
    for (component, name, switch) in [
        // A shared memory.
        (component_of(&module_of(&[5, 4, 1, 3, 1, 1])), "threads", "`-pthread`"),
        // A function type, and a tag of it.
        (component_of(&module_of(&[1, 4, 1, 0x60, 0, 0, 13, 3, 1, 0, 0])), "exceptions", "`-fno-exceptions`"),
        // An empty struct type.
        (component_of(&module_of(&[1, 3, 1, 0x5f, 0])), "GC", "garbage collector"),
        // A memory with pages of one byte.
        (component_of(&module_of(&[5, 4, 1, 8, 1, 0])), "custom page sizes", "page"),
        // The type of an async function without parameters and results.
        (component_of(&[7, 5, 1, 0x43, 0, 1, 0]), "async functions", "WASI 0.2"),
    ] {
        let error = compiler.compile(&component).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{name}: {error}");
        assert_eq!(error.code(), Code::ComponentCompileFailed);
        let diagnostic = Diagnostic::from(error);
        assert!(diagnostic.why.contains(name), "{diagnostic:?}");
        assert!(diagnostic.hint.as_ref().unwrap().contains(switch), "{diagnostic:?}");
    }
}

/// A release names its engine, so a host rejects a release of another engine before it loads an artifact.
#[test]
fn the_engine_id_has_the_locked_version_of_wasmtime() {
    let lock = include_str!("../../../Cargo.lock");
    let (_, rest) = lock.split_once("name = \"wasmtime\"\nversion = \"").unwrap();
    let (version, _) = rest.split_once('"').unwrap();
    assert!(engine::id().starts_with(&format!("wasmtime-{version}/")), "{}", engine::id());
}

/// If this test fails, hosts load other artifacts than before: increment the number in `engine::id`, and update the
/// fingerprints here.
#[test]
fn the_engine_id_changes_with_the_configuration() {
    assert!(engine::id().ends_with("/2"), "{}", engine::id());
    let fingerprints = Triple::ALL.map(|triple| Compiler::new(triple).unwrap().fingerprint());
    assert_eq!(fingerprints, FINGERPRINTS);
}

/// The fingerprints of the engine `/2`, in the order of the targets.
const FINGERPRINTS: [u64; 2] = [16_931_352_978_219_759_391, 355_238_793_717_696_271];
