//! What the gateway invokes: the host in this process, or its functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use tidegate_gateway::Invoke;
use tidegate_release::Release;
use tidegate_runtime::{Engine, EngineOptions, Follower, Host, Ports};

use crate::build::check;
use crate::dev::follow::Releases;
use crate::dev::in_process::InProcess;
use crate::dev::on_lambda::{self, OnLambda};

/// What the gateway invokes. A clone is the same.
#[derive(Clone)]
pub(crate) enum Integration {
    /// The host in this process.
    InProcess(Arc<InProcess>),
    /// The app's functions, in processes of their own.
    OnLambda(Arc<OnLambda>),
}

impl Integration {
    /// The host, in this process; it follows `releases`, if there are any to follow.
    ///
    /// # Errors
    /// When the release is refused.
    pub(crate) fn in_process(ports: Ports, release: Release, releases: Option<&Releases>) -> Result<Self> {
        let host = Arc::new(Host::new(Engine::new(EngineOptions::local())?, ports, release.clone())?);
        let follower = releases.map(|releases| releases.follower(Arc::clone(&host), release)).transpose()?;
        Ok(Self::InProcess(Arc::new(InProcess::new(host, follower))))
    }

    /// The app's functions.
    ///
    /// # Errors
    /// When the release is refused or cannot be copied.
    pub(crate) fn on_lambda(parts: &on_lambda::Parts<'_>, release: &Release) -> Result<Self> {
        check::loads(release)?;
        Ok(Self::OnLambda(Arc::new(OnLambda::new(parts)?)))
    }

    /// As the gateway's port.
    pub(crate) fn invoke(&self) -> Arc<dyn Invoke> {
        match self {
            Self::InProcess(host) => Arc::clone(host) as _,
            Self::OnLambda(functions) => Arc::clone(functions) as _,
        }
    }

    /// What follows releases in this process.
    pub(crate) fn follower(&self) -> Option<&Arc<Follower>> {
        match self {
            Self::InProcess(host) => host.follower(),
            Self::OnLambda(_) => None,
        }
    }

    /// Runs later events on another release, which [`build`](crate::build::rebuild) has written; those under way end on the
    /// one that they began on.
    ///
    /// # Errors
    /// When the release is refused or cannot be copied; events then go on as before.
    pub(crate) async fn activate(&self, release: Release) -> Result<()> {
        match self {
            Self::InProcess(host) => host.activate(release).await,
            Self::OnLambda(functions) => {
                // A function would say so only at its start, when it is too late.
                tokio::task::spawn_blocking(move || check::loads(&release)).await??;
                functions.activate()
            }
        }
    }

    /// Gives later events these configuration values; on Lambda in new processes.
    ///
    /// # Errors
    /// When there can be no new processes.
    pub(crate) fn set_config(&self, values: &BTreeMap<String, String>) -> Result<()> {
        match self {
            Self::InProcess(host) => host.set_config(values.clone()),
            Self::OnLambda(functions) => functions.set_config(values)?,
        }
        Ok(())
    }

    /// Waits until what events left to be done has been done.
    pub(crate) async fn drain(&self) {
        match self {
            Self::InProcess(host) => host.drain().await,
            Self::OnLambda(functions) => functions.drain().await,
        }
    }
}
