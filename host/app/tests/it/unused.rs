//! Names that nothing uses.

use std::collections::BTreeSet;

use tidegate_app::Manifest;
use tidegate_app::unused::{config_name, env_names};

use crate::support::{CHAT, folder};

fn unused(text: &str) -> Vec<(String, String)> {
    let manifest = Manifest::load(folder(text).path()).unwrap();
    manifest.unused().into_iter().map(|unused| (unused.text, unused.hint)).collect()
}

fn known(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn manifests_without_unused_names_are_silent() {
    assert_eq!(unused(CHAT), []);
    // `tidegate token` reads this value.
    assert_eq!(unused(&CHAT.replace("motd = \"hello\"", "jwt-secret = \"x\"")), []);
}

#[test]
fn configuration_values_that_no_route_is_granted_are_reported() {
    for (name, suggested) in
        [("mtod", "`motd`?"), ("MOTD", "`motd`?"), ("jwt_secret", "`jwt-secret`?"), ("zzz", "grants.config")]
    {
        let found = unused(&CHAT.replace("motd = \"hello\"", &format!("{name} = \"hello\"")));
        assert!(found.len() == 1 && found[0].0.contains(&format!("`config.{name}`")), "{found:?}");
        assert!(found[0].1.contains(suggested), "{found:?}");
        assert!(!format!("{found:?}").contains("hello"));
    }
}

#[test]
fn routes_that_a_static_expression_never_selects_are_reported() {
    let found = unused(&CHAT.replace("\"$request.body.action\"", "\"ping\""));
    assert!(found.len() == 1 && found[0].0.contains("`routes.chat`"), "{found:?}");
    assert_eq!(unused(&CHAT.replace("\"$request.body.action\"", "\"chat\"")), []);
}

#[test]
fn mistyped_stages_of_keys_are_reported() {
    for (stage, suggested) in [("production", "`prod`?"), ("staging", "`stage`?"), ("Dev", "`dev`?")] {
        let found = unused(&CHAT.replace("stages = [\"dev\", \"prod\"]", &format!("stages = [\"{stage}\"]")));
        assert!(found.len() == 1 && found[0].0.contains("`keys.ci.stages`"), "{found:?}");
        assert!(found[0].1.contains(suggested), "{found:?}");
    }
    // A stage of the user's own.
    assert_eq!(unused(&CHAT.replace("stages = [\"dev\", \"prod\"]", "stages = [\"laptop\"]")), []);
}

#[test]
fn limits_that_a_deployed_function_does_not_reach_are_reported() {
    for (from, to, named) in [
        ("memory = \"96MiB\"", "memory = \"512MiB\"", "`routes.chat.limits.memory`"),
        ("time = \"500ms\"", "time = \"6s\"", "`authorizer.limits.time`"),
        ("time = \"500ms\"", "memory = \"200MiB\"", "`authorizer.limits.memory`"),
    ] {
        let found = unused(&CHAT.replace(from, to));
        assert!(found.len() == 1 && found[0].0.contains(named), "{found:?}");
    }
    assert_eq!(unused(&CHAT.replace("time = \"500ms\"", "time = \"5s\"")), []);
}

#[test]
fn names_of_an_env_file_set_the_values_that_the_app_reads() {
    for (name, known_name, set) in [
        ("API_KEY", "api-key", true),
        ("api_key", "api-key", true),
        ("Api-Key", "api-key", true),
        // Values whose own names do not follow the convention.
        ("API_KEY", "api_key", true),
        ("api_key", "api_key", true),
        ("apiKey", "apiKey", true),
        ("APIKEY", "apiKey", true),
        ("v1.2", "v1.2", true),
        ("apiKey", "api-key", false),
        ("API__KEY", "api-key", false),
        ("APIKEY", "api-key", false),
    ] {
        let known = known(&[known_name]);
        assert_eq!(config_name(name, &known), set.then_some(known_name), "{name}");
    }
    // The exact name comes first.
    let both = known(&["api-key", "api_key"]);
    assert_eq!((config_name("api_key", &both), config_name("API_KEY", &both)), (Some("api_key"), Some("api-key")));
}

#[test]
fn names_of_an_env_file_that_set_nothing_are_reported_with_the_nearest_name() {
    let known = known(&["api-key", "jwt-secret", "motd"]);
    for (name, suggested) in
        [("apiKey", "`API_KEY`?"), ("JWTSECRET", "`JWT_SECRET`?"), ("MOTDD", "`MOTD`?"), ("PATH", "grants.config")]
    {
        let found = env_names([name].into_iter(), &known);
        assert!(found.len() == 1 && found[0].text.contains(&format!("`{name}`")), "{found:?}");
        assert!(found[0].hint.contains(suggested), "{found:?}");
    }
    assert_eq!(env_names(["API_KEY", "MOTD"].into_iter(), &known), []);
    let twice = env_names(["API_KEY", "api-key"].into_iter(), &known);
    assert!(twice.len() == 1 && twice[0].text.contains("`api-key` again"), "{twice:?}");
}
