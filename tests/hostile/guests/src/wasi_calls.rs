//! Programs that call WASI without end: clocks, random bytes, sleeps, polls, streams.

use std::hint::black_box;
use std::io::Read as _;
use std::time::{Duration, Instant, SystemTime};

use crate::tidegate::route::types::Request;
use crate::wasi::clocks::monotonic_clock::{now, subscribe_duration};
use crate::wasi::io::poll::poll;
use crate::wasi::random::random::{get_random_bytes, get_random_u64};
use crate::{Answer, done, number};

const SECOND: u64 = 1_000_000_000;

/// Reads both clocks until the deadline.
pub fn clocks(_: &Request, _: &str) -> Answer {
    loop {
        black_box((Instant::now(), SystemTime::now(), now()));
    }
}

/// Takes 64 KiB of random bytes until the deadline.
pub fn random(_: &Request, _: &str) -> Answer {
    loop {
        black_box((get_random_bytes(64 << 10), get_random_u64()));
    }
}

/// Asks for more random bytes than fit into memory.
pub fn random_huge(_: &Request, _: &str) -> Answer {
    done(get_random_bytes(1 << 40).len().to_string())
}

/// Sleeps for a number of milliseconds.
pub fn sleep(_: &Request, argument: &str) -> Answer {
    std::thread::sleep(Duration::from_millis(number(argument, 1_900)));
    done("rested")
}

/// Sleeps for a millisecond again and again.
pub fn sleep_often(_: &Request, _: &str) -> Answer {
    loop {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sleeps for a nanosecond again and again.
pub fn sleep_zero(_: &Request, _: &str) -> Answer {
    loop {
        std::thread::sleep(Duration::from_nanos(1));
    }
}

/// Subscribes to timers until the handle table is full.
pub fn pollables(_: &Request, _: &str) -> Answer {
    loop {
        std::mem::forget(subscribe_duration(3_600 * SECOND));
    }
}

/// Polls 900 timers again and again.
pub fn poll_many(_: &Request, _: &str) -> Answer {
    let soon = subscribe_duration(0);
    let late: Vec<_> = (0..900).map(|at| subscribe_duration((at + 60) * SECOND)).collect();
    let all: Vec<_> = late.iter().chain([&soon]).collect();
    loop {
        black_box(poll(&all));
    }
}

/// Asks a timer whether it is ready, until the deadline.
pub fn busy_poll(_: &Request, _: &str) -> Answer {
    let late = subscribe_duration(3_600 * SECOND);
    while !black_box(late.ready()) {}
    done("an hour later")
}

/// Reads from stdin until the deadline.
pub fn read_stdin(_: &Request, _: &str) -> Answer {
    let mut bytes = [0; 4_096];
    loop {
        black_box(std::io::stdin().read(&mut bytes).is_ok());
    }
}

/// Reads the environment and tries files and sockets until the deadline.
pub fn environment(_: &Request, _: &str) -> Answer {
    loop {
        black_box(std::env::vars_os().count());
        black_box(std::fs::read("/etc/hostname").is_ok());
        black_box(std::net::TcpStream::connect("127.0.0.1:1").is_ok());
    }
}
