//! The callers that the gateway of a run accepts, and the keys of the run.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use aws_credential_types::Credentials;
use tidegate_diagnostic::{Code, Diagnose as _};
use tidegate_gateway::Access;
use tidegate_local_access::{Host, HostPattern, Hosts, Keys, Origins, keys};

use crate::args;
use crate::dev::run_file::RunFile;
use crate::ui::error::Result;
use crate::ui::terminal::err;

/// The door of a run: the address of its gateway, its rules and its keys.
pub(crate) struct Door {
    /// The address of the gateway.
    pub(crate) address: SocketAddr,
    pub(crate) access: Access,
    /// The credentials of the functions of `--lambda`.
    pub(crate) function: Credentials,
    /// The file with the keys of the developer.
    pub(crate) run_file: RunFile,
}

impl Door {
    /// Makes the keys of the run, and writes those of the developer to a file in `state_dir`.
    ///
    /// # Errors
    /// The system has no random numbers, or the file cannot be written.
    pub(crate) fn open(args: &args::Dev, address: SocketAddr, state_dir: &Path) -> Result<Self> {
        let what = || "cannot make the keys of the run";
        let developer = keys::for_a_user().diagnose(Code::Internal, what)?;
        let function = keys::for_a_function().diagnose(Code::Internal, what)?;
        let url = callback_url(address, &args.stage);
        let run_file = RunFile::write(state_dir, address.port(), url, &developer)?;
        let access = Access {
            hosts: Hosts::new(hosts(args)),
            origins: Origins::new(args.allow_origins.clone()),
            keys: Keys::new(vec![developer, function.clone()]),
        };
        Ok(Self { address, access, function, run_file })
    }
}

/// Returns the accepted hosts in addition to loopback names.
fn hosts(args: &args::Dev) -> Vec<HostPattern> {
    let mut hosts = args.allow_hosts.clone();
    // No name can be pointed at the gateway under the cover of an address, and functions have no other way to call it.
    if !args.host.is_unspecified() {
        hosts.push(HostPattern::Exactly(Host::Address(args.host)));
    }
    hosts
}

/// Returns the address at which clients on this machine reach a listener.
pub(crate) fn reached(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// Returns the URL of the gateway's `@connections` for a client on this machine.
pub(crate) fn callback_url(gateway: SocketAddr, stage: &str) -> String {
    format!("http://{}/{stage}", reached(gateway))
}

/// Warns of an address that other machines reach.
pub(crate) fn warn(args: &args::Dev, address: SocketAddr) {
    if args.host.is_loopback() {
        return;
    }
    err!("tidegate: warning: other machines reach `{address}`, which has no TLS");
    if args.host.is_unspecified() && args.allow_hosts.is_empty() {
        err!(
            "tidegate: only requests for loopback names are accepted; `--allow-host NAME` accepts the name or the \
             address under which others reach this machine"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callback_urls_reach_the_gateway_from_this_machine() {
        for (listener, reached) in
            [("0.0.0.0:3000", "127.0.0.1:3000"), ("[::]:3000", "[::1]:3000"), ("192.0.2.1:80", "192.0.2.1:80")]
        {
            assert_eq!(callback_url(listener.parse().unwrap(), "dev"), format!("http://{reached}/dev"));
        }
    }
}
