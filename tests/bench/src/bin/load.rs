//! The load generator: one scenario a run, its report as one line of JSON on standard output.

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tidegate_bench::{echo, fanout, idle};

#[derive(Parser)]
struct Arguments {
    /// The server, `ws://host:port/path`.
    #[arg(long)]
    url: String,
    /// The text message to send.
    #[arg(long)]
    message: String,
    /// Seconds that are counted.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds that are not counted, before them.
    #[arg(long, default_value_t = 0.5)]
    warm_up: f64,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Closed-loop echo.
    Echo {
        #[arg(long)]
        connections: usize,
    },
    /// One sender, many receivers.
    Fanout {
        #[arg(long)]
        receivers: usize,
    },
    /// Connections held open; the server's memory a connection.
    Idle {
        #[arg(long)]
        connections: usize,
        /// The server's process id.
        #[arg(long)]
        pid: u32,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { url, message, seconds, warm_up, scenario } = Arguments::parse();
    let (warm_up, time) = (Duration::try_from_secs_f64(warm_up)?, Duration::try_from_secs_f64(seconds)?);
    let report = match scenario {
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
