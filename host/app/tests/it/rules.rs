//! The names that AWS can hold. The stack's own test reads the same file, `tests/names.json`.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use serde_json::{Map, Value, json};
use tidegate_app::{Manifest, rules};
use tidegate_diagnostic::Code;

use crate::support::{error, folder};

/// The environment variable that makes the test write the table for the stack.
const UPDATE: &str = "TIDEGATE_UPDATE_RULES";

fn names() -> Value {
    serde_json::from_str(include_str!("../names.json")).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn number(value: &Value, name: &str) -> usize {
    usize::try_from(value[name].as_u64().unwrap()).unwrap()
}

/// Returns `name` as a TOML string, which JSON strings are.
fn quoted(name: &str) -> String {
    json!(name).to_string().replace('\u{7f}', "\\u007f")
}

/// Returns a manifest that uses `name` as a name of this kind.
fn manifest(kind: &str, name: &str) -> String {
    let name = quoted(name);
    let app = if kind == "app" { &name } else { "'a'" };
    let component = if kind == "component" { &name } else { "c" };
    let route = if kind == "route-key" { &name } else { "r" };
    let more = match kind {
        "stage" => format!("[keys.k]\npublic-key = '{KEY}'\nstages = [{name}]\n"),
        "config" => format!("[routes.x]\ncomponent = 'c'\ngrants.config = [{name}]\n"),
        "collection" => format!("[routes.x]\ncomponent = 'c'\ngrants.storage = {{ {name} = 'read' }}\n"),
        "identity-source" => {
            format!(
                "[routes.\"$connect\"]\ncomponent = 'c'\n[authorizer]\ncomponent = 'c'\nidentity-source = [{name}]\n"
            )
        }
        _ => String::new(),
    };
    format!(
        "[app]\nname = {app}\nroute-selection-expression = '$request.body.a'\n[components.{component}]\nsource = \
         'c.wasm'\n[routes.{route}]\ncomponent = {}\n{more}",
        if kind == "component" { &name } else { "'c'" }
    )
}

const KEY: &str = "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=";

#[test]
fn names_that_aws_cannot_hold_are_refused() {
    let names = names();
    for (kind, names) in names["names"].as_object().unwrap() {
        for name in texts(&names["accepted"]) {
            let loaded = Manifest::load(folder(&manifest(kind, name)).path());
            assert!(loaded.is_ok(), "{kind} {name:?}: {}", loaded.unwrap_err());
        }
        for name in texts(&names["refused"]) {
            let code = error(&manifest(kind, name)).code();
            let expected = match kind.as_str() {
                "stage" => Code::StageNameInvalid,
                "route-key" => Code::RouteKeyInvalid,
                "config" | "collection" if name.is_empty() => Code::GrantNameEmpty,
                _ => Code::NameInvalid,
            };
            assert_eq!(code, expected, "{kind} {name:?}");
        }
    }
}

#[test]
fn identity_sources_that_api_gateway_never_finds_are_refused() {
    let names = names();
    let sources = &names["identity-sources"];
    for source in texts(&sources["accepted"]) {
        let loaded = Manifest::load(folder(&manifest("identity-source", source)).path());
        assert!(loaded.is_ok(), "{source}: {}", loaded.unwrap_err());
    }
    for source in texts(&sources["refused"]) {
        let error = error(&manifest("identity-source", source));
        assert_eq!(error.code(), Code::IdentitySourceInvalid, "{source}: {error}");
        assert!(error.to_string().contains("authorizer.identity-source[0]"), "{error}");
    }
    let context = rules::CONTEXT.map(|name| format!("context.{name}"));
    assert!(context.iter().all(|source| texts(&sources["accepted"]).contains(&source.as_str())));
}

#[test]
fn apps_that_a_stack_cannot_hold_are_refused() {
    for stack in names()["stacks"].as_array().unwrap() {
        let mut text =
            "[app]\nname = 'a'\nroute-selection-expression = '$request.body.a'\n[components.c]\nsource = 'c'\n"
                .to_owned();
        for route in 0..number(stack, "routes") {
            let response = route < number(stack, "two-way");
            write!(text, "[routes.r{route}]\ncomponent = 'c'\nresponse = {response}\n").unwrap();
        }
        if stack["authorizer"] == true {
            text += "[routes.\"$connect\"]\ncomponent = 'c'\n[authorizer]\ncomponent = 'c'\nidentity-source = []\n";
        }
        let loaded = Manifest::load(folder(&text).path());
        match loaded {
            Ok(manifest) => {
                assert_eq!((manifest.app().resources(), &stack["fits"]), (number(stack, "resources"), &json!(true)))
            }
            Err(error) => {
                assert_eq!((error.code(), &stack["fits"]), (Code::RoutesTooMany, &json!(false)), "{stack}: {error}");
            }
        }
    }
}

#[test]
fn grants_that_a_policy_cannot_hold_are_refused() {
    for policy in names()["policies"].as_array().unwrap() {
        let list = |kind: &str, form: &dyn Fn(usize) -> String| {
            (0..number(policy, kind)).map(form).collect::<Vec<_>>().join(", ")
        };
        let config = list("config", &|number| format!("'value-{number:03}'"));
        let collections = list("collections", &|number| format!("'collection-{number:03}' = 'read'"));
        let text = format!(
            "[app]\nname = 'chat'\nroute-selection-expression = '$request.body.a'\n[components.c]\nsource = 'c'\n\
             [routes.r]\ncomponent = 'c'\ngrants.config = [{config}]\ngrants.storage = {{ {collections} }}\n"
        );
        let loaded = Manifest::load(folder(&text).path()).map(drop).map_err(|error| error.code());
        assert_eq!(loaded, if policy["fits"] == true { Ok(()) } else { Err(Code::AppTooLarge) }, "{policy}");
    }
}

#[test]
fn apps_that_a_template_cannot_hold_are_refused() {
    let groups = |count: usize| {
        let groups = (0..count).map(|number| format!("'{number:0200}'")).collect::<Vec<_>>().join(", ");
        let routes = (0..100).map(|route| format!("[routes.r{route}]\ncomponent = 'c'\n")).collect::<String>();
        format!(
            "[app]\nname = 'a'\nroute-selection-expression = '$request.body.a'\n[components.c]\nsource = 'c'\n\
             grants.messaging = {{ broadcast = [{groups}] }}\n{routes}"
        )
    };
    assert!(Manifest::load(folder(&groups(10)).path()).is_ok());
    // Each of the hundred routes inherits the grant.
    assert_eq!(error(&groups(20)).code(), Code::AppTooLarge);
}

#[test]
fn hosts_run_apps_whose_names_were_allowed_before() {
    let json = br#"{"name":"my_chat","route-selection-expression":"$request.body.a","components":["c"],
        "routes":{"gr\u00fc\u00dfe":{"component":"c","grants":{"config":["db/password"]}}}}"#;
    let app = tidegate_app::App::from_json(Path::new("app.json"), json).unwrap();
    assert_eq!(app.name, "my_chat");
}

