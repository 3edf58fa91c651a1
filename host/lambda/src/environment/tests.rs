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
}

#[test]
fn an_authorizer_needs_neither() {
    let none = ["CONNECTIONS_TABLE", "GROUPS_TABLE", "STORAGE_TABLE", "API_GATEWAY_URL"].map(|name| (name, None));
    let environment = read(&[&none[..], &[("TIDEGATE_FUNCTION", Some("authorizer"))]].concat());
    assert_eq!(environment.map(|environment| environment.function), Ok(Function::Authorizer));
}

#[test]
fn what_is_missing_is_named_with_what_to_set_it_to() {
    for (name, _) in HANDLER {
        let said = read(&[(name, None)]).unwrap_err().to_string();
        assert!(said.contains(&format!("`{name}` is not set")) && said.contains("hint: "), "{said}");
        assert_eq!(read(&[(name, Some(""))]).unwrap_err().to_string(), said);
    }
}

#[test]
fn what_is_malformed_is_named_with_what_it_is() {
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
        let said = read(&[(name, Some(value))]).unwrap_err().to_string();
        assert!(said.starts_with(&format!("the environment variable `{name}` is `{value}`; hint: ")), "{said}");
    }
}

#[test]
fn values_are_in_parameter_store_unless_said_otherwise() {
    for (said, source) in [
        (None, ConfigSource::ParameterStore),
        (Some("parameter-store"), ConfigSource::ParameterStore),
        (Some("secrets-manager"), ConfigSource::SecretsManager),
    ] {
        assert_eq!(read(&[("CONFIG_SOURCE", said)]).unwrap().config_source, source);
    }
}

#[test]
fn releases_are_in_aws_or_in_a_folder_or_nowhere() {
    let tables = ReleaseTables { releases: "r".to_owned(), release_status: "t".to_owned() };
    let of_aws = [("RELEASES_TABLE", Some("r")), ("RELEASE_STATUS_TABLE", Some("t")), ("RELEASES_BUCKET", Some("b"))];
    let of_folder = [("RELEASES_DIR", Some("/mnt/releases"))];
    let releases = |changes: &[_]| read(changes).map(|environment| environment.releases);
    assert_eq!(releases(&[]), Ok(None));
    assert_eq!(releases(&of_aws), Ok(Some(Published::Aws { tables, bucket: "b".to_owned() })));
    assert_eq!(releases(&of_folder), Ok(Some(Published::Folder("/mnt/releases".into()))));
    for (name, _) in of_aws {
        let said = releases(&[&of_aws[..], &[(name, None)]].concat()).unwrap_err().to_string();
        assert!(said.contains(&format!("`{name}` is not set")), "{said}");
    }
    let said = releases(&[&of_aws[..], &of_folder].concat()).unwrap_err().to_string();
    assert!(said.contains("`RELEASES_DIR` is `/mnt/releases`"), "{said}");
}

#[test]
fn a_reading_is_stale_after_two_seconds_unless_said_otherwise() {
    for (said, millis) in [(None, 2_000), (Some("500ms"), 500), (Some("30s"), 30_000)] {
        assert_eq!(read(&[("MAX_STALENESS", said)]).unwrap().poll_interval, Duration::from_millis(millis));
    }
}

#[test]
fn a_process_is_called_as_its_log_is() {
    assert_eq!(read(&[]).unwrap().name, "chat");
    assert_eq!(read(&[("AWS_LAMBDA_LOG_STREAM_NAME", Some("2026/1"))]).unwrap().name, "chat 2026/1");
}

#[test]
fn an_endpoint_of_one_service_comes_before_that_of_all() {
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
