//! Messages. The route `any` may send to all, the route `own` to the event's connection only.

use crate::tidegate::route::connections;
use crate::tidegate::route::messaging::{self, Error};
use crate::tidegate::route::types::{Payload, Request};
use crate::{Answer, hello};

/// Sends `hello 1` to the connection that it is told, or `hello 1` to `hello 3` to its own, in this order.
pub fn send(request: &Request, told: &str) -> Answer {
    if !told.is_empty() {
        return Ok(format!("{:?}", messaging::send(told, &hello("hello 1"))));
    }
    let own = &request.connection.id;
    for message in ["hello 1", "hello 2", "hello 3"] {
        messaging::send(own, &hello(message)).expect("a message to the own connection");
    }
    messaging::send(own, &Payload::Binary(vec![0, 159, 146, 150])).expect("bytes to the own connection");
    Ok("sent".to_owned())
}

/// Sends to the connections that it is told, and says how each went.
pub fn send_many(_: &Request, told: &str) -> Answer {
    let to: Vec<String> = told.split(' ').map(str::to_owned).collect();
    let results = messaging::send_many(&to, &hello("hello all")).expect("a call within its limits");
    Ok(results.iter().map(|sent| format!("{sent:?}")).collect::<Vec<_>>().join(" "))
}

/// Sends to the group that it is told, leaving out the other connections that it is told.
pub fn broadcast(_: &Request, told: &str) -> Answer {
    let mut told = told.split(' ').map(str::to_owned);
    let group = told.next().unwrap_or_default();
    let excluding: Vec<String> = told.collect();
    let delivery = messaging::broadcast(&group, &hello("hello group"), &excluding);
    Ok(match delivery {
        Ok(counts) => {
            format!("{} {} {} {}", counts.delivered, counts.gone, counts.failed, counts.not_attempted)
        }
        Err(error) => format!("{error:?}"),
    })
}

/// Joins the group that it is told, and sends to all of it.
pub fn greet(request: &Request, told: &str) -> Answer {
    connections::join(told, &request.connection.id).expect("a join");
    let counts = messaging::broadcast(told, &hello("welcome"), &[]).expect("a broadcast");
    assert_eq!((counts.delivered, counts.gone, counts.failed, counts.not_attempted), (3, 0, 0, 0));
    Ok("greeted".to_owned())
}

/// Describes the own connection, then closes it.
pub fn describe_and_close(request: &Request, _: &str) -> Answer {
    let own = &request.connection.id;
    let socket = messaging::describe(own).expect("a description");
    assert!(socket.last_active_at >= socket.connected_at);
    messaging::close(own).expect("a close");
    Ok(format!("{} {:?}", socket.source_ip, socket.user_agent))
}

/// Every refusal that does not reach the port, on a route that is granted `self`, and the group `lobby`.
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
