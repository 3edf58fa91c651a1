//! Programs that move, grow, keep and scatter memory. The route's limit is 64 MiB unless the attack says otherwise.

use std::hint::black_box;
use std::time::Duration;

use crate::tidegate::route::types::Request;
use crate::{Answer, done, number};

const MIB: usize = 1 << 20;
const PAGE: usize = 4_096;

/// Fills most of its memory in one instruction, until the deadline.
pub fn fill(_: &Request, argument: &str) -> Answer {
    let mut bytes = vec![1_u8; mebibytes(argument, 56)];
    let mut value = 0_u8;
    loop {
        value = black_box(value.wrapping_add(1));
        black_box(&mut bytes).fill(value);
    }
}

/// Copies half of its memory over the other half in one instruction, until the deadline.
pub fn copy(_: &Request, argument: &str) -> Answer {
    let mut bytes = vec![1_u8; mebibytes(argument, 56)];
    let half = bytes.len() / 2;
    loop {
        black_box(&mut bytes).copy_within(..half, half);
    }
}

/// Fills most of its memory once, and returns.
pub fn fill_once(_: &Request, argument: &str) -> Answer {
    black_box(vec![7_u8; mebibytes(argument, 56)]);
    done("filled")
}

/// Grows its memory by one page at a time until the limit.
pub fn grow(_: &Request, _: &str) -> Answer {
    loop {
        std::mem::forget(black_box(Vec::<u8>::with_capacity(64 << 10)));
    }
}

/// Allocates and writes until the memory is exhausted.
pub fn allocate(_: &Request, _: &str) -> Answer {
    loop {
        std::mem::forget(black_box(vec![1_u8; MIB]));
    }
}

/// Allocates small blocks and frees every other one, in many sizes.
pub fn fragment(_: &Request, _: &str) -> Answer {
    let mut kept = Vec::new();
    for round in 0..40_usize {
        let blocks: Vec<Vec<u8>> = (0..2_000).map(|at| vec![1; 16 + (at * 37 + round * 113) % 1_000]).collect();
        kept.extend(blocks.into_iter().step_by(2));
    }
    done(black_box(kept).len().to_string())
}

/// Writes one byte to each page, and returns.
pub fn touch_pages(_: &Request, argument: &str) -> Answer {
    let mut bytes = Vec::<u8>::with_capacity(mebibytes(argument, 56));
    for at in (0..bytes.capacity()).step_by(PAGE) {
        bytes.spare_capacity_mut()[at].write(1);
    }
    black_box(&mut bytes);
    done("touched")
}

/// Fills most of its memory, and sleeps until just before the deadline.
pub fn hold(_: &Request, argument: &str) -> Answer {
    let bytes = vec![1_u8; mebibytes(argument, 60)];
    std::thread::sleep(Duration::from_millis(1_700));
    done(black_box(bytes).len().to_string())
}

/// Reserves most of its memory, and touches nothing.
pub fn zeroed(_: &Request, argument: &str) -> Answer {
    black_box(vec![0_u8; mebibytes(argument, 56)]);
    done("reserved")
}

/// Doubles a vector until the memory is exhausted.
pub fn realloc(_: &Request, _: &str) -> Answer {
    let mut bytes = vec![1_u8; PAGE];
    loop {
        let more = bytes.len();
        bytes.reserve_exact(more);
        bytes.resize(more * 2, 1);
        black_box(&mut bytes);
    }
}

/// Grows its memory to the limit in one step, touches the ends, and returns.
pub fn grow_and_return(_: &Request, argument: &str) -> Answer {
    let mut bytes = Vec::<u8>::with_capacity(mebibytes(argument, 60));
    let ends = bytes.spare_capacity_mut();
    let last = ends.len() - 1;
    ends[0].write(1);
    ends[last].write(1);
    black_box(&mut bytes);
    done("grown")
}

fn mebibytes(argument: &str, default: u64) -> usize {
    usize::try_from(number(argument, default)).unwrap_or_default() * MIB
}
