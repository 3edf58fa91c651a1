//! The embedded database through the AWS SDK, in memory and in a file.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification,
};
use tempfile::TempDir;
use tidegate_dynamodb_embedded::{Embedded, Error};

fn client(database: &Embedded) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("local"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url("http://127.0.0.1")
        .retry_config(RetryConfig::disabled())
        .http_client(database.http_client());
    Client::from_conf(config.build())
}

/// Returns a database in memory and one in a file, with the directory of the file.
fn both() -> (TempDir, [Embedded; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let file = Embedded::open(directory.path().join("data.db")).unwrap();
    (directory, [Embedded::memory().unwrap(), file])
}

async fn create_table(client: &Client) {
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let attribute =
        AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build().unwrap();
    client
        .create_table()
        .table_name("things")
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key)
        .attribute_definitions(attribute)
        .send()
        .await
        .unwrap();
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires_at").build().unwrap();
    client.update_time_to_live().table_name("things").time_to_live_specification(ttl).send().await.unwrap();
}

async fn put(client: &Client, id: &str, expires_at: u64) {
    client
        .put_item()
        .table_name("things")
        .item("id", AttributeValue::S(id.to_owned()))
        .item("expires_at", AttributeValue::N(expires_at.to_string()))
        .send()
        .await
        .unwrap();
}

async fn ids(client: &Client) -> Vec<String> {
    let found = client.scan().table_name("things").send().await.unwrap();
    let mut ids: Vec<_> = found.items().iter().map(|item| item["id"].as_s().unwrap().clone()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn stored_items_are_returned() {
    let (_directory, databases) = both();
    for database in databases {
        let client = client(&database);
        create_table(&client).await;
        put(&client, "a", 4_000_000_000).await;
        put(&client, "b", 4_000_000_000).await;
        assert_eq!(ids(&client).await, ["a", "b"], "{database:?}");
    }
}

#[tokio::test]
async fn errors_have_dynamodbs_names() {
    let (_directory, databases) = both();
    for database in databases {
        let client = client(&database);
        let error = client.list_backups().send().await.unwrap_err();
        assert_eq!(error.code(), Some("UnknownOperationException"));
        let error = client.describe_table().table_name("none").send().await.unwrap_err();
        assert_eq!(error.code(), Some("ResourceNotFoundException"));
        create_table(&client).await;
        let error =
            client.get_item().table_name("things").key("id", AttributeValue::N("1".into())).send().await.unwrap_err();
        assert_eq!(error.code(), Some("ValidationException"));
        let none = AttributeValue::Null(false);
        let error = client.put_item().table_name("things").item("id", none).send().await.unwrap_err();
        assert_eq!(error.code(), Some("ValidationException"));
        put(&client, "a", 1).await;
        let conditional = client
            .put_item()
            .table_name("things")
            .item("id", AttributeValue::S("a".to_owned()))
            .condition_expression("attribute_not_exists(id)");
        assert_eq!(conditional.send().await.unwrap_err().code(), Some("ConditionalCheckFailedException"));
    }
}

#[tokio::test]
async fn a_sweep_deletes_expired_items() {
    let (_directory, databases) = both();
    for database in databases {
        let client = client(&database);
        create_table(&client).await;
        for number in 0..60 {
            put(&client, &format!("old{number}"), 1).await;
        }
        put(&client, "new", 4_000_000_000).await;
        assert_eq!(database.sweep().await.unwrap(), 60, "{database:?}");
        assert_eq!(ids(&client).await, ["new"]);
        assert_eq!(database.sweep().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_file_keeps_its_tables_and_items() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    for _ in 0..3 {
        let database = Embedded::open(&path).unwrap();
        let client = client(&database);
        if client.describe_table().table_name("things").send().await.is_err() {
            create_table(&client).await;
            put(&client, "a", 4_000_000_000).await;
        }
        assert_eq!(ids(&client).await, ["a"]);
        database.close().await;
        assert!(client.scan().table_name("things").send().await.is_err());
        assert!(matches!(database.sweep().await, Err(Error::Closed)));
        database.close().await;
    }
}

#[tokio::test]
async fn a_file_can_be_opened_once_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let first = Embedded::open(&path).unwrap();
    let error = Embedded::open(&path).unwrap_err();
    assert!(matches!(error, Error::Locked(_)), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    first.close().await;
    Embedded::open(&path).unwrap();
}

#[test]
fn errors_name_the_file_that_cannot_be_opened() {
    let directory = tempfile::tempdir().unwrap();
    let garbage = directory.path().join("notes.txt");
    std::fs::write(&garbage, "these are notes, not a database; ".repeat(100)).unwrap();
    let error = Embedded::open(&garbage).unwrap_err();
    assert!(matches!(error, Error::Database { .. }) && error.to_string().contains("notes.txt"), "{error}");
    assert!(std::fs::read_to_string(&garbage).unwrap().starts_with("these are notes"), "the file is unchanged");
    let error = Embedded::open(directory.path().join("no/such/data.db")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("data.db"), "{error}");
    assert!(Embedded::open(directory.path()).is_err());
}
