//! The native function, started as in the documentation of `lambda_runtime`.

use lambda_runtime::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    bench_native_chat::run().await
}
