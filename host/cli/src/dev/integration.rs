//! The gateway's integration: a host in this process, or the functions in separate processes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_gateway::Invoke;
use tidegate_ports::MemoryBudget;
use tidegate_release::Release;
use tidegate_runtime::{Engine, EngineOptions, Follower, Host, Ports};

use crate::build::check;
use crate::dev::follow::Releases;
use crate::dev::in_process::InProcess;
use crate::dev::on_lambda::{self, OnLambda};
use crate::ui::error::{Result, blocking};

/// The gateway's integration. Clones share it.
#[derive(Clone)]
pub(crate) enum Integration {
    /// A host in this process.
    InProcess(Arc<InProcess>),
    /// The functions of the app, in separate processes.
    OnLambda(Arc<OnLambda>),
}

impl Integration {
    /// Creates a host in this process, which follows `releases` if it is `Some`.
    ///
    /// # Errors
    /// The host refuses the release.
    pub(crate) fn in_process(
        ports: Ports,
        release: Release,
        releases: Option<&Releases>,
        memory: MemoryBudget,
    ) -> Result<Self> {
        let engine = Engine::with_memory(EngineOptions::local(), memory)?;
        let host = Arc::new(Host::new(engine, ports, release.clone())?);
        let follower = releases.map(|releases| releases.follower(Arc::clone(&host), release)).transpose()?;
        Ok(Self::InProcess(Arc::new(InProcess::new(host, follower))))
    }

    /// Creates the functions of the app.
    ///
    /// # Errors
    /// A host would refuse the release, or the release cannot be copied.
    pub(crate) fn on_lambda(parts: &on_lambda::Parts<'_>, release: &Release) -> Result<Self> {
        check::dry_run_link(release)?;
        Ok(Self::OnLambda(Arc::new(OnLambda::new(parts)?)))
    }

    /// Returns the integration for the gateway.
    pub(crate) fn invoke(&self) -> Arc<dyn Invoke> {
        match self {
            Self::InProcess(host) => Arc::clone(host) as _,
            Self::OnLambda(functions) => Arc::clone(functions) as _,
        }
    }

    /// Returns the follower of releases in this process.
    pub(crate) fn follower(&self) -> Option<&Arc<Follower>> {
        match self {
            Self::InProcess(host) => host.follower(),
            Self::OnLambda(_) => None,
        }
    }

    /// Switches later events to the release that [`build::rebuild`](crate::build::rebuild) has written. Events in
    /// flight end on the release that they began on.
    ///
    /// # Errors
    /// A host refuses the release, or the release cannot be copied. Events then continue on the current release.
    pub(crate) async fn activate(&self, release: Release) -> Result<()> {
        match self {
            Self::InProcess(host) => host.activate(release).await,
            Self::OnLambda(functions) => {
                // A function would refuse the release only at its start, too late to keep the current one.
                blocking(move || check::dry_run_link(&release)).await?;
                functions.activate()
            }
        }
    }

    /// Sets the configuration values for later events. Functions get them in new processes.
    ///
    /// # Errors
    /// New processes cannot be prepared.
    pub(crate) fn set_config(&self, values: &BTreeMap<String, String>) -> Result<()> {
        match self {
            Self::InProcess(host) => host.set_config(values.clone()),
            Self::OnLambda(functions) => functions.set_config(values)?,
        }
        Ok(())
    }

    /// Waits for the rest of the work of earlier events.
    pub(crate) async fn drain(&self) {
        match self {
            Self::InProcess(host) => host.drain().await,
            Self::OnLambda(functions) => functions.drain().await,
        }
    }
}
