//! Manifests through files: what a good one resolves to, and what each bad one is told.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_app::grants::{Access, Scope};
use tidegate_app::{App, Error, IdentitySource, Manifest};
use tidegate_event::RouteKey;

const CHAT: &str = r#"
[app]
name = "chat"
route-selection-expression = "$request.body.action"

[components.chat]
source = "target/wasm32-wasip2/release/chat.wasm"
build = "cargo build --release --target wasm32-wasip2 -p chat"
watch = ["chat/src/**"]

[components.guard]
source = "guard.wasm"

[routes.chat]
component = "chat"
response = true
grants.storage = { rooms = "read-write", users = "read" }
grants.connections = { describe = true, list = false, groups = ["lobby", "room-*"], attributes = "self" }
grants.messaging = { send = "self", broadcast = ["lobby", "room-*"], close = "self", describe = "any" }
grants.config = ["motd"]
limits = { memory = "96MiB", time = "1500ms" }

[routes."$connect"]
component = "chat"

[authorizer]
component = "guard"
identity-source = [
    "route.request.header.Authorization", "route.request.querystring.token", "stageVariables.a", "context.b",
]
grants.config = ["secret"]
limits = { time = "500ms" }

[config]
motd = "hello"

[keys.ci]
public-key = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
stages = ["dev", "prod"]

[keys.old]
public-key = "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="
revoked = true
"#;

/// As little as there can be, less its component.
const ONE_ROUTE: &str = "[app]\nname = 'a'\nroute-selection-expression = 'x'\n[routes.a]\ncomponent = 'b'\n";

/// A folder with `text` as its manifest.
fn folder(text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(Manifest::FILE), text).unwrap();
    dir
}

/// What is said of `text`, without the folder's path.
fn problem(text: &str) -> String {
    let dir = folder(text);
    let error = Manifest::load(dir.path()).unwrap_err().to_string();
    error.replace(&format!("{}/", dir.path().display()), "")
}

/// The good manifest with one thing changed.
fn chat(from: &str, to: &str) -> String {
    assert_eq!(CHAT.matches(from).count(), 1, "{from}");
    CHAT.replace(from, to)
}

/// A manifest with this many routes.
fn routes(count: usize) -> String {
    let routes = (0..count).map(|number| format!("[routes.r{number}]\ncomponent = 'c'\n"));
    format!(
        "[app]\nname = 'a'\nroute-selection-expression = 'x'\n[components.c]\nsource = 'c.wasm'\n{}",
        routes.collect::<String>()
    )
}

#[test]
fn as_many_routes_as_api_gateway_allows_are_taken() {
    let of_life = "[routes.'$connect']\ncomponent = 'c'\n[routes.'$disconnect']\ncomponent = 'c'\n";
    for (text, count) in [(routes(298), 298), (routes(298) + of_life, 300)] {
        assert_eq!(Manifest::load(folder(&text).path()).unwrap().app().routes.len(), count);
    }
}

#[test]
fn a_good_manifest_resolves() {
    let dir = folder(CHAT);
    let manifest = Manifest::load(dir.path()).unwrap();
    assert_eq!(Manifest::load(&dir.path().join(Manifest::FILE)).unwrap(), manifest);
    assert_eq!((manifest.name(), manifest.dir.as_path()), ("chat", dir.path()));
    let [chat, guard] = manifest.components.as_slice() else { panic!("{:?}", manifest.components) };
    assert_eq!(chat.name, "chat");
    assert_eq!(chat.source, dir.path().join("target/wasm32-wasip2/release/chat.wasm"));
    assert_eq!(chat.build.as_deref(), Some("cargo build --release --target wasm32-wasip2 -p chat"));
    assert_eq!(chat.watch, ["chat/src/**"]);
    assert_eq!((guard.name.as_str(), &guard.build, guard.watch.len()), ("guard", &None, 0));
    assert_eq!(manifest.config.get("motd").map(String::as_str), Some("hello"));

    assert_eq!(manifest.keys().0.keys().collect::<Vec<_>>(), ["ci", "old"]);
    assert_eq!(
        ["dev", "stage", "prod"].map(|stage| manifest.keys().0.values().all(|key| !key.stages.contains(stage))),
        [false, true, false]
    );

    let app = manifest.app();
    let route = &app.routes[&RouteKey::new("chat").unwrap()];
    assert!(route.response);
    assert_eq!(route.grants.storage["rooms"], Access::ReadWrite);
    assert_eq!(route.grants.storage["users"], Access::Read);
    let connections = route.grants.connections.as_ref().unwrap();
    assert_eq!((connections.describe, connections.list, connections.attributes), (true, false, Some(Scope::Own)));
    assert!(connections.groups.iter().any(|pattern| pattern.matches("room-7")));
    let messaging = route.grants.messaging.as_ref().unwrap();
    assert_eq!(messaging.send, Some(Scope::Own));
    assert_eq!(messaging.describe, Some(Scope::Any));
    assert_eq!((route.limits.memory, route.limits.time), (96 << 20, Duration::from_millis(1_500)));

    let connect = &app.routes[&RouteKey::new("$connect").unwrap()];
    assert!(!connect.response);
    assert_eq!(connect.grants, Default::default());
    assert_eq!(connect.limits, Default::default());
    let authorizer = app.authorizer.as_ref().unwrap();
    let sources = [
        IdentitySource::Header("Authorization".to_owned()),
        IdentitySource::QueryString("token".to_owned()),
        IdentitySource::StageVariable("a".to_owned()),
        IdentitySource::Context("b".to_owned()),
    ];
    assert_eq!(authorizer.identity_source, sources);
    assert_eq!((authorizer.limits.memory, authorizer.limits.time), (64 << 20, Duration::from_millis(500)));
}

