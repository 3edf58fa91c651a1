//! The native function as the documentation of `lambda_runtime` starts one.

use lambda_runtime::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    bench_native_chat::run().await
}
