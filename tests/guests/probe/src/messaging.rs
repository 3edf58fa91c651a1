//! Messages. The route `any` is granted to send to all connections, the route `own` to its own connection.

use crate::tidegate::route::connections;
use crate::tidegate::route::messaging::{self, Error};
use crate::tidegate::route::types::{Payload, Request};
use crate::{Answer, hello};

/// Sends `hello 1` to the connection in the argument. Without an argument, sends `hello 1`, `hello 2` and `hello 3` to
/// its own connection, in this order.
pub fn send(request: &Request, argument: &str) -> Answer {
    if !argument.is_empty() {
        return Ok(format!("{:?}", messaging::send(argument, &hello("hello 1"))));
    }
    let own = &request.connection.id;
    for message in ["hello 1", "hello 2", "hello 3"] {
        messaging::send(own, &hello(message)).expect("a message to the own connection");
    }
    messaging::send(own, &Payload::Binary(vec![0, 159, 146, 150])).expect("bytes to the own connection");
    Ok("sent".to_owned())
}

/// Sends to the connections in the argument, and returns the results.
pub fn send_many(_: &Request, argument: &str) -> Answer {
    let to: Vec<String> = argument.split(' ').map(str::to_owned).collect();
    let results = messaging::send_many(&to, &hello("hello all")).expect("a call within its limits");
    Ok(results.iter().map(|sent| format!("{sent:?}")).collect::<Vec<_>>().join(" "))
}

/// Sends to the group in the argument. Excludes the connections after it.
pub fn broadcast(_: &Request, argument: &str) -> Answer {
    let mut words = argument.split(' ').map(str::to_owned);
    let group = words.next().unwrap_or_default();
    let excluding: Vec<String> = words.collect();
    let delivery = messaging::broadcast(&group, &hello("hello group"), &excluding);
    Ok(match delivery {
        Ok(counts) => {
            format!("{} {} {} {}", counts.delivered, counts.gone, counts.failed, counts.not_attempted)
        }
        Err(error) => format!("{error:?}"),
    })
}

/// Joins the group in the argument, and sends to all its members.
pub fn greet(request: &Request, argument: &str) -> Answer {
    connections::join(argument, &request.connection.id).expect("a join");
    let counts = messaging::broadcast(argument, &hello("welcome"), &[]).expect("a broadcast");
    assert_eq!((counts.delivered, counts.gone, counts.failed, counts.not_attempted), (3, 0, 0, 0));
    Ok("greeted".to_owned())
}

/// Sends the largest message to its own connection until a message is refused. Sends the number of accepted messages
/// last.
pub fn greetings(request: &Request, _: &str) -> Answer {
    let own = &request.connection.id;
    let large = Payload::Text("x".repeat(131_072));
    let mut accepted = 0;
    while accepted < 1_000 && messaging::send(own, &large).is_ok() {
        accepted += 1;
    }
    assert!(matches!(messaging::send(own, &large), Err(Error::Throttled)));
    Ok(accepted.to_string())
}

/// Describes its own connection, then closes it.
pub fn describe_and_close(request: &Request, _: &str) -> Answer {
    let own = &request.connection.id;
    let socket = messaging::describe(own).expect("a description");
    assert!(socket.last_active_at >= socket.connected_at);
    messaging::close(own).expect("a close");
    Ok(format!("{} {:?}", socket.source_ip, socket.user_agent))
}

/// All refusals that do not reach the port, on a route that is granted `self` and the group `lobby`.
pub fn messaging_refused(request: &Request, _: &str) -> Answer {
    let own = &request.connection.id;
    let forbidden = |error: Error| assert!(matches!(error, Error::Forbidden), "{error:?}");
    let invalid = |error: Error| assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    forbidden(messaging::send("other", &hello("x")).expect_err("another connection"));
    forbidden(messaging::describe("other").map(drop).expect_err("another connection"));
    forbidden(messaging::close("other").expect_err("another connection"));
    forbidden(messaging::broadcast("cellar", &hello("x"), &[]).map(drop).expect_err("another group"));
    let results = messaging::send_many(&["other".to_owned(), own.clone()], &hello("x")).expect("a call");
    assert!(matches!(results[..], [Err(Error::Forbidden), Ok(())]), "{results:?}");

    let large = Payload::Text("x".repeat(131_073));
    assert!(matches!(messaging::send(own, &large), Err(Error::TooLarge)));
    assert!(matches!(messaging::broadcast("lobby", &large, &[]), Err(Error::TooLarge)));
    invalid(messaging::send("", &hello("x")).expect_err("no id"));
    invalid(messaging::send(&"x".repeat(65), &hello("x")).expect_err("a long id"));
    let many: Vec<String> = (0..1_001).map(|id| id.to_string()).collect();
    invalid(messaging::send_many(&many, &hello("x")).map(drop).expect_err("1,001 targets"));
    invalid(messaging::broadcast("lobby", &hello("x"), &many[..101]).map(drop).expect_err("101 excluded"));
    Ok("refused".to_owned())
}
