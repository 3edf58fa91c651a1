//! Programs that use the stack: above its limit, just below it, and with host calls at the bottom.

use std::hint::black_box;
use std::time::Duration;

use crate::tidegate::route::storage;
use crate::tidegate::route::types::Request;
use crate::{Answer, done, number};

/// Recurses until the stack overflows.
pub fn overflow(_: &Request, _: &str) -> Answer {
    done(dig(black_box(u64::MAX), &|| 0).to_string())
}

/// Recurses to a depth below the limit again and again.
pub fn deep(_: &Request, argument: &str) -> Answer {
    loop {
        black_box(dig(number(argument, 400), &|| 1));
    }
}

/// Calls a function whose frame is larger than the stack.
pub fn large_frame(_: &Request, _: &str) -> Answer {
    let frame = black_box([1_u8; 32 << 20]);
    done(frame[black_box(1 << 20)].to_string())
}

/// Makes host calls from a deep stack until the deadline.
pub fn call_from_depth(_: &Request, argument: &str) -> Answer {
    loop {
        dig(number(argument, 400), &|| u64::from(storage::open("notes").is_ok()));
    }
}

/// Sleeps at the bottom of a deep stack, so that the stack stays resident.
pub fn sleep_at_depth(_: &Request, argument: &str) -> Answer {
    let rest = || {
        std::thread::sleep(Duration::from_millis(1_700));
        1
    };
    done(dig(number(argument, 400), &rest).to_string())
}

/// Calls itself with a frame of about 600 bytes until the depth is 0, and calls `bottom` there.
#[inline(never)]
fn dig(depth: u64, bottom: &dyn Fn() -> u64) -> u64 {
    if black_box(depth) == 0 {
        return bottom();
    }
    let frame = black_box([depth; 64]);
    dig(depth - 1, bottom).wrapping_add(frame[usize::try_from(depth % 64).unwrap_or_default()])
}
