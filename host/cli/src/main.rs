//! Tidegate's command line for a developer's machine.

fn main() {}
