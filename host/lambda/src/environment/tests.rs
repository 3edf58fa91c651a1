use std::collections::BTreeMap;

use super::*;

const HANDLER: [(&str, &str); 13] = [
    ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
    ("AWS_LAMBDA_FUNCTION_NAME", "chat"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ("AWS_REGION", "eu-west-1"),
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
    ("TIDEGATE_FUNCTION", "handler"),
    ("STAGE", "dev"),
    ("CONNECTIONS_TABLE", "c"),
    ("GROUPS_TABLE", "g"),
    ("STORAGE_TABLE", "s"),
    ("API_GATEWAY_URL", "https://a.execute-api.eu-west-1.amazonaws.com/dev/"),
];

fn read(changes: &[(&str, Option<&str>)]) -> Result<Environment, Error> {
    let mut variables: BTreeMap<&str, &str> = HANDLER.into_iter().collect();
    for (name, value) in changes {
        match value {
            Some(value) => variables.insert(name, value),
            None => variables.remove(name),
        };
    }
    Environment::read(&|name| variables.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn a_handler_has_tables_and_a_callback_url() {
    let environment = read(&[("LAMBDA_TASK_ROOT", Some("/var/task"))]).unwrap();
    let tables = Tables { connections: "c".to_owned(), groups: "g".to_owned(), storage: "s".to_owned() };
    let callback_url = "https://a.execute-api.eu-west-1.amazonaws.com/dev".to_owned();
    assert_eq!(environment.function, Function::Handler { tables, callback_url });
    assert_eq!(environment.package, PathBuf::from("/var/task"));
    assert_eq!((environment.concurrency, environment.credentials.session_token), (1, None));
    assert_eq!(environment.guest_memory, 448 << 20);
}

#[test]
fn an_authorizer_needs_neither_tables_nor_a_callback_url() {
    let none = ["CONNECTIONS_TABLE", "GROUPS_TABLE", "STORAGE_TABLE", "API_GATEWAY_URL"].map(|name| (name, None));
    let environment = read(&[&none[..], &[("TIDEGATE_FUNCTION", Some("authorizer"))]].concat());
    assert_eq!(environment.map(|environment| environment.function), Ok(Function::Authorizer));
}

#[test]
fn missing_variables_are_named_with_a_hint() {
    for (name, _) in HANDLER {
        let error = read(&[(name, None)]).unwrap_err();
        assert!(
            matches!(&error, Error::Missing { name: missing, .. } | Error::NotOnLambda(missing) if *missing == name),
            "{error}"
        );
        assert_eq!(read(&[(name, Some(""))]).unwrap_err(), error);
        assert!(Diagnostic::from(error).hint.is_some());
    }
}

#[test]
fn malformed_variables_are_named_with_their_value() {
    for (name, value) in [
        ("TIDEGATE_FUNCTION", "both"),
        ("API_GATEWAY_URL", "wss://a.execute-api.eu-west-1.amazonaws.com/dev"),
        ("API_GATEWAY_URL", "https://"),
        ("CONFIG_PREFIX", "tidegate/chat/dev/"),
        ("CONFIG_PREFIX", "/tidegate/chat/dev"),
        ("CONFIG_SOURCE", "ssm"),
        ("AWS_ENDPOINT_URL", "localhost:4566"),
        ("AWS_ENDPOINT_URL_SSM", "localhost:4566"),
        ("MAX_STALENESS", "2"),
        ("MAX_STALENESS", "99ms"),
        ("MAX_STALENESS", "31s"),
        ("AWS_LAMBDA_MAX_CONCURRENCY", "many"),
        ("AWS_LAMBDA_MAX_CONCURRENCY", "0"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "half"),
    ] {
        let error = read(&[(name, Some(value))]).unwrap_err();
        assert_eq!(error.to_string(), format!("the environment variable `{name}` is `{value}`"));
        let diagnostic = Diagnostic::from(error);
        assert_eq!(diagnostic.code, Code::FunctionEnvironmentInvalid);
        assert!(diagnostic.hint.is_some());
    }
}

#[test]
fn configuration_is_in_parameter_store_by_default() {
    for (value, source) in [
        (None, ConfigSource::ParameterStore),
        (Some("parameter-store"), ConfigSource::ParameterStore),
        (Some("secrets-manager"), ConfigSource::SecretsManager),
    ] {
        assert_eq!(read(&[("CONFIG_SOURCE", value)]).unwrap().config_source, source);
    }
}

#[test]
fn releases_are_on_aws_in_a_folder_or_nowhere() {
    let tables = ReleaseTables { releases: "r".to_owned(), release_status: "t".to_owned() };
    let of_aws = [("RELEASES_TABLE", Some("r")), ("RELEASE_STATUS_TABLE", Some("t")), ("RELEASES_BUCKET", Some("b"))];
    let of_folder = [("RELEASES_DIR", Some("/mnt/releases"))];
    let releases = |changes: &[_]| read(changes).map(|environment| environment.releases);
    assert_eq!(releases(&[]), Ok(None));
    assert_eq!(releases(&of_aws), Ok(Some(ReleaseSource::Aws { tables, bucket: "b".to_owned() })));
    assert_eq!(releases(&of_folder), Ok(Some(ReleaseSource::Folder("/mnt/releases".into()))));
    for (name, _) in of_aws {
        let error = releases(&[&of_aws[..], &[(name, None)]].concat()).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}` is not set")), "{error}");
    }
    let error = releases(&[&of_aws[..], &of_folder].concat()).unwrap_err().to_string();
    assert!(error.contains("`RELEASES_DIR` is `/mnt/releases`"), "{error}");
}

#[test]
fn the_poll_interval_is_two_seconds_by_default() {
    for (value, millis) in [(None, 2_000), (Some("500ms"), 500), (Some("30s"), 30_000)] {
        assert_eq!(read(&[("MAX_STALENESS", value)]).unwrap().poll_interval, Duration::from_millis(millis));
    }
}

#[test]
fn a_process_has_the_name_of_its_log_stream() {
    assert_eq!(read(&[]).unwrap().name, "chat");
    assert_eq!(read(&[("AWS_LAMBDA_LOG_STREAM_NAME", Some("2026/1"))]).unwrap().name, "chat 2026/1");
}

#[test]
fn the_endpoint_of_one_service_precedes_the_common_endpoint() {
    let changes = [("AWS_ENDPOINT_URL", Some("http://all")), ("AWS_ENDPOINT_URL_SSM", Some("http://ssm"))];
    let endpoints = read(&changes).unwrap().endpoints;
    assert_eq!(endpoints.dynamodb.as_deref(), Some("http://all"));
    assert_eq!(endpoints.ssm.as_deref(), Some("http://ssm"));
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", read(&[("AWS_SESSION_TOKEN", Some("token"))]).unwrap());
    assert!(!shown.contains("secret\"") && !shown.contains("token\""), "{shown}");
}
