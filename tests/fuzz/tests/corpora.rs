//! Every kept input has its property.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tidegate_fuzz::PROPERTIES;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Checks the kept inputs of one property. The name of the last input that is printed is that of the broken one.
#[track_caller]
fn replay(name: &str) {
    let (_, property) = PROPERTIES.iter().find(|(known, _)| *known == name).expect("the property is listed");
    let mut inputs: Vec<_> =
        fs::read_dir(folder("corpus").join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 8, "{name} has {} kept inputs", inputs.len());
    property(b"");
    for input in inputs {
        println!("{}", input.display());
        property(&fs::read(&input).unwrap());
    }
}

macro_rules! replays {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })+

        const REPLAYED: &[&str] = &[$(stringify!($name)),+];
    };
}

replays! {
    connections_path
    document
    envelope
    event
    frames
    http_head
    manifest
    release_manifest
    selection
}

#[test]
fn each_property_has_a_target_and_kept_inputs() {
    let properties: BTreeSet<_> = PROPERTIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(REPLAYED.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), properties);
    assert_eq!(names(&folder("targets/fuzz_targets")), properties);
    assert_eq!(names(&folder("corpus")), properties);
}
