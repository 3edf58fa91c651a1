//! One message to many connections.

use std::sync::Arc;
use std::time::Duration;

use tidegate_aws::apigateway::START_IN_FLIGHT;
use tidegate_ports::Deadline;
use tidegate_ports::messaging::{Error, Messaging as _};
use tokio::sync::Semaphore;

use crate::stub::{Answer, Stub, ids, soon, text};

#[tokio::test]
async fn results_are_in_the_order_of_their_targets() {
    let stub = Stub::start(|_, (_, _, id)| match id.as_str() {
        id if id.ends_with("1=") => Answer::Status(410),
        id if id.ends_with("2=") => Answer::Status(500),
        id if id.ends_with("3=") => Answer::Status(403),
        id if id.ends_with("4=") => Answer::Break,
        _ => Answer::Status(200),
    })
    .await;
    let results = stub.messaging().send_many(&ids(200), &text("all"), soon()).await;
    for (number, result) in results.into_iter().enumerate() {
        let expected = match number % 10 {
            1 => Err(Error::Gone),
            2 | 4 => Err(Error::Unavailable),
            3 => Err(Error::Forbidden),
            _ => Ok(()),
        };
        assert_eq!(result, expected, "{number}");
    }
    assert_eq!(stub.count("POST"), 200);
}

#[tokio::test]
async fn the_number_of_concurrent_posts_stays_within_the_pace() {
    let gate = Arc::new(Semaphore::new(0));
    let stub = Stub::always(Answer::Wait(Arc::clone(&gate))).await;
    let messaging = stub.messaging();
    let targets = ids(START_IN_FLIGHT * 3);
    let message = text("all");
    let sending = messaging.send_many(&targets, &message, soon());
    let opening = async {
        // No post is answered before the first window is complete, so the first posts are one window.
        while stub.count("POST") < START_IN_FLIGHT {
            tokio::task::yield_now().await;
        }
        assert_eq!(stub.most(), START_IN_FLIGHT);
        gate.add_permits(targets.len());
    };
    let (results, ()) = tokio::join!(sending, opening);
    assert!(results.iter().all(Result::is_ok));
    assert!(stub.most() < START_IN_FLIGHT + 4, "{}", stub.most());
}

#[tokio::test]
async fn only_throttled_posts_are_sent_again() {
    let stub = Stub::start(|number, _| Answer::Status(if number % 4 == 0 && number < 120 { 429 } else { 200 })).await;
    let results = stub.messaging().send_many(&ids(200), &text("all"), soon()).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(stub.count("POST"), 230);
}

#[tokio::test]
async fn posts_without_an_answer_at_the_deadline_are_unknown_and_the_rest_not_attempted() {
    let stub = Stub::always(Answer::Hang).await;
    let deadline = Deadline::after(Duration::from_secs(1));
    let results = stub.messaging().send_many(&ids(START_IN_FLIGHT + 10), &text("all"), deadline).await;
    let unknown = results.iter().filter(|result| **result == Err(Error::Unavailable)).count();
    let rest = results.iter().filter(|result| **result == Err(Error::NotAttempted)).count();
    assert_eq!((unknown, rest), (START_IN_FLIGHT, 10));
    assert!(stub.count("POST") <= START_IN_FLIGHT);
}

#[tokio::test]
async fn throttled_posts_are_distinguished_from_posts_that_were_not_attempted() {
    let stub = Stub::always(Answer::Status(429)).await;
    let deadline = Deadline::after(Duration::from_secs(1));
    let results = stub.messaging().send_many(&ids(START_IN_FLIGHT * 20), &text("all"), deadline).await;
    assert_eq!(results.first(), Some(&Err(Error::Throttled)));
    assert_eq!(results.last(), Some(&Err(Error::NotAttempted)));
    assert!(results.iter().all(|result| matches!(result, Err(Error::Throttled | Error::NotAttempted))));
}

#[tokio::test]
async fn a_post_without_an_answer_does_not_delay_others() {
    let stub = Stub::start(|_, (_, _, id)| if id.ends_with("07=") { Answer::Hang } else { Answer::Status(200) }).await;
    let deadline = Deadline::after(Duration::from_secs(5));
    let results = stub.messaging().send_many(&ids(100), &text("all"), deadline).await;
    let unknown: Vec<usize> =
        results.iter().enumerate().filter(|(_, result)| result.is_err()).map(|(index, _)| index).collect();
    assert_eq!(unknown, [7]);
}

#[tokio::test]
async fn a_post_without_an_answer_does_not_prolong_a_pause() {
    let gate = Arc::new(Semaphore::new(0));
    let late = Arc::clone(&gate);
    let stub = Stub::start(move |number, (_, _, id)| match id.as_str() {
        id if id.ends_with("07=") => Answer::Wait(Arc::clone(&late)),
        _ => Answer::Status(if number == START_IN_FLIGHT / 2 { 429 } else { 200 }),
    })
    .await;
    let messaging = stub.messaging();
    let targets = ids(100);
    let message = text("all");
    let sending = messaging.send_many(&targets, &message, soon());
    let opening = async {
        // The late post is answered after all others were sent, and the throttled one twice. If the others waited for
        // the late post, it would run into its timeout.
        while stub.count("POST") < targets.len() + 1 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
    };
    let (results, ()) = tokio::join!(sending, opening);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}