#[test]
fn an_app_comes_back_from_its_json() {
    let app = Manifest::load(folder(CHAT).path()).unwrap().app();
    let json = app.to_json();
    let again = App::from_json(Path::new("app.json"), json.as_bytes()).unwrap();
    assert_eq!(again, app);
    assert_eq!(again.to_json(), json);
}

#[test]
fn who_may_sign_releases_is_not_part_of_the_app() {
    let app = |text: &str| Manifest::load(folder(text).path()).unwrap().app();
    assert_eq!(app(CHAT), app(&chat("stages = [\"dev\", \"prod\"]", "stages = []")));
}

#[test]
fn a_manifest_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("tidegate.toml")] {
        let error = Manifest::load(&path).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }));
        let file = dir.path().join("tidegate.toml");
        let hint = "`tidegate.toml` says what an app is; name it, or the folder it is in";
        assert_eq!(error.to_string(), format!("no `{}`\nhint: {hint}", file.display()));
    }
    fs::write(dir.path().join("tidegate.toml"), b"\xff").unwrap();
    let error = Manifest::load(dir.path()).unwrap_err().to_string();
    let file = dir.path().join("tidegate.toml");
    assert_eq!(error, format!("cannot read `{}`: stream did not contain valid UTF-8", file.display()));
}

#[test]
fn text_that_is_no_table() {
    assert_eq!(problem(""), "tidegate.toml:1: `app`: is missing");
    assert_eq!(problem("[app]\nname = \"a"), "tidegate.toml:2: invalid basic string, expected `\"`");
    assert_eq!(problem("[app]\nname = 'a'\nname = 'b'\n"), "tidegate.toml:3: duplicate key");
}

