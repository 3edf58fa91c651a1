//! Programs that end in each kind of trap, and one that destroys its own memory and goes on.

use std::hint::black_box;

use crate::tidegate::route::storage;
use crate::tidegate::route::types::Request;
use crate::wasi::config::store;
use crate::{Answer, done, number};

/// Executes the instruction `unreachable`.
pub fn unreachable(_: &Request, _: &str) -> Answer {
    std::process::abort()
}

/// Panics, which writes a line to stderr and traps.
pub fn panic(_: &Request, _: &str) -> Answer {
    panic!("asked to panic")
}

/// Panics with a text of 10 MiB.
pub fn panic_at_length(_: &Request, _: &str) -> Answer {
    panic!("{}", "panic! ".repeat(10 << 20 >> 3))
}

/// Reads beyond the end of its memory.
pub fn out_of_bounds(_: &Request, _: &str) -> Answer {
    let beyond = black_box(usize::MAX - 64) as *const u8;
    // SAFETY: none. The sandbox must turn the read into a trap.
    done(unsafe { beyond.read_volatile() }.to_string())
}

/// Converts a number that is too large for an integer.
pub fn bad_conversion(_: &Request, _: &str) -> Answer {
    // SAFETY: none. The sandbox must turn the conversion into a trap.
    done(unsafe { black_box(1e300_f64).to_int_unchecked::<i32>() }.to_string())
}

/// Calls a function with another signature.
pub fn bad_call(_: &Request, _: &str) -> Answer {
    let function: fn(u64) -> u64 = |at| at + 1;
    // SAFETY: none. The sandbox must turn the call into a trap.
    let other: fn(f64, f64, f64) -> f64 = unsafe { std::mem::transmute(black_box(function)) };
    done(black_box(other)(1.0, 2.0, 3.0).to_string())
}

/// Calls `exit`.
pub fn exit(_: &Request, argument: &str) -> Answer {
    std::process::exit(i32::try_from(number(argument, 0)).unwrap_or_default())
}

/// Makes host calls, and calls `exit` with a status between 2 and 255.
pub fn exit_after_calls(_: &Request, _: &str) -> Answer {
    let opened = storage::open("notes").is_ok();
    std::process::exit(if opened && store::get("motd").is_ok() { 77 } else { 78 })
}

/// Overwrites its own data, its heap and its stack, and returns.
pub fn scribble(_: &Request, _: &str) -> Answer {
    for at in (1_024..black_box(1 << 20)).step_by(8) {
        // SAFETY: none. The host must survive a guest whose memory contains nonsense.
        unsafe { (at as *mut u64).write_volatile(u64::MAX) };
    }
    done("scribbled")
}

/// Panics while it drops a value.
pub fn double_panic(_: &Request, _: &str) -> Answer {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("asked to panic once more")
        }
    }
    let _bomb = Bomb;
    panic!("asked to panic first")
}
