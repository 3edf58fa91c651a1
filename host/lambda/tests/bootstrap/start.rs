//! Processes that do not start: they report an error to the Runtime API and the log, and exit.

use crate::app;
use crate::process::setup;

#[tokio::test]
async fn missing_and_malformed_variables_are_named() {
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
    assert!(lambda.contains("`AWS_LAMBDA_FUNCTION_NAME`") && lambda.contains("tidegate dev"), "{lambda}");
}

#[tokio::test]
async fn a_package_without_a_complete_release_is_named() {
    let setup_ = setup(&app()).await;
    std::fs::remove_file(setup_.task().join("app.json")).unwrap();
    let error = setup_.fails().await;
    assert!(error.contains("cannot load the release of the package") && error.contains("app.json"), "{error}");

    let setup_ = setup(&app()).await;
    std::fs::remove_file(setup_.task().join("components/probe.cwasm")).unwrap();
    let error = setup_.fails().await;
    assert!(error.contains("probe.cwasm"), "{error}");
}

#[tokio::test]
async fn a_corrupt_artifact_is_named() {
    for content in [&b"not an artifact"[..], b""] {
        let setup = setup(&app()).await;
        std::fs::write(setup.task().join("components/echo.cwasm"), content).unwrap();
        let error = setup.fails().await;
        assert!(error.contains("echo.cwasm"), "{error}");
    }
    let setup = setup(&app()).await;
    let path = setup.task().join("components/echo.cwasm");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = setup.fails().await;
    assert!(error.contains("echo.cwasm"), "{error}");
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
    let error = setup.fails().await;
    assert!(error.contains("echo.cwasm"), "{error}");
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
    let error = setup.fails().await;
    assert!(error.contains("echo.cwasm") && error.contains("incompatible"), "{error}");
}

#[tokio::test]
async fn an_app_without_routes_or_authorizer_is_refused() {
    let setup_ = setup(&app()).await;
    let path = setup_.task().join("app.json");
    let mut none: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    none["routes"] = serde_json::json!({});
    std::fs::write(&path, none.to_string()).unwrap();
    let error = setup_.fails().await;
    assert!(error.contains("app.json`: the app has no routes"), "{error}");

    let mut without = app();
    without.authorizer = None;
    without.components.remove("authorizer");
    let error = setup(&without).await.set("TIDEGATE_FUNCTION", "authorizer").fails().await;
    assert!(error.contains("has no authorizer"), "{error}");
}

#[tokio::test]
async fn a_refused_release_names_the_missing_grant() {
    let mut less = app();
    for route in less.routes.values_mut() {
        route.grants.storage.clear();
    }
    let error = setup(&less).await.fails().await;
    assert!(error.contains("cannot run the release") && error.contains("storage"), "{error}");
}

#[tokio::test]
async fn parameters_without_permission_are_named() {
    let setup = setup(&app()).await;
    setup.aws.fail_parameters(Some((400, "AccessDeniedException")));
    let error = setup.fails().await;
    assert!(error.contains("`/tidegate/probe/dev/plan`") && error.contains("AccessDeniedException"), "{error}");
}

#[tokio::test]
async fn a_missing_parameter_is_logged_and_the_function_starts() {
    let bootstrap = setup(&app()).await.start().await;
    let error = bootstrap.logged("there is no parameter `/tidegate/probe/dev/unset`").await;
    assert_eq!(error["level"], "ERROR");
    assert_eq!(bootstrap.text(crate::events::message("echo", "up")).await, "up");
}

#[tokio::test]
async fn the_log_has_the_code_and_the_hint_of_an_error() {
    let bootstrap = setup(&app()).await.unset("STAGE").start().await;
    let line = bootstrap.logged("`STAGE` is not set").await;
    assert_eq!(line["code"], "function-environment-missing");
    assert!(line["hint"].as_str().is_some_and(|hint| hint.starts_with("set it to ")), "{line}");
}
