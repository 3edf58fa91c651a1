/// Passes the names of all behaviours of the guest `probe` to the macro `$with`.
///
/// The guest dispatches on this list. The tests of `host/runtime` name a test after each entry, so a behaviour without
/// a test does not compile.
macro_rules! behaviours {
    ($with:ident) => {
        $with! {
            echo, status, fail, large_reply, counter, context,
            trap, panicking, overflow, nested, spin, spin_and_call, memory, handles, host_calls, large_call, exit,
            environment, files, sockets, clocks, sleep, lines, chatter,
            documents, transactions, storage_refused, storage_waits, large_answer, settings,
            send, send_many, broadcast, greet, greetings, describe_and_close, messaging_refused,
            groups, attributes, registry_refused,
        }
    };
}
