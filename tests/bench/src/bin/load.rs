//! The load generator. It runs one scenario and prints the report as one line of JSON.

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tidegate_bench::{connect, echo, fanout, idle};

#[derive(Parser)]
struct Arguments {
    /// URL of the server, `ws://host:port/path`
    #[arg(long)]
    url: String,
    /// Text message to send
    #[arg(long)]
    message: String,
    /// Measured seconds
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds of load before the measurement
    #[arg(long, default_value_t = 0.5)]
    warm_up: f64,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Closed-loop handshakes
    Connect {
        #[arg(long)]
        connections: usize,
    },
    /// Closed-loop echo
    Echo {
        #[arg(long)]
        connections: usize,
    },
    /// One sender and many receivers
    Fanout {
        #[arg(long)]
        receivers: usize,
    },
    /// Connections held open, and the server's memory for each
    Idle {
        #[arg(long)]
        connections: usize,
        /// Process id of the server
        #[arg(long)]
        pid: u32,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { url, message, seconds, warm_up, scenario } = Arguments::parse();
    let (warm_up, time) = (Duration::try_from_secs_f64(warm_up)?, Duration::try_from_secs_f64(seconds)?);
    let report = match scenario {
        Scenario::Connect { connections } => {
            serde_json::to_value(connect::run(&url, connections, warm_up, time).await?)?
        }
        Scenario::Echo { connections } => {
            serde_json::to_value(echo::run(&url, connections, &message, warm_up, time).await?)?
        }
        Scenario::Fanout { receivers } => {
            serde_json::to_value(fanout::run(&url, receivers, &message, warm_up, time).await?)?
        }
        Scenario::Idle { connections, pid } => {
            serde_json::to_value(idle::run(&url, connections, pid, &message).await?)?
        }
    };
    println!("{report}");
    Ok(())
}
