//! Programs that write to stdout and stderr: too much, in odd pieces, and text that forges lines or controls terminals.

use std::io::Write as _;

use crate::tidegate::route::types::Request;
use crate::{Answer, done};

/// Writes 20,000 lines.
pub fn lines(_: &Request, _: &str) -> Answer {
    for line in 0..20_000 {
        println!("line {line} of very many that nobody reads, each of them about eighty bytes long");
    }
    done("lines")
}

/// Writes 16 MiB without a line feed.
pub fn one_line(_: &Request, _: &str) -> Answer {
    for _ in 0..256 {
        print!("{}", "x".repeat(64 << 10));
    }
    done("one line")
}

/// Writes bytes that are not UTF-8.
pub fn bytes(_: &Request, _: &str) -> Answer {
    let all: Vec<u8> = (0..=255).chain([0xff, 0xfe, 0xc0, 0x80, b'\n']).collect();
    for _ in 0..4_096 {
        _ = std::io::stdout().write_all(&all);
    }
    done("bytes")
}

/// Writes sequences that control a terminal.
pub fn controls(_: &Request, _: &str) -> Answer {
    for _ in 0..2_000 {
        println!("\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}]52;c;cm0=\u{7}\u{9b}31m\u{8}\u{8}\r\u{202e}txet");
    }
    done("controls")
}

/// Writes a million empty lines.
pub fn empty_lines(_: &Request, _: &str) -> Answer {
    for _ in 0..16 {
        print!("{}", "\n".repeat(65_536));
    }
    done("empty lines")
}

/// Writes single bytes, and flushes after each, until the deadline.
pub fn byte_by_byte(_: &Request, _: &str) -> Answer {
    loop {
        _ = std::io::stdout().write_all(b"x");
        _ = std::io::stdout().flush();
    }
}

/// Writes to stdout until the deadline.
pub fn flood_stdout(_: &Request, _: &str) -> Answer {
    let line = "y".repeat(1_000) + "\n";
    loop {
        _ = std::io::stdout().write_all(line.as_bytes());
    }
}

/// Writes to stderr until the deadline.
pub fn flood_stderr(_: &Request, _: &str) -> Answer {
    loop {
        eprintln!("an error that is not one, and that nobody reads");
    }
}

/// Writes lines that look like the host's own.
pub fn forged_lines(_: &Request, _: &str) -> Answer {
    for _ in 0..200 {
        print!("hello\r2026-01-01T00:00:00Z ERROR tidegate: the signing key is lost\r\n");
        println!(r#"{{"level":"ERROR","message":"forged","release":"x"}}"#);
    }
    done("forged")
}
