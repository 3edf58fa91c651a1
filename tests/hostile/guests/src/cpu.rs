//! Programs that compute: with and without host calls, for as long as they may and for just a little less.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::tidegate::route::storage;
use crate::tidegate::route::types::Request;
use crate::wasi::config::store;
use crate::{Answer, done, number};

/// Computes until the deadline.
pub fn spin(_: &Request, _: &str) -> Answer {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Reads the clock until the deadline.
pub fn spin_with_clock(_: &Request, _: &str) -> Answer {
    loop {
        black_box(Instant::now());
    }
}

/// Reads a configuration value until the deadline.
pub fn spin_with_config(_: &Request, _: &str) -> Answer {
    loop {
        black_box(store::get("motd").is_ok());
    }
}

/// Opens and drops a collection until the deadline.
pub fn spin_with_open(_: &Request, _: &str) -> Answer {
    loop {
        black_box(storage::open("notes").is_ok());
    }
}

/// Computes by recursion, in a tree of calls that does not end before the deadline.
pub fn recurse(_: &Request, _: &str) -> Answer {
    done(fibonacci(black_box(60)).to_string())
}

#[inline(never)]
fn fibonacci(of: u64) -> u64 {
    if of < 2 { of } else { fibonacci(black_box(of - 1)).wrapping_add(fibonacci(black_box(of - 2))) }
}

/// Computes for a little less than a tick, then sleeps for a moment, until the deadline.
pub fn bursts(_: &Request, argument: &str) -> Answer {
    loop {
        compute_for(Duration::from_micros(number(argument, 900)));
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Computes for a number of microseconds, by default a little less than a tick.
pub fn compute(_: &Request, argument: &str) -> Answer {
    compute_for(Duration::from_micros(number(argument, 900)));
    done("computed")
}

/// Computes until a moment before the deadline, and succeeds.
pub fn until_late(_: &Request, argument: &str) -> Answer {
    compute_for(Duration::from_millis(number(argument, 1_800)));
    done("just in time")
}

fn compute_for(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        for turn in 0..1_000_u32 {
            black_box(turn);
        }
    }
}

/// Divides and takes square roots until the deadline: the slowest instructions.
pub fn divide_often(_: &Request, _: &str) -> Answer {
    let mut value = 1e300_f64;
    let mut whole = u64::MAX;
    loop {
        value = black_box(value.sqrt() / 0.999) + 1e300;
        whole = black_box(whole / black_box(3)) | (1 << 63);
    }
}

/// Sorts a million numbers again and again.
pub fn sort(_: &Request, _: &str) -> Answer {
    let mut numbers: Vec<u32> = (0..1_000_000).collect();
    loop {
        numbers.sort_unstable_by_key(|number| number.wrapping_mul(2_654_435_761));
        numbers.sort_unstable();
        black_box(&numbers);
    }
}

/// Fills hash tables until the deadline.
pub fn hash(_: &Request, _: &str) -> Answer {
    loop {
        let table: HashMap<u32, String> = (0..100_000).map(|key| (key, key.to_string())).collect();
        black_box(table);
    }
}

/// Makes indirect calls until the deadline.
pub fn indirect_calls(_: &Request, _: &str) -> Answer {
    let functions: [fn(u64) -> u64; 4] = [|at| at + 1, |at| at ^ 3, |at| at.rotate_left(3), |at| at | 1];
    let mut value = 0;
    loop {
        for function in black_box(&functions) {
            value = function(black_box(value));
        }
    }
}
