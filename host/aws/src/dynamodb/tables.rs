//! The names and definitions of the tables.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
    TimeToLiveStatus,
};

use crate::error::Error;
use crate::failure::transport_reason;

/// The attribute that DynamoDB's time to live reads, in seconds since the epoch. Every table has it.
pub const TTL_ATTRIBUTE: &str = "expires_at";

/// The names of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// `CONNECTIONS_TABLE`: one row for each connection.
    pub connections: String,
    /// `GROUPS_TABLE`: one row for each membership.
    pub groups: String,
    /// `STORAGE_TABLE`: one row for each document.
    pub storage: String,
}

/// The names of the release tables. `tidegate dev` uses a folder instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseTables {
    /// `RELEASES_TABLE`: the rollout state and its history. These items do not expire.
    pub releases: String,
    /// `RELEASE_STATUS_TABLE`: the reports of hosts.
    pub release_status: String,
}

/// The definition of a table. Its keys are strings, it is billed per request, and its time to live uses
/// [`TTL_ATTRIBUTE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The name of the table.
    pub name: String,
    /// The attribute of the partition key.
    pub partition: &'static str,
    /// The attribute of the sort key.
    pub sort: Option<&'static str>,
}

impl Default for Tables {
    /// Returns the names that `tidegate dev` uses.
    fn default() -> Self {
        Self { connections: "connections".to_owned(), groups: "groups".to_owned(), storage: "storage".to_owned() }
    }
}

impl Tables {
    /// Returns the definitions of the tables.
    #[must_use]
    pub fn definitions(&self) -> [Definition; 3] {
        [
            Definition { name: self.connections.clone(), partition: "connection_id", sort: None },
            Definition { name: self.groups.clone(), partition: "group", sort: Some("connection_id") },
            Definition { name: self.storage.clone(), partition: "pk", sort: Some("sk") },
        ]
    }

    /// Creates the missing tables, for `tidegate dev`. On AWS, the stack creates the tables.
    ///
    /// # Errors
    /// [`Error::Table`] if a request fails, [`Error::OtherKeys`] if a table with this name has other keys.
    pub async fn create_missing(&self, client: &Client) -> Result<(), Error> {
        create_missing(client, &self.definitions()).await
    }
}

impl ReleaseTables {
    /// Returns the definitions of the tables.
    #[must_use]
    pub fn definitions(&self) -> [Definition; 2] {
        [
            Definition { name: self.releases.clone(), partition: "pk", sort: Some("sk") },
            Definition { name: self.release_status.clone(), partition: "pk", sort: Some("sk") },
        ]
    }

    /// Creates the missing tables, for tests. On AWS, the stack creates the tables.
    ///
    /// # Errors
    /// [`Error::Table`] if a request fails, [`Error::OtherKeys`] if a table with this name has other keys.
    pub async fn create_missing(&self, client: &Client) -> Result<(), Error> {
        create_missing(client, &self.definitions()).await
    }
}

async fn create_missing(client: &Client, definitions: &[Definition]) -> Result<(), Error> {
    for definition in definitions {
        if !exists(client, definition).await? {
            create(client, definition).await?;
        }
        // Existing tables need this too: an earlier run may have ended between the two requests.
        enable_ttl(client, &definition.name).await?;
    }
    Ok(())
}

async fn exists(client: &Client, definition: &Definition) -> Result<bool, Error> {
    let answer = match client.describe_table().table_name(&definition.name).send().await {
        Ok(answer) => answer,
        Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(false),
        Err(error) => return Err(failed("describe", &definition.name, &error)),
    };
    let found: Vec<&str> = answer
        .table()
        .map(|table| table.key_schema().iter().map(KeySchemaElement::attribute_name).collect())
        .unwrap_or_default();
    let expected: Vec<&str> = std::iter::once(definition.partition).chain(definition.sort).collect();
    if found == expected {
        return Ok(true);
    }
    Err(Error::OtherKeys { table: definition.name.clone(), expected: expected.join("`, `") })
}

async fn create(client: &Client, definition: &Definition) -> Result<(), Error> {
    let mut request = client.create_table().table_name(&definition.name).billing_mode(BillingMode::PayPerRequest);
    let keys = std::iter::once((definition.partition, KeyType::Hash))
        .chain(definition.sort.map(|name| (name, KeyType::Range)));
    for (name, kind) in keys {
        let invalid = |error: aws_sdk_dynamodb::error::BuildError| Error::Table {
            action: "define",
            table: definition.name.clone(),
            reason: error.to_string(),
        };
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(invalid)?;
        let attribute = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .map_err(invalid)?;
        request = request.key_schema(key).attribute_definitions(attribute);
    }
    match request.send().await {
        Ok(_) => Ok(()),
        // Another process on this machine has created the table.
        Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
        Err(error) => Err(failed("create", &definition.name, &error)),
    }
}

async fn enable_ttl(client: &Client, table: &str) -> Result<(), Error> {
    let answer = client.describe_time_to_live().table_name(table).send().await;
    let answer = answer.map_err(|error| failed("read the time to live of", table, &error))?;
    let status = answer.time_to_live_description().and_then(|description| description.time_to_live_status());
    if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(TTL_ATTRIBUTE)
        .build()
        .map_err(|error| Error::Table { action: "define", table: table.to_owned(), reason: error.to_string() })?;
    client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(specification)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| failed("set the time to live of", table, &error))
}

fn failed<E: ProvideErrorMetadata, R>(action: &'static str, table: &str, error: &SdkError<E, R>) -> Error {
    let reason = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => transport_reason(error).to_owned(),
    };
    Error::Table { action, table: table.to_owned(), reason }
}
