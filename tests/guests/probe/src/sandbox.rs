//! What WASI gives: nothing but clocks, random numbers and a log.

use std::collections::HashMap;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Answer;
use crate::tidegate::route::types::Request;
use crate::wasi::config::store;

/// No environment and no arguments.
pub fn environment(_: &Request, _: &str) -> Answer {
    assert_eq!(std::env::vars_os().count(), 0, "the environment is empty");
    assert_eq!(std::env::args_os().count(), 0, "there are no arguments");
    let mut line = String::new();
    assert_eq!(std::io::stdin().read_line(&mut line).expect("stdin can be read"), 0, "stdin is at its end");
    Ok("nothing".to_owned())
}

/// No files.
pub fn files(_: &Request, _: &str) -> Answer {
    for path in ["/", ".", "/etc", "/tmp"] {
        assert!(std::fs::read_dir(path).is_err(), "{path} cannot be listed");
    }
    assert!(std::fs::read("/etc/passwd").is_err(), "no file can be read");
    assert!(std::fs::write("/tmp/probe", "x").is_err(), "no file can be written");
    Ok("nothing".to_owned())
}

/// No sockets and no names.
pub fn sockets(_: &Request, told: &str) -> Answer {
    assert!(TcpStream::connect(told).is_err(), "{told} cannot be connected to");
    assert!(TcpListener::bind("127.0.0.1:0").is_err(), "no port can be listened on");
    assert!(UdpSocket::bind("127.0.0.1:0").is_err(), "no datagram can be received");
    assert!("localhost:80".to_socket_addrs().is_err(), "no name is resolved");
    Ok("nothing".to_owned())
}

/// Both clocks run, and hash maps are seeded.
pub fn clocks(_: &Request, _: &str) -> Answer {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after the epoch");
    assert!(since > Duration::from_secs(1_700_000_000), "the wall clock is right");
    let first = Instant::now();
    while first.elapsed().is_zero() {}
    assert_eq!(HashMap::from([("a", 1)]).get("a"), Some(&1));
    Ok("two clocks".to_owned())
}

/// Sleeps as many milliseconds as it is told.
pub fn sleep(_: &Request, told: &str) -> Answer {
    std::thread::sleep(Duration::from_millis(told.parse().expect("milliseconds")));
    Ok("rested".to_owned())
}

/// Writes to both streams, the last line unfinished.
pub fn lines(_: &Request, told: &str) -> Answer {
    println!("first {told}");
    println!("second {told}");
    eprintln!("error {told}");
    print!("unfinished {told}");
    use std::io::Write as _;
    std::io::stdout().flush().expect("stdout can be flushed");
    Ok(String::new())
}

/// Writes very much.
pub fn chatter(_: &Request, told: &str) -> Answer {
    if told == "emptily" {
        print!("{}", "\n".repeat(65_536));
    }
    for line in 0..20_000 {
        println!("line {line} of very many that nobody wants to read, each about eighty bytes long...");
    }
    Ok("said it all".to_owned())
}

/// Granted names are visible, others look as if they were not set.
pub fn settings(_: &Request, _: &str) -> Answer {
    assert_eq!(store::get("plan").expect("a granted name").as_deref(), Some("gold"));
    assert_eq!(store::get("unset").expect("a granted name"), None, "a granted name without a value");
    assert_eq!(store::get("secret").expect("no error"), None, "a name that is not granted");
    assert_eq!(store::get_all().expect("all"), [("plan".to_owned(), "gold".to_owned())]);
    Ok("gold".to_owned())
}
