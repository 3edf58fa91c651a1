//! What is refused before any event runs.

use tidegate_app::Grants;
use tidegate_runtime::{Engine, EngineOptions, Error, Incompatibility, Interfaces, Role};

use crate::fixture::{Fixture, any, app_of, authorized_by, release_of, route};
use crate::guests;

fn refusal(app: tidegate_app::App) -> String {
    match Fixture::with(Engine::new(EngineOptions::on_demand(1)).unwrap(), app) {
        Err(error @ Error::Refused(_)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the release was not refused"),
    }
}

/// The behaviours of `probe` are held to their tests by the compiler; this holds the programs to theirs.
#[test]
fn every_guest_program_is_used() {
    let tests = [
        include_str!("activation.rs"),
        include_str!("fixture.rs"),
        include_str!("lifecycle.rs"),
        include_str!("../../../../tests/e2e/conftest.py"),
    ];
    let members = include_str!("../../../../tests/guests/Cargo.toml").lines().find(|line| line.starts_with("members"));
    let names: Vec<_> = members.unwrap().split('"').skip(1).step_by(2).collect();
    assert!(names.contains(&"probe"), "{names:?}");
    for name in names {
        assert!(
            tests
                .iter()
                .any(|test| test.contains(&format!("\"{name}\"")) || test.contains(&format!("\"guest_{name}\""))),
            "no test runs `{name}`"
        );
    }
}

#[test]
fn every_missing_grant_is_named() {
    let text = refusal(app_of([
        ("chat", route("probe", Grants::default(), false)),
        ("$default", route("probe", Grants { messaging: None, ..any() }, false)),
    ]));
    let lines: Vec<_> = text.lines().collect();
    for interface in ["storage@0.1.0", "connections@0.1.0", "messaging@0.1.0"] {
        let start = format!("routes.chat: component `probe` imports `tidegate:route/{interface}`, but");
        assert!(lines.iter().any(|line| line.starts_with(&start)), "{text}");
    }
    assert!(text.contains("imports `wasi:config/store@0.2.0-rc.1`"), "{text}");
    assert!(text.contains("hint: add `grants.storage = "), "{text}");
    let other = lines.iter().filter(|line| line.starts_with("routes.\"$default\": "));
    assert_eq!(other.count(), 1, "{text}");
    assert_eq!(lines.len(), 5, "{text}");
}

#[test]
fn another_version_is_named_with_the_one_that_the_host_speaks() {
    let text = refusal(app_of([("chat", route("newer", Grants::default(), false))]));
    assert!(
        text.contains("`tidegate:route/handler@0.2.0`") && text.contains("speaks `tidegate:route@0.1.0`"),
        "{text}"
    );
}

#[test]
fn another_world_is_named() {
    let text = refusal(app_of([("$connect", route("stranger", Grants::default(), false))]));
    assert!(text.starts_with("routes.\"$connect\": component `stranger` "), "as the manifest writes it: {text}");
    assert!(text.contains("exports neither") && text.contains("`test:stranger/greeting@1.0.0`"), "{text}");
    let text = refusal(app_of([("chat", route("authorizer", any(), false))]));
    assert!(text.contains("does not export `tidegate:route/handler`") && text.contains("; hint: "), "{text}");
    let text = refusal(authorized_by("echo", &["plan"]));
    assert!(text.starts_with("authorizer: component `echo` does not export"), "{text}");
}

#[test]
fn an_import_that_no_host_offers_is_named() {
    let text = refusal(app_of([("chat", route("outsider", any(), false))]));
    assert!(text.contains("imports `test:outsider/moon@1.0.0`, which this host does not offer; hint: "), "{text}");
}

#[test]
fn an_authorizer_is_granted_configuration_or_nothing() {
    let text = refusal(authorized_by("authorizer", &[]));
    assert!(text.contains("the authorizer is granted nothing of it"), "{text}");
    let imports = vec!["tidegate:route/storage@0.1.0".to_owned()];
    let interfaces = Interfaces { imports, exports: vec!["tidegate:route/connect-authorizer@0.1.0".to_owned()] };
    let problems = interfaces.check_role(Role::Authorizer, &any());
    assert!(matches!(problems[..], []), "granted, though a manifest cannot say so: {problems:?}");
    let problems = interfaces.check_role(Role::Authorizer, &Grants::default());
    assert!(matches!(problems[..], [Incompatibility::NotForAuthorizer { .. }]), "{problems:?}");
    assert!(problems[0].to_string().contains("; hint: build it for the world `authorizer`"), "{}", problems[0]);
}

#[test]
fn a_memory_above_the_limit_is_named() {
    let mut echo = route("echo", Grants::default(), false);
    echo.limits.memory = 1 << 20;
    let text = refusal(app_of([("chat", echo)]));
    assert!(text.contains("bytes of memory, above the limit of 1048576") && text.contains("`limits.memory`"), "{text}");
}

#[test]
fn what_is_no_artifact_is_named() {
    let engine = || Engine::new(EngineOptions::on_demand(1)).unwrap();
    for (name, bytes) in [("text.cwasm", b"hello".to_vec()), ("component.cwasm", guests::wasm("echo"))] {
        let path = guests::write(name, &bytes);
        let artifacts = [("echo".to_owned(), tidegate_release::Artifact::File(path))].into();
        let app = app_of([("chat", route("echo", Grants::default(), false))]);
        let release = release_of(app, artifacts);
        let ports = crate::fixture::ports(&std::sync::Arc::default());
        let error = tidegate_runtime::Host::new(engine(), ports, release).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("not a compiled component"), "{error}");
    }
}

#[test]
fn an_artifact_for_another_machine_is_refused() {
    use tidegate_compile::{Compiler, Triple};
    let other = Triple::ALL.into_iter().find(|target| *target != Triple::host().unwrap()).unwrap();
    let artifact = Compiler::new(other).unwrap().compile(&guests::wasm("echo")).unwrap();
    let artifacts = [("echo".to_owned(), tidegate_release::Artifact::File(guests::write("other.cwasm", &artifact)))];
    let app = app_of([("chat", route("echo", Grants::default(), false))]);
    let release = release_of(app, artifacts.into());
    let engine = Engine::new(EngineOptions::on_demand(1)).unwrap();
    let error = tidegate_runtime::dry_run_link(&engine, &release).unwrap_err();
    assert!(matches!(error, Error::Artifact { .. }), "{error}");
}

#[test]
fn a_patch_of_the_same_version_is_accepted_and_wasi_of_another_is_not() {
    let interfaces = |import: &str| Interfaces {
        imports: vec![import.to_owned()],
        exports: vec!["tidegate:route/handler@0.1.7".to_owned()],
    };
    assert_eq!(interfaces("wasi:cli/stdout@0.2.6").check_world(), Ok(()));
    for import in ["wasi:cli/stdout@0.3.0", "wasi:http/outgoing-handler@0.2.6", "wasi:config/store@0.2.0"] {
        let refused = interfaces(import).check_world();
        assert_eq!(refused, Err(Incompatibility::UnknownImport { interface: import.to_owned() }));
    }
}
