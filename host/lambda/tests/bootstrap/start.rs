//! What keeps a process from starting: a sentence for the Runtime API and the log, and an exit.

use crate::app;
use crate::process::setup;

#[tokio::test]
async fn a_variable_that_is_missing_or_malformed_is_named() {
    let missing = setup(&app()).await.unset("CONNECTIONS_TABLE").fails().await;
    assert_eq!(
        missing,
        "the environment variable `CONNECTIONS_TABLE` is not set; hint: set it to the name of the table of connections"
    );
    let malformed = setup(&app()).await.set("API_GATEWAY_URL", "wss://api/dev").fails().await;
    assert!(
        malformed.starts_with("the environment variable `API_GATEWAY_URL` is `wss://api/dev`; hint: "),
        "{malformed}"
    );
    let prefix = setup(&app()).await.unset("CONFIG_PREFIX").fails().await;
    assert!(prefix.starts_with("the environment variable `CONFIG_PREFIX` is not set; hint: "), "{prefix}");
    let lambda = setup(&app()).await.unset("AWS_LAMBDA_FUNCTION_NAME").fails().await;
    assert!(lambda.contains("`AWS_LAMBDA_FUNCTION_NAME` is not set") && lambda.contains("tidegate dev"), "{lambda}");
}

#[tokio::test]
async fn a_package_without_a_release_or_with_half_of_one_is_named() {
    let setup_ = setup(&app()).await;
    std::fs::remove_file(setup_.task().join("app.json")).unwrap();
    let said = setup_.fails().await;
    assert!(said.contains("cannot load the release of the package") && said.contains("app.json"), "{said}");

    let setup_ = setup(&app()).await;
    std::fs::remove_file(setup_.task().join("components/probe.cwasm")).unwrap();
    let said = setup_.fails().await;
    assert!(said.contains("probe.cwasm"), "{said}");
}

#[tokio::test]
async fn an_artifact_that_is_corrupted_or_none_is_named() {
    for content in [&b"not an artifact"[..], b""] {
        let setup = setup(&app()).await;
        std::fs::write(setup.task().join("components/echo.cwasm"), content).unwrap();
        let said = setup.fails().await;
        assert!(said.contains("echo.cwasm"), "{said}");
    }
    let setup = setup(&app()).await;
    let path = setup.task().join("components/echo.cwasm");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let said = setup.fails().await;
    assert!(said.contains("echo.cwasm"), "{said}");
}

#[tokio::test]
async fn an_artifact_for_another_cpu_is_named() {
    let setup = setup(&app()).await;
    let other = match tidegate_compile::Triple::host().unwrap() {
        tidegate_compile::Triple::Aarch64Linux => tidegate_compile::Triple::X86_64Linux,
        _ => tidegate_compile::Triple::Aarch64Linux,
    };
    let artifact = tidegate_compile::Compiler::new(other).unwrap().compile(&crate::guests::wasm("echo")).unwrap();
    std::fs::write(setup.task().join("components/echo.cwasm"), artifact).unwrap();
    let said = setup.fails().await;
    assert!(said.contains("echo.cwasm"), "{said}");
}

#[tokio::test]
async fn an_artifact_of_another_engine_is_named() {
    let setup = setup(&app()).await;
    let path = setup.task().join("components/echo.cwasm");
    let mut artifact = std::fs::read(&path).unwrap();
    // An artifact states Wasmtime's major version, as two digits, and then the length and the text of its target.
    let triple = tidegate_compile::Triple::host().unwrap().as_str().as_bytes();
    let target = artifact.windows(triple.len()).position(|window| window == triple).unwrap();
    artifact[target - 3] ^= 1;
    std::fs::write(&path, artifact).unwrap();
    let said = setup.fails().await;
    assert!(said.contains("echo.cwasm") && said.contains("incompatible"), "{said}");
}

#[tokio::test]
async fn an_app_without_what_the_function_serves_is_named() {
    let setup_ = setup(&app()).await;
    let path = setup_.task().join("app.json");
    let mut none: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    none["routes"] = serde_json::json!({});
    std::fs::write(&path, none.to_string()).unwrap();
    let said = setup_.fails().await;
    assert!(said.contains("app.json`: the app has no routes"), "{said}");

    let mut without = app();
    without.authorizer = None;
    without.components.remove("authorizer");
    let said = setup(&without).await.set("TIDEGATE_FUNCTION", "authorizer").fails().await;
    assert!(said.contains("has no authorizer"), "{said}");
}

#[tokio::test]
async fn a_refused_release_names_the_missing_grant() {
    let mut less = app();
    for route in less.routes.values_mut() {
        route.grants.storage.clear();
    }
    let said = setup(&less).await.fails().await;
    assert!(said.contains("cannot run the release") && said.contains("storage"), "{said}");
}

#[tokio::test]
async fn parameters_that_may_not_be_read_are_named() {
    let setup = setup(&app()).await;
    setup.aws.fail_parameters(Some((400, "AccessDeniedException")));
    let said = setup.fails().await;
    assert!(said.contains("`/tidegate/probe/dev/plan`") && said.contains("AccessDeniedException"), "{said}");
}

#[tokio::test]
async fn a_parameter_that_is_missing_is_named_and_the_function_starts() {
    let bootstrap = setup(&app()).await.start().await;
    let said = bootstrap.said("there is no parameter `/tidegate/probe/dev/unset`").await;
    assert_eq!(said["level"], "ERROR");
    assert_eq!(bootstrap.text(crate::events::message("echo", "up")).await, "up");
}
