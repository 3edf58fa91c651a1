//! The ports of a local run: the DynamoDB implementation over a database in this process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidegate_aws::{DynamoRegistry, DynamoStorage, Tables, dynamodb::client};
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_dynamodb_embedded::{Embedded, Error};
use tidegate_files::private;
use tidegate_ports::registry::MAX_PAGE_LIMIT;
use tidegate_ports::{Deadline, Messaging, Registry};
use tidegate_runtime::{Ports, RoutePorts};

use crate::ui::error::Result;

/// The file name of the database in a data folder.
const DATABASE_FILE: &str = "tidegate.db";
/// The file name of its lock.
const LOCK_FILE: &str = "tidegate.db.lock";
/// The time limit of one call during the removal of stale connections.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The location of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    /// In memory, until the process ends.
    Memory,
    /// In a folder, which is created if it is missing.
    Folder(PathBuf),
}

/// The database of a local run, and the ports over it.
pub(crate) struct Local {
    /// The database, for the removal of expired items and for closing.
    pub(crate) database: Embedded,
    storage: Arc<DynamoStorage>,
    registry: Arc<DynamoRegistry>,
}

impl Local {
    /// Opens the database and creates its tables.
    ///
    /// # Errors
    /// The folder cannot be used, or another process uses it.
    pub(crate) async fn open(data: &Data) -> Result<Self> {
        let database = match data {
            Data::Memory => Embedded::memory().map_err(database_error)?,
            Data::Folder(dir) => open_folder(dir)?,
        };
        let client = client::local(database.http_client());
        let tables = Tables::default();
        tables.create_missing(&client).await.diagnose(Code::DatabaseFailed, || "cannot create the tables")?;
        let storage = Arc::new(DynamoStorage::new(client.clone(), &tables));
        let registry = Arc::new(DynamoRegistry::new(client, &tables));
        Ok(Self { database, storage, registry })
    }

    /// Returns the ports, which send messages through `messaging` and have the configuration values `config`.
    pub(crate) fn ports(&self, messaging: Arc<dyn Messaging>, config: BTreeMap<String, String>) -> Ports {
        let routes = RoutePorts {
            storage: Arc::clone(&self.storage) as _,
            registry: Arc::clone(&self.registry) as _,
            messaging,
        };
        Ports { routes: Some(routes), config: Arc::new(config) }
    }

    /// Removes the connections of an earlier process, whose sockets were closed when it ended.
    ///
    /// # Errors
    /// The registry fails.
    pub(crate) async fn remove_stale_connections(&self) -> Result<()> {
        let what = || "cannot remove the connections of an earlier run";
        let mut cursor = None;
        loop {
            let page = self.registry.list(MAX_PAGE_LIMIT, cursor.as_ref(), Deadline::after(CALL_TIMEOUT)).await;
            let page = page.diagnose(Code::DatabaseFailed, what)?;
            for connection in &page.connections {
                let removed = self.registry.unregister(&connection.id, Deadline::after(CALL_TIMEOUT)).await;
                removed.diagnose(Code::DatabaseFailed, what)?;
            }
            // An empty page is not always the last one, because items that have expired in the meantime are filtered
            // out.
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}

fn open_folder(dir: &Path) -> Result<Embedded> {
    private::create_folder(dir)
        .diagnose(Code::FileCreate, || format!("cannot create the data folder `{}`", dir.display()))?;
    // SQLite would wait for the writer of a named pipe, and follow a link. A new file is private to its owner, as are
    // those that SQLite puts beside it.
    for name in [DATABASE_FILE, LOCK_FILE] {
        let path = dir.join(name);
        private::open_lock(&path).diagnose(Code::FileRead, || format!("cannot open `{}`", path.display()))?;
    }
    Embedded::open(dir.join(DATABASE_FILE)).map_err(database_error)
}

fn database_error(error: Error) -> Diagnostic {
    match &error {
        Error::Locked(path) => {
            let what = format!("cannot open the data file `{}`", path.display());
            Diagnostic::new(Code::DataLocked, what, "another process uses it")
                .hint("stop that process, or choose another folder with `--data DIR`")
        }
        _ => Diagnostic::caused_by(Code::DatabaseFailed, "cannot open the database", &error),
    }
}
