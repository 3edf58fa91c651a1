//! The native function on one thread, like Tidegate's host.

use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    bench_native_chat::run().await
}
