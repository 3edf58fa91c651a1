//! `tidegate dev`: the gateway, the host and DynamoDB in one process.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_capability::{Deadline, Registry};
use tidegate_gateway::{Connections, Gateway};
use tidegate_release::Manifest;
use tokio::net::TcpListener;

use crate::in_process::InProcess;
use crate::local::{Local, Store};
use crate::{api, args, build, config, shutdown, token};

/// How long a demonstration token is valid.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// How long the start may take to forget the connections of an earlier run.
const FORGET_TIMEOUT: Duration = Duration::from_secs(30);
