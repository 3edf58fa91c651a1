//! Durability of acknowledged writes when the process is killed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use support::{client_of, soon};
use tidegate_aws::{DynamoStorage, Tables};
use tidegate_dynamodb_embedded::{Embedded, Error};
use tidegate_ports::Storage;
use tidegate_ports::storage::{Key, WriteOptions};

/// The environment variable with the path of the data file, for the child process.
const DATA: &str = "TIDEGATE_TEST_DATA";
/// The number of acknowledged writes after which the parent kills the child.
const WRITES: usize = 300;

fn key(number: usize) -> Key {
    Key { partition: "p".to_owned(), sort: format!("{number:06}") }
}

async fn storage(database: &Embedded) -> DynamoStorage {
    DynamoStorage::new(client_of(database).await, &Tables::default())
}

/// Runs in the child process of the test below: writes until it is killed, and prints each acknowledged write.
#[tokio::test]
#[ignore = "the test below runs this in a child process"]
async fn the_child_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(DATA).map(PathBuf::from) else { return };
    let port = storage(&Embedded::open(path).unwrap()).await;
    for number in 0.. {
        port.put("c", &key(number), "{}", &WriteOptions::default(), soon()).await.unwrap();
        // If the parent has ended, the pipe is closed and this fails.
        writeln!(std::io::stdout(), "acknowledged {number}").unwrap();
    }
}

#[tokio::test]
async fn acknowledged_writes_survive_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_writes_until_it_is_killed", "--ignored", "--nocapture"])
        .env(DATA, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let number = |line: &str| line.split_once("acknowledged ").and_then(|(_, number)| number.parse::<usize>().ok());
    let mut acknowledged: Vec<usize> = lines.by_ref().filter_map(|line| number(&line)).take(WRITES).collect();
    assert_eq!(acknowledged.len(), WRITES);

    let refused = Embedded::open(&path).unwrap_err();
    assert!(matches!(refused, Error::Locked(_)), "{refused}");
    assert!(refused.to_string().contains("data.db"), "{refused}");

    child.kill().unwrap();
    child.wait().unwrap();
    // Writes in the pipe were acknowledged as well. The last line may be incomplete.
    let rest: Vec<String> = lines.collect();
    acknowledged.extend(rest.iter().rev().skip(1).filter_map(|line| number(line)));

    let port = storage(&Embedded::open(&path).unwrap()).await;
    for number in &acknowledged {
        assert!(port.get("c", &key(*number), soon()).await.unwrap().is_some(), "write {number} is lost");
    }
}
