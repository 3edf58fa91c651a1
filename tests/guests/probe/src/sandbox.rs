//! The WASI interfaces: clocks, random numbers and the log, and nothing else.

use std::collections::HashMap;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Answer;
use crate::tidegate::route::types::Request;
use crate::wasi::config::store;

/// Asserts that the environment, the arguments and stdin are empty.
pub fn environment(_: &Request, _: &str) -> Answer {
    assert_eq!(std::env::vars_os().count(), 0, "the environment is empty");
    assert_eq!(std::env::args_os().count(), 0, "there are no arguments");
    let mut line = String::new();
    assert_eq!(std::io::stdin().read_line(&mut line).expect("stdin can be read"), 0, "stdin is at its end");
    Ok("nothing".to_owned())
}

/// Asserts that files cannot be listed, read or written.
pub fn files(_: &Request, _: &str) -> Answer {
    for path in ["/", ".", "/etc", "/tmp"] {
        assert!(std::fs::read_dir(path).is_err(), "{path} cannot be listed");
    }
    assert!(std::fs::read("/etc/passwd").is_err(), "no file can be read");
    assert!(std::fs::write("/tmp/probe", "x").is_err(), "no file can be written");
    Ok("nothing".to_owned())
}

/// Asserts that sockets and name resolution are refused. The argument is an address that listens.
pub fn sockets(_: &Request, argument: &str) -> Answer {
    assert!(TcpStream::connect(argument).is_err(), "{argument} cannot be connected to");
    assert!(TcpListener::bind("127.0.0.1:0").is_err(), "no port can be listened on");
    assert!(UdpSocket::bind("127.0.0.1:0").is_err(), "no datagram can be received");
    assert!("localhost:80".to_socket_addrs().is_err(), "no name is resolved");
    Ok("nothing".to_owned())
}

/// Asserts that both clocks run and that hash maps get a seed.
pub fn clocks(_: &Request, _: &str) -> Answer {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after the epoch");
    assert!(since > Duration::from_secs(1_700_000_000), "the wall clock is right");
    let first = Instant::now();
    while first.elapsed().is_zero() {}
    assert_eq!(HashMap::from([("a", 1)]).get("a"), Some(&1));
    Ok("two clocks".to_owned())
}

/// Sleeps for the number of milliseconds in the argument.
pub fn sleep(_: &Request, argument: &str) -> Answer {
    std::thread::sleep(Duration::from_millis(argument.parse().expect("milliseconds")));
    Ok("rested".to_owned())
}

/// Writes to stdout and stderr. The last line has no line feed.
pub fn lines(_: &Request, argument: &str) -> Answer {
    println!("first {argument}");
    println!("second {argument}");
    eprintln!("error {argument}");
    print!("unfinished {argument}");
    use std::io::Write as _;
    std::io::stdout().flush().expect("stdout can be flushed");
    Ok(String::new())
}

/// Writes 20,000 lines. The argument `emptily` puts 65,536 empty lines before them.
pub fn chatter(_: &Request, argument: &str) -> Answer {
    if argument == "emptily" {
        print!("{}", "\n".repeat(65_536));
    }
    for line in 0..20_000 {
        println!("line {line} of very many that nobody wants to read, each about eighty bytes long...");
    }
    Ok("said it all".to_owned())
}

/// Asserts that granted names are visible and that other names look as if they were not set.
pub fn settings(_: &Request, _: &str) -> Answer {
    assert_eq!(store::get("plan").expect("a granted name").as_deref(), Some("gold"));
    assert_eq!(store::get("unset").expect("a granted name"), None, "a granted name without a value");
    assert_eq!(store::get("secret").expect("no error"), None, "a name that is not granted");
    assert_eq!(store::get_all().expect("all"), [("plan".to_owned(), "gold".to_owned())]);
    Ok("gold".to_owned())
}
