//! Releases that are refused before any event runs.

use tidegate_app::Grants;
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_runtime::interface::ComponentUse;
use tidegate_runtime::{Engine, EngineOptions, Error, Incompatibility, Interfaces, Refusal, Role};

use crate::fixture::{Fixture, any, app_of, authorized_by, release_of, route};
use crate::guests;

fn refusals(app: tidegate_app::App) -> Vec<Refusal> {
    match Fixture::with(Engine::new(EngineOptions::on_demand(1)).unwrap(), app) {
        Err(Error::Refused(refusals)) => refusals,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the release was not refused"),
    }
}

/// The compiler checks that each behaviour of `probe` has a test; this checks that each program has one.
#[test]
fn every_guest_program_is_used() {
    let tests = [
        include_str!("activation.rs"),
        include_str!("fixture.rs"),
        include_str!("lifecycle.rs"),
        include_str!("../../../../tests/e2e/conftest.py"),
    ];
    let manifest = include_str!("../../../../tests/guests/Cargo.toml");
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    // The programs of `tests/hostile` are outside of this folder.
    let names: Vec<_> = members.split('"').skip(1).step_by(2).filter(|name| !name.contains('/')).collect();
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
fn an_import_that_no_use_grants_is_refused() {
    let refusals = refusals(app_of([
        ("chat", route("probe", Grants::default(), false)),
        ("$default", route("probe", Grants { messaging: None, ..any() }, false)),
    ]));
    let [refusal] = &refusals[..] else { panic!("{refusals:?}") };
    assert_eq!((refusal.place.as_str(), refusal.component.as_str()), ("components.probe", "probe"));
    assert!(misses(refusal, "components.probe", "tidegate:route/messaging@0.1.0"), "{refusal}");
    assert_eq!(
        refusal.reason.hint().unwrap(),
        r#"add `grants.messaging = { send = "self" }` to a route that uses the component"#
    );
}

#[test]
fn every_import_without_a_grant_is_refused() {
    let refusals = refusals(app_of([("chat", route("probe", Grants::default(), false))]));
    for interface in ["storage@0.1.0", "connections@0.1.0", "messaging@0.1.0"] {
        let interface = format!("tidegate:route/{interface}");
        assert!(refusals.iter().any(|refusal| misses(refusal, "routes.chat", &interface)), "{refusals:?}");
    }
    assert!(
        refusals.iter().any(|refusal| misses(refusal, "routes.chat", "wasi:config/store@0.2.0-rc.1")),
        "{refusals:?}"
    );
    assert_eq!(refusals.len(), 4, "{refusals:?}");
}

fn misses(refusal: &Refusal, at: &str, import: &str) -> bool {
    let Incompatibility::MissingGrant { interface, .. } = &refusal.reason else { return false };
    refusal.place == at && interface == import
}

#[test]
fn grants_of_the_authorizer_role_cover_imports() {
    let imports = vec!["tidegate:route/storage@0.1.0".to_owned(), "wasi:config/store@0.2.0-rc.1".to_owned()];
    let exports = ["handler", "connect-authorizer"].map(|name| format!("tidegate:route/{name}@0.1.0")).into();
    let interfaces = Interfaces { imports, exports };
    let storage = Grants { storage: any().storage, ..Grants::default() };
    let config = Grants { config: any().config, ..Grants::default() };
    let use_of = |place: &str, role, grants| ComponentUse { place: place.to_owned(), role, grants };
    let route = use_of("routes.chat", Role::Route, &storage);
    let authorizer = use_of("authorizer", Role::Authorizer, &config);
    assert_eq!(interfaces.check_uses("both", &[route.clone(), authorizer]), []);
    let refusals = interfaces.check_uses("both", &[route]);
    assert!(misses(&refusals[0], "routes.chat", "wasi:config/store@0.2.0-rc.1"), "{refusals:?}");
}

#[test]
fn a_host_that_leaves_out_a_use_still_counts_its_grants() {
    let app = app_of([
        ("chat", route("probe", Grants { config: Grants::default().config, ..any() }, false)),
        ("$default", route("probe", any(), false)),
    ]);
    let mut release = crate::fixture::release(app);
    release.app.routes.retain(|key, _| key.as_str() == "chat");
    let engine = Engine::new(EngineOptions::on_demand(1)).unwrap();
    tidegate_runtime::dry_run_link(&engine, &release).unwrap();
}

#[test]
fn another_version_is_refused() {
    let refusals = refusals(app_of([("chat", route("newer", Grants::default(), false))]));
    let expected = Incompatibility::WrongVersion { interface: "tidegate:route/handler@0.2.0".to_owned() };
    assert_eq!(refusals[0].reason, expected);
    assert!(expected.to_string().contains("speaks `tidegate:route@0.1.0`"), "{expected}");
}

#[test]
fn another_world_is_refused() {
    let refused = refusals(app_of([("$connect", route("stranger", Grants::default(), false))]));
    assert_eq!((refused[0].place.as_str(), refused[0].component.as_str()), ("routes.\"$connect\"", "stranger"));
    let Incompatibility::WrongWorld { exports } = &refused[0].reason else { panic!("{refused:?}") };
    assert!(exports.contains("`test:stranger/greeting@1.0.0`"), "{exports}");
    let refused = refusals(app_of([("chat", route("authorizer", any(), false))]));
    assert_eq!(refused[0].reason, Incompatibility::WrongRole { role: Role::Route });
    let refused = refusals(authorized_by("echo", &["plan"]));
    assert_eq!(refused[0].reason, Incompatibility::WrongRole { role: Role::Authorizer });
    assert_eq!((refused[0].place.as_str(), refused[0].component.as_str()), ("authorizer", "echo"));
}

#[test]
fn an_import_that_no_host_offers_is_refused() {
    let refusals = refusals(app_of([("chat", route("outsider", any(), false))]));
    let expected = Incompatibility::UnknownImport { interface: "test:outsider/moon@1.0.0".to_owned() };
    assert_eq!(refusals[0].reason, expected);
    assert_eq!(expected.code(), Code::ComponentImportUnknown);
}

#[test]
fn an_authorizer_is_granted_configuration_or_nothing() {
    let refused = refusals(authorized_by("authorizer", &[]));
    assert!(misses(&refused[0], "authorizer", "wasi:config/store@0.2.0-rc.1"), "{refused:?}");
    let imports = vec!["tidegate:route/storage@0.1.0".to_owned()];
    let interfaces = Interfaces { imports, exports: vec!["tidegate:route/connect-authorizer@0.1.0".to_owned()] };
    let check = |grants: &Grants| {
        let place = "authorizer".to_owned();
        interfaces.check_uses("authorizer", &[ComponentUse { place, role: Role::Authorizer, grants }])
    };
    let granted = check(&any());
    assert!(granted.is_empty(), "granted, though a manifest cannot express it: {granted:?}");
    let refused = check(&Grants::default());
    let [Refusal { reason: reason @ Incompatibility::NotForAuthorizer { .. }, .. }] = &refused[..] else {
        panic!("{refused:?}")
    };
    assert!(reason.hint().is_some_and(|hint| hint.contains("for the world `authorizer`")));
}

#[test]
fn initial_memory_above_the_limit_is_refused() {
    let mut echo = route("echo", Grants::default(), false);
    echo.limits.memory = 1 << 20;
    let refusals = refusals(app_of([("chat", echo)]));
    let reason = &refusals[0].reason;
    assert!(matches!(reason, Incompatibility::MemoryLimit { limit: 0x10_0000, .. }), "{reason}");
    assert!(reason.hint().is_some_and(|hint| hint.contains("`limits.memory`")));
}

#[test]
fn a_file_that_is_not_an_artifact_is_refused() {
    let engine = || Engine::new(EngineOptions::on_demand(1)).unwrap();
    for (name, bytes) in [("text.cwasm", b"hello".to_vec()), ("component.cwasm", guests::wasm("echo"))] {
        let path = guests::write(name, &bytes);
        let artifacts = [("echo".to_owned(), tidegate_release::Artifact::File(path))].into();
        let app = app_of([("chat", route("echo", Grants::default(), false))]);
        let release = release_of(app, artifacts);
        let ports = crate::fixture::ports(&std::sync::Arc::default());
        let error = tidegate_runtime::Host::new(engine(), ports, release).unwrap_err();
        let Error::Artifact { artifact, reason } = &error else { panic!("{error}") };
        assert!(artifact.contains(name) && reason.contains("not a compiled component"), "{error}");
        assert_eq!(Diagnostic::from(error).code, Code::ArtifactLoad);
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
fn a_patch_of_the_same_version_is_accepted_and_another_version_of_wasi_is_refused() {
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

#[test]
fn imports_that_the_host_does_not_offer_have_the_switch_of_the_tool() {
    for (import, switch) in [
        ("wasi:http/types@0.2.6", "`--disable http"),
        ("wasi:http/outgoing-handler@0.2.0", "`--disable http"),
        ("wasi:config/store@0.2.0-draft", "`wasi:config/store@0.2.0-rc.1`"),
        ("wasi:config/runtime@0.2.0-draft", "`wasi:config/store@0.2.0-rc.1`"),
        ("wasi:keyvalue/store@0.2.0-draft2", "`grants.storage`"),
        ("wasi:messaging/producer@0.2.0-draft", "`grants.messaging`"),
        ("wasi:logging/logging", "standard output"),
        ("wasi:cli/stdout@0.3.0-rc-2025-09-16", "`wasm32-wasip2`"),
        ("wasi:cli/environment@0.2.0-rc-2023-12-05", "draft of WASI 0.2"),
        ("tidegate:route/timers@0.1.0", "WIT package of this host"),
        ("acme:secrets/vault@1.0.0", "remove the dependency"),
    ] {
        let exports = vec!["tidegate:route/handler@0.1.0".to_owned()];
        let interfaces = Interfaces { imports: vec![import.to_owned()], exports };
        let problem = interfaces.check_world().unwrap_err();
        assert_eq!(problem, Incompatibility::UnknownImport { interface: import.to_owned() });
        assert!(problem.hint().unwrap().contains(switch), "{import}: {:?}", problem.hint());
    }
}
