//! Components at and above the limits of an instance.

use std::collections::BTreeMap;

use tidegate_app::{App, Grants};
use tidegate_compile::{Compiler, Triple};
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_release::{Artifact, Release};
use tidegate_runtime::engine::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};
use tidegate_runtime::{Engine, EngineOptions, Error, Incompatibility, Refusal, dry_run_link};

use crate::fixture::{app_of, release, route};

/// Returns a number in LEB128.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let more = number >> 7 != 0;
        bytes.push(u8::try_from(number & 0x7f).unwrap() | if more { 0x80 } else { 0 });
        number >>= 7;
        if !more {
            return bytes;
        }
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], leb(content.len()), content.to_vec()].concat()
}

/// Returns a core module with tables of `elements`, and with memories of one page. `flags` are those of a memory.
fn module(tables: usize, elements: usize, memories: usize, flags: u8, pages: usize) -> Vec<u8> {
    let table = [vec![0x70, 0x00], leb(elements)].concat();
    let memory = [vec![flags], leb(pages)].concat();
    let tables = section(4, &[leb(tables), table.repeat(tables)].concat());
    let memories = section(5, &[leb(memories), memory.repeat(memories)].concat());
    [b"\0asm\x01\0\0\0".to_vec(), tables, memories].concat()
}

/// Returns a component that instantiates a core module several times.
fn component(module: &[u8], instances: usize) -> Vec<u8> {
    // Each instance has no arguments.
    let instances = [leb(instances), [0, 0, 0].repeat(instances)].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module), section(2, &instances)].concat()
}

/// Returns the refusals of a release with one component, on an engine with these options.
fn refusals(options: EngineOptions, component: &[u8]) -> Vec<Refusal> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.cwasm");
    let artifact = Compiler::new(Triple::host().unwrap()).unwrap().compile(component).unwrap();
    std::fs::write(&file, artifact).unwrap();
    let app: App = app_of([("chat", route("echo", Grants::default(), false))]);
    let artifacts = BTreeMap::from([("echo".to_owned(), Artifact::File(file))]);
    let release = Release { artifacts, ..release(app) };
    match dry_run_link(&Engine::new(options).unwrap(), &release).unwrap_err() {
        Error::Refused(refusals) => refusals,
        error => panic!("{error}"),
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap()
}

/// Returns the limits that a component exceeds: the kind, its number, and the limit.
fn exceeded(refusals: &[Refusal]) -> Vec<(&'static str, u64, u64)> {
    let limits = refusals.iter().filter_map(|refusal| match &refusal.reason {
        Incompatibility::TooLarge { what, needed, limit } => Some((*what, *needed, *limit)),
        _ => None,
    });
    limits.collect()
}

#[test]
fn composed_components_within_the_limits_are_not_too_large() {
    let (memories, tables) = (size(MAX_MEMORIES), size(MAX_TABLES));
    for (module, instances) in [
        (module(0, 0, memories, 0, 1), 1),
        (module(0, 0, 1, 0, 1), memories),
        (module(tables, 10, 0, 0, 0), 1),
        (module(1, MAX_TABLE_ELEMENTS, 1, 0, 1), memories),
        (module(0, 0, 0, 0, 0), size(MAX_CORE_INSTANCES)),
        // 64-bit memories.
        (module(1, 1, 2, 4, 1), 1),
    ] {
        for options in [EngineOptions::pooling(1), EngineOptions::on_demand(1)] {
            // The component has no handler, and no other problem.
            let refusals = refusals(options, &component(&module, instances));
            let [refusal] = &refusals[..] else { panic!("{refusals:?}") };
            assert!(matches!(refusal.reason, Incompatibility::WrongWorld { .. }), "{refusal}");
        }
    }
}

#[test]
fn components_above_a_limit_are_refused_with_the_limit_and_their_number() {
    let (memories, tables) = (size(MAX_MEMORIES), size(MAX_TABLES));
    let elements = MAX_TABLE_ELEMENTS;
    for (module, instances, expected) in [
        (module(0, 0, memories + 1, 0, 1), 1, ("linear memories", 9, 8)),
        (module(0, 0, 3, 0, 1), 3, ("linear memories", 9, 8)),
        (module(0, 0, 9, 4, 1), 1, ("linear memories", 9, 8)),
        (module(tables + 1, 1, 0, 0, 0), 1, ("tables", 65, 64)),
        (module(33, 1, 0, 0, 0), 2, ("tables", 66, 64)),
        (module(1, elements + 1, 0, 0, 0), 1, ("elements of one table", 50_001, 50_000)),
        (module(0, 0, 1, 0, 8_193), 1, ("bytes of initial memory", 536_936_448, 536_870_912)),
    ] {
        for options in [EngineOptions::pooling(1), EngineOptions::on_demand(1)] {
            let refusals = refusals(options, &component(&module, instances));
            assert_eq!(exceeded(&refusals), [expected], "{refusals:?}");
            let diagnostic = Diagnostic::from(Error::Refused(refusals));
            assert!(diagnostic.why.contains(&format!("needs {} {}", expected.1, expected.0)), "{diagnostic:?}");
            assert!(!diagnostic.hint.unwrap().contains("compile it again"));
        }
    }
}

#[test]
fn components_above_a_limit_that_only_the_pool_knows_are_refused_with_its_words() {
    let module = module(0, 0, 0, 0, 0);
    let refusals = refusals(EngineOptions::pooling(1), &component(&module, size(MAX_CORE_INSTANCES) + 1));
    let diagnostic = Diagnostic::from(Error::Refused(refusals));
    assert_eq!(diagnostic.code, Code::ComponentTooLarge);
    assert!(diagnostic.why.contains("257 core module instances") && diagnostic.why.contains("256"), "{diagnostic:?}");
}