/// The stack reads the table as JSON, because it is written in Python.
#[test]
fn the_table_of_the_stack_is_this_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/tidegate_stack/rules.json");
    let rule = |rule: rules::NameRule| json!({ "pattern": rule.pattern(), "expected": rule.expected });
    let names = rules::NAMES.into_iter().map(|(kind, it)| (kind.to_owned(), rule(it)));
    let table = json!({
        "names": names.collect::<Map<_, _>>(),
        "context": rules::CONTEXT,
        "stages": rules::STAGES,
        "routes": rules::MAX_ROUTES,
        "resources": rules::MAX_RESOURCES,
        "reserved-resources": rules::RESERVED_RESOURCES,
        "fixed-resources": rules::FIXED_RESOURCES,
        "authorizer-resources": rules::AUTHORIZER_RESOURCES,
        "policy-characters": rules::MAX_POLICY_CHARACTERS,
        "config-characters": rules::CONFIG_CHARACTERS,
        "app-bytes": rules::MAX_APP_BYTES,
        "function-memory": rules::FUNCTION_MEMORY,
        "authorizer-seconds": rules::AUTHORIZER_SECONDS,
    });
    let text = serde_json::to_string_pretty(&table).unwrap() + "\n";
    if env::var_os(UPDATE).is_some() {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "infra/tidegate_stack/rules.json is outdated; run `{UPDATE}=1 cargo test -p tidegate-app rules`"
    );
}
