//! The ports of one machine: DynamoDB's code over a database in process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_aws::{DynamoRegistry, DynamoStorage, Tables, dynamodb::client};
use tidegate_dynamodb_embedded::Embedded;
use tidegate_ports::registry::MAX_PAGE_LIMIT;
use tidegate_ports::{Deadline, Messaging, Registry};
use tidegate_runtime::{Ports, RoutePorts};

/// The database's file in a data folder.
const DATABASE_FILE: &str = "tidegate.db";
/// How long one call may take while the connections of an earlier run are forgotten.
const FORGET_TIMEOUT: Duration = Duration::from_secs(10);

/// Where tables are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    /// In memory, until the process ends.
    Memory,
    /// In a folder, which is created.
    Folder(PathBuf),
}

/// The database of one machine and the ports over it.
pub(crate) struct Local {
    /// The database.
    pub(crate) database: Embedded,
    storage: Arc<DynamoStorage>,
    registry: Arc<DynamoRegistry>,
}

impl Local {
    /// Opens the database and makes its tables.
    ///
    /// # Errors
    /// When the folder cannot be used, or another process uses it.
    pub(crate) async fn open(data: &Data) -> Result<Self> {
        let database = match data {
            Data::Memory => Embedded::memory()?,
            Data::Folder(dir) => open_folder(dir)?,
        };
        let client = client::local(database.http_client());
        let tables = Tables::default();
        tables.create_missing(&client).await?;
        let storage = Arc::new(DynamoStorage::new(client.clone(), &tables));
        let registry = Arc::new(DynamoRegistry::new(client, &tables));
        Ok(Self { database, storage, registry })
    }

    /// The ports, with messages going by `messaging`, and `config`'s values.
    pub(crate) fn ports(
        &self,
        messaging: Arc<dyn Messaging>,
        config: std::collections::BTreeMap<String, String>,
    ) -> Ports {
        let routes = RoutePorts {
            storage: Arc::clone(&self.storage) as _,
            registry: Arc::clone(&self.registry) as _,
            messaging,
        };
        Ports { routes: Some(routes), config: Arc::new(config) }
    }

    /// Removes the connections that an earlier process registered: their sockets ended with it.
    ///
    /// # Errors
    /// When the registry fails.
    pub(crate) async fn forget_connections(&self) -> Result<()> {
        let mut cursor = None;
        loop {
            let page = self.registry.list(MAX_PAGE_LIMIT, cursor.as_ref(), Deadline::after(FORGET_TIMEOUT)).await;
            let page = page.context("cannot list the connections of an earlier run")?;
            for connection in &page.connections {
                let removed = self.registry.unregister(&connection.id, Deadline::after(FORGET_TIMEOUT)).await;
                removed.with_context(|| format!("cannot remove connection `{}` of an earlier run", connection.id))?;
            }
            // A page may be empty and not the last: rows that expired while no process ran are filtered.
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}

fn open_folder(dir: &Path) -> Result<Embedded> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create the data folder `{}`", dir.display()))?;
    Ok(Embedded::open(dir.join(DATABASE_FILE))?)
}