#[test]
fn every_problem_names_the_key_and_what_to_do() {
    for (text, said) in [
        (chat("name = \"chat\"\n", ""), "tidegate.toml:2: `app.name`: is missing"),
        (
            chat("route-selection-expression = \"$request.body.action\"", ""),
            "tidegate.toml:2: `app.route-selection-expression`: is missing\n\
             hint: `$request.body.action` is the usual one",
        ),
        (chat("[config]", "[confg]"), "tidegate.toml:34: `confg`: is no known key\nhint: did you mean `config`?"),
        (
            chat("[config]", "[zzz]"),
            "tidegate.toml:34: `zzz`: is no known key\n\
             hint: known here: `app`, `components`, `routes`, `authorizer`, `config`, `keys`",
        ),
        (
            chat("revoked = true", "revokd = true"),
            "tidegate.toml:43: `keys.old.revokd`: is no known key\n\
             hint: did you mean `revoked`?",
        ),
        (
            chat("public-key = \"MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\"", ""),
            "tidegate.toml:41: `keys.old.public-key`: is missing\n\
             hint: `tidegate keys new` prints the table of a new key",
        ),
        (
            chat("MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=", "MCow"),
            "tidegate.toml:42: `keys.old.public-key`: `MCow` is no ed25519 public key; hint: `tidegate keys new` prints \
             one, and `openssl pkey -pubout` does, without its markers",
        ),
        (
            chat("[keys.old]", "[keys.\"o.ld\"]"),
            "tidegate.toml: `keys.\"o.ld\"`: `o.ld` is no name: 1 to 64 letters, digits, `-` and `_`",
        ),
        (
            chat("stages = [\"dev\", \"prod\"]", "stages = [\"dev\", \"pr/od\"]"),
            "tidegate.toml: `keys.ci.stages`: `pr/od` is no stage: 1 to 128 letters, digits, `-` and `_`",
        ),
        (
            chat("watch = ", "wach = "),
            "tidegate.toml:9: `components.chat.wach`: is no known key\n\
             hint: did you mean `watch`?",
        ),
        (
            chat("response = true", "respond = true"),
            "tidegate.toml:16: `routes.chat.respond`: is no known key\n\
             hint: did you mean `response`?",
        ),
        (
            chat("response = true", "response = \"yes\""),
            "tidegate.toml:16: `routes.chat.response`: expected a boolean, found string \"yes\"",
        ),
        (
            chat("grants.config = [\"motd\"]", "grants.cofig = [\"motd\"]"),
            "tidegate.toml:20: `routes.chat.grants.cofig`: is no known key\n\
             hint: did you mean `config`?",
        ),
        (
            chat("rooms = \"read-write\"", "rooms = \"readwrite\""),
            "tidegate.toml:17: `routes.chat.grants.storage.rooms`: `readwrite` is no known value\n\
             hint: did you mean `read-write`?",
        ),
        (
            chat("rooms = \"read-write\"", "rooms = \"all\""),
            "tidegate.toml:17: `routes.chat.grants.storage.rooms`: `all` is no known value\n\
             hint: known here: `read`, `write`, `read-write`",
        ),
        (
            chat("rooms = \"read-write\"", "rooms = true"),
            "tidegate.toml:17: `routes.chat.grants.storage.rooms`: expected a string",
        ),
        (
            chat("rooms = \"read-write\"", "\"\" = \"read\""),
            "tidegate.toml: `routes.chat.grants.storage`: a name in it is empty",
        ),
        (
            chat("describe = true,", "descibe = true,"),
            "tidegate.toml:18: `routes.chat.grants.connections.descibe`: is no known key\n\
             hint: did you mean `describe`?",
        ),
        (
            chat("send = \"self\"", "send = \"own\""),
            "tidegate.toml:19: `routes.chat.grants.messaging.send`: `own` is no known value\n\
             hint: known here: `self`, `any`",
        ),
        (
            chat("broadcast = [\"lobby\", \"room-*\"]", "broadcast = [\"lobby\", \"r*m\"]"),
            "tidegate.toml:19: `routes.chat.grants.messaging.broadcast[1]`: `r*m` is no group pattern: a name \
             of 1 to 256 bytes, or the start of one and a final `*`",
        ),
        (
            chat("limits = { time = \"500ms\" }", "limits = true"),
            "tidegate.toml:32: `authorizer.limits`: expected a table, found boolean `true`",
        ),
        (
            chat("memory = \"96MiB\"", "memory = \"96MB\""),
            "tidegate.toml:21: `routes.chat.limits.memory`: `96MB` is no size: a whole number and KiB, MiB or \
             GiB, such as `64MiB`",
        ),
        (
            chat("memory = \"96MiB\"", "memory = \"1GiB\""),
            "tidegate.toml:21: `routes.chat.limits.memory`: `1GiB` is out of range: from 1MiB to 512MiB",
        ),
        (
            chat("memory = \"96MiB\"", "memory = 64"),
            "tidegate.toml:21: `routes.chat.limits.memory`: expected a string, found integer `64`",
        ),
        (
            chat("memory = \"96MiB\"", "handles = 5"),
            "tidegate.toml:21: `routes.chat.limits.handles`: is no known key\n\
             hint: known here: `memory`, `time`",
        ),
        (
            chat("time = \"1500ms\"", "time = \"30s\""),
            "tidegate.toml:21: `routes.chat.limits.time`: `30s` is out of range: from 10ms to 29s",
        ),
        (
            chat("time = \"1500ms\"", "time = \"1m\""),
            "tidegate.toml:21: `routes.chat.limits.time`: `1m` is no time: a whole number and ms or s, such \
             as `500ms`",
        ),
        (
            chat("\"$request.body.action\"", "\"$request.action\""),
            "tidegate.toml: `app.route-selection-expression`: `$request.action` is no variable: \
             `$request.body.NAME`, or `${request.body.NAME}` amid other text",
        ),
        (
            chat("\"$request.body.action\"", "\"$request.body.a/$request.body.b\""),
            "tidegate.toml: `app.route-selection-expression`: `$request.body.a` stands amid other text: write \
             `${request.body.a}`",
        ),
        (
            chat("name = \"chat\"", "name = \"my chat\""),
            "tidegate.toml: `app.name`: `my chat` is no name: 1 to 64 letters, digits, `-` and `_`",
        ),
        (
            chat("[components.guard]", "[components.\"gu.ard\"]"),
            "tidegate.toml: `components.\"gu.ard\"`: `gu.ard` is no name: 1 to 64 letters, digits, `-` and `_`",
        ),
        (
            chat("source = \"guard.wasm\"", ""),
            "tidegate.toml:11: `components.guard.source`: is missing\n\
             hint: name a `.wasm` file",
        ),
        (
            chat("source = \"guard.wasm\"", "source = \"\""),
            "tidegate.toml: `components.guard.source`: is empty\n\
             hint: name a `.wasm` file",
        ),
        (
            chat("source = \"guard.wasm\"", "source = \"guard.wasm\"\nbuild = \" \""),
            "tidegate.toml: `components.guard.build`: is empty\n\
             hint: remove it",
        ),
        (
            chat("component = \"guard\"", "component = \"gard\""),
            "tidegate.toml: `authorizer.component`: there is no component `gard`\n\
             hint: did you mean `guard`?",
        ),
        (
            chat("component = \"chat\"\nresponse", "component = \"cat\"\nresponse"),
            "tidegate.toml: `routes.chat.component`: there is no component `cat`\n\
             hint: did you mean `chat`?",
        ),
        (chat("component = \"chat\"\nresponse", "response"), "tidegate.toml:14: `routes.chat.component`: is missing"),
        (
            chat("component = \"guard\"", "component = \"chat\""),
            "tidegate.toml: `components.guard`: no route and no authorizer uses it\n\
             hint: use it or remove it",
        ),
        (
            chat("[routes.\"$connect\"]", "[routes.\"$conect\"]"),
            "tidegate.toml: `routes.\"$conect\"`: only API Gateway's own route keys start with `$`\n\
             hint: did you mean `$connect`?",
        ),
        (chat("[routes.\"$connect\"]", "[routes.\"\"]"), "tidegate.toml:23: `routes.\"\"`: the route key is empty"),
        (
            chat("[routes.\"$connect\"]", "[routes.other]"),
            "tidegate.toml: `authorizer`: API Gateway calls it on the route `$connect`, which is missing\n\
             hint: add `[routes.\"$connect\"]`",
        ),
        (
            chat("[routes.\"$connect\"]", "[routes.\"$connect\"]\nresponse = true"),
            "tidegate.toml: `routes.\"$connect\".response`: no reply of `$connect` reaches the client\n\
             hint: remove it",
        ),
        (
            chat("identity-source = [", "x = ["),
            "tidegate.toml:28: `authorizer.x`: is no known key\n\
             hint: known here: `component`, `identity-source`, `grants`, `limits`",
        ),
        (
            format!("{ONE_ROUTE}[authorizer]\ncomponent = 'b'\n"),
            "tidegate.toml:6: `authorizer.identity-source`: is missing\n\
             hint: `[]` calls the authorizer at every handshake",
        ),
        (
            chat("\"stageVariables.a\"", "\"header.a\""),
            "tidegate.toml:28: `authorizer.identity-source[2]`: `header.a` is no identity source: \
             `route.request.header.NAME`, `route.request.querystring.NAME`, `stageVariables.NAME` or \
             `context.NAME`",
        ),
        (
            chat("grants.config = [\"secret\"]", "grants.storage = { rooms = \"read\" }"),
            "tidegate.toml: `authorizer.grants.storage`: an authorizer is granted configuration alone\n\
             hint: remove it",
        ),
        (
            chat("grants.config = [\"secret\"]", "grants.config = [\"\"]"),
            "tidegate.toml: `authorizer.grants.config`: a name in it is empty",
        ),
        (chat("motd = \"hello\"", "motd = 5"), "tidegate.toml:35: `config.motd`: expected a string, found integer `5`"),
        (
            "[app]\nname = 'a'\nroute-selection-expression = 'x'\n".to_owned(),
            "tidegate.toml: `routes`: there are none\n\
             hint: add one, such as `[routes.\"$default\"]`",
        ),
        (
            routes(299),
            "tidegate.toml: `routes`: 301 of them, `$connect` and `$disconnect` included, and API Gateway allows 300\n\
             hint: let one route handle several kinds of messages",
        ),
        (
            ONE_ROUTE.to_owned(),
            "tidegate.toml: `routes.a.component`: there is no component `b`\n\
             hint: add `[components.b]`",
        ),
    ] {
        assert_eq!(problem(&text), said);
    }
}
