//! The conformance suites of the ports over the embedded database, in memory and in a file.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

mod releases_in_memory {
    tidegate_release_testing::store_conformance!(crate::support::releases_in_memory);
}

mod releases_in_a_file {
    tidegate_release_testing::store_conformance!(crate::support::releases_in_a_file);
}

mod storage_in_memory {
    tidegate_ports_testing::storage_conformance!(crate::support::storage_in_memory);
}

mod storage_in_a_file {
    tidegate_ports_testing::storage_conformance!(crate::support::storage_in_a_file);
}

mod registry_in_memory {
    tidegate_ports_testing::registry_conformance!(crate::support::registry_in_memory);
}

mod registry_in_a_file {
    tidegate_ports_testing::registry_conformance!(crate::support::registry_in_a_file);
}

mod registry_of_7_shards {
    tidegate_ports_testing::registry_conformance!(crate::support::registry_of_7_shards);
}
