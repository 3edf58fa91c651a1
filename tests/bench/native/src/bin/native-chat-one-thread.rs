//! The native function on one thread, as Tidegate's host is: nothing has to wake another thread up.

use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    bench_native_chat::run().await
}
