//! Signed releases and artifacts while S3 is slow, fails, or sends invalid answers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::time::{Duration, Instant};

use support::s3::{BUCKET, Fault, S3};
use support::{release_tables, releases_on, soon};
use tidegate_aws::releases::MAX_ARTIFACT_BYTES;
use tidegate_aws::{AwsStore, dynamodb::client};
use tidegate_dynamodb_embedded::Embedded;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::store::{ReleaseReader as _, ReleaseWriter as _, StoreFailure, Stored};
use tidegate_release::{Digest, ReleaseId, StoreError};

const ENVELOPE: &[u8] = b"an envelope";
/// The signed size of each artifact.
const MAX_BYTES: u64 = 1 << 20;

async fn subject() -> (AwsStore, S3) {
    let s3 = S3::default();
    let store = releases_on(client::local(Embedded::memory().unwrap().http_client()), &s3).await;
    (store, s3)
}

fn shortly() -> Deadline {
    Deadline::after(Duration::from_millis(400))
}

fn id() -> ReleaseId {
    "00000000000000aa".parse().unwrap()
}

fn place() -> String {
    format!("`releases/00000000000000aa.json` in the bucket `{BUCKET}`")
}

#[tokio::test]
async fn the_bucket_is_in_the_host_name_on_aws_and_in_the_path_elsewhere() {
    let (store, s3) = subject().await;
    store.put_envelope(&id(), ENVELOPE, soon()).await.unwrap();
    assert_eq!(s3.sent("PUT"), ["https://releases-of-chat.s3.eu-west-1.amazonaws.com/releases/00000000000000aa.json"]);
    for endpoint in ["http://127.0.0.1:4566", "http://127.0.0.1:4566/"] {
        s3.clear();
        let client = client::local(Embedded::memory().unwrap().http_client());
        let store = AwsStore::new(client, &release_tables(), s3.bucket_at(Some(endpoint)));
        assert_eq!(store.envelope(&id(), soon()).await.as_deref(), Ok(ENVELOPE));
        assert_eq!(store.list(soon()).await.unwrap().len(), 1);
        assert_eq!(s3.sent("GET"), ["http://127.0.0.1:4566/releases-of-chat/releases/00000000000000aa.json"]);
    }
}

#[tokio::test]
async fn reads_are_retried_until_they_have_a_complete_answer() {
    let (store, s3) = subject().await;
    store.put_envelope(&id(), ENVELOPE, soon()).await.unwrap();
    s3.next(
        "GET",
        [
            Fault::Error(503, "SlowDown"),
            Fault::Error(500, "InternalError"),
            Fault::Error(400, "RequestTimeout"),
            Fault::Answer(503, "<html>".to_owned()),
            Fault::Broken,
            Fault::CutOff,
            Fault::Stalled,
            Fault::Hang,
        ],
    );
    assert_eq!(store.envelope(&id(), soon()).await.as_deref(), Ok(ENVELOPE));
    assert_eq!(s3.sent("GET").len(), 9);
}

#[tokio::test]
async fn calls_without_an_answer_end_at_their_deadline() {
    let (store, s3) = subject().await;
    store.put_envelope(&id(), ENVELOPE, soon()).await.unwrap();
    store.put_artifact(b"a", soon()).await.unwrap();
    for fault in [Fault::Hang, Fault::Error(503, "SlowDown"), Fault::Broken, Fault::Stalled, Fault::CutOff] {
        s3.clear();
        for kind in ["GET", "HEAD", "PUT", "LIST", "DELETE"] {
            s3.always(kind, fault.clone());
        }
        let start = Instant::now();
        let mut errors = vec![
            store.envelope(&id(), shortly()).await.unwrap_err(),
            store.artifact(&Digest::of(b"a"), MAX_BYTES, shortly()).await.unwrap_err(),
            store.list(shortly()).await.unwrap_err(),
        ];
        // The other answers have no body, so it cannot be cut off.
        if !matches!(fault, Fault::Stalled | Fault::CutOff) {
            errors.push(store.put_artifact(b"b", shortly()).await.unwrap_err());
            errors.push(store.put_envelope(&id(), ENVELOPE, shortly()).await.unwrap_err());
            errors.push(store.remove_envelope(&id(), shortly()).await.unwrap_err());
        }
        assert!(errors.iter().all(|error| matches!(error, StoreError::Unavailable(_))), "{fault:?}: {errors:?}");
        assert!(start.elapsed() < Duration::from_secs(4), "{fault:?}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn refused_requests_are_not_retried_and_have_a_hint() {
    let (store, s3) = subject().await;
    let message = "because of a test";
    let denied = "check that the object exists and that the credentials allow this operation";
    for (fault, reason, hint) in [
        (Fault::Error(403, "AccessDenied"), format!("AccessDenied: {message}"), Some(denied)),
        (Fault::Error(404, "NoSuchBucket"), format!("NoSuchBucket: {message}"), Some("run `make deploy`")),
        (Fault::Error(301, "PermanentRedirect"), format!("PermanentRedirect: {message}"), None),
        (Fault::Answer(404, "<html>".to_owned()), "status 404".to_owned(), None),
        (Fault::Answer(403, String::new()), "status 403".to_owned(), None),
    ] {
        s3.clear();
        s3.next("GET", [fault]);
        let error = store.envelope(&id(), soon()).await.unwrap_err();
        let expected = StoreFailure::new(format!("cannot read the release {}", place()), reason);
        assert_eq!(error, StoreError::Denied(StoreFailure { hint: hint.map(str::to_owned), ..expected }));
        assert_eq!(s3.sent("GET").len(), 1);
    }
    let error = store.envelope(&id(), soon()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read the release {}: it does not exist", place()));
    assert!(matches!(error, StoreError::NotFound(_)));
}

#[tokio::test]
async fn requests_with_a_wrong_time_are_signed_again_and_have_a_hint() {
    let (store, s3) = subject().await;
    s3.store(&format!("releases/{}.json", id().as_str()), ENVELOPE, Timestamp(1));
    s3.next("GET", [Fault::Error(403, "RequestTimeTooSkewed")]);
    assert_eq!(store.envelope(&id(), soon()).await.unwrap(), ENVELOPE);
    assert_eq!(s3.sent("GET").len(), 2);
    s3.always("GET", Fault::Error(403, "RequestTimeTooSkewed"));
    let error = store.envelope(&id(), shortly()).await.unwrap_err();
    let StoreError::Unavailable(failure) = error else { panic!("{error}") };
    assert_eq!(failure.hint.as_deref(), Some("correct the clock of this machine"));
}

#[tokio::test]
async fn reading_stops_at_the_size_limit() {
    let (store, s3) = subject().await;
    for fault in [Fault::Endless(1 << 30), Fault::Endless(2 << 20)] {
        s3.next("GET", [fault]);
        let error = store.artifact(&Digest::of(b"a"), MAX_BYTES, soon()).await.unwrap_err();
        assert!(matches!(&error, StoreError::TooLarge(failure) if failure.why == "it is too large"), "{error}");
    }
    s3.store("releases/00000000000000aa.json", &vec![b' '; (1 << 20) + 1], Timestamp(1));
    let error = store.envelope(&id(), soon()).await.unwrap_err();
    assert!(matches!(&error, StoreError::TooLarge(failure) if failure.why == "it is too large"), "{error}");

    s3.clear();
    let error = store.put_artifact(&vec![0; MAX_ARTIFACT_BYTES + 1], soon()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(failure) if failure.why.contains("it has 67108865 bytes")), "{error}");
    assert!(s3.sent("HEAD").is_empty() && s3.sent("PUT").is_empty());
}

#[tokio::test]
async fn a_release_that_was_stored_without_an_answer_is_recognised() {
    for fault in [Fault::Applied, Fault::Error(503, "SlowDown"), Fault::Error(409, "ConditionalRequestConflict")] {
        let (store, s3) = subject().await;
        s3.next("PUT", [fault]);
        assert_eq!(store.put_envelope(&id(), ENVELOPE, soon()).await, Ok(Stored::New));
        assert_eq!(s3.sent("PUT").len(), 2);
    }
    let (store, s3) = subject().await;
    s3.next("PUT", [Fault::AppliedUnanswered]);
    assert_eq!(store.put_envelope(&id(), ENVELOPE, shortly()).await, Ok(Stored::New));
    assert_eq!(store.envelope(&id(), soon()).await.as_deref(), Ok(ENVELOPE));

    let (store, s3) = subject().await;
    s3.always("PUT", Fault::Hang);
    let error = store.put_envelope(&id(), ENVELOPE, shortly()).await.unwrap_err();
    let what = format!("cannot store the release {}", place());
    assert_eq!(error, StoreError::Unavailable(StoreFailure::new(what, "no answer in time")));
    assert!(s3.keys().is_empty());
}

#[tokio::test]
async fn a_release_of_another_publisher_is_not_overwritten() {
    let (store, s3) = subject().await;
    s3.next("PUT", [Fault::Race(b"theirs")]);
    assert_eq!(store.put_envelope(&id(), ENVELOPE, soon()).await, Ok(Stored::Already(b"theirs".to_vec())));
    // The same bytes belong to the other publisher as well, because every attempt had an answer.
    assert_eq!(store.put_envelope(&id(), b"theirs", soon()).await, Ok(Stored::Already(b"theirs".to_vec())));

    let (store, s3) = subject().await;
    s3.next("PUT", [Fault::Error(500, "InternalError"), Fault::Race(b"theirs")]);
    assert_eq!(store.put_envelope(&id(), ENVELOPE, soon()).await, Ok(Stored::Already(b"theirs".to_vec())));

    let (store, s3) = subject().await;
    s3.next("PUT", [Fault::Error(412, "PreconditionFailed")]);
    let error = store.put_envelope(&id(), ENVELOPE, soon()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict(failure) if failure.why.contains("removed it")), "{error}");
}

#[tokio::test]
async fn an_existing_artifact_is_not_sent_again() {
    let (store, s3) = subject().await;
    assert_eq!(store.put_artifact(b"a", soon()).await, Ok(true));
    assert_eq!(store.put_artifact(b"a", soon()).await, Ok(false));
    assert_eq!((s3.sent("HEAD").len(), s3.sent("PUT").len()), (2, 1));
    // If the check fails, the attempt to store it finds that it exists.
    for fault in [Fault::Error(403, "AccessDenied"), Fault::Broken, Fault::Hang] {
        s3.next("HEAD", [fault]);
        assert_eq!(store.put_artifact(b"a", soon()).await, Ok(false));
    }
    assert_eq!(s3.sent("PUT").len(), 4);
    s3.next("PUT", [Fault::Applied]);
    assert_eq!(store.put_artifact(b"b", soon()).await, Ok(true));
    s3.next("PUT", [Fault::Error(403, "AccessDenied")]);
    let error = store.put_artifact(b"c", soon()).await.unwrap_err();
    assert!(matches!(error, StoreError::Denied(_)), "{error:?}");
}

#[tokio::test]
async fn every_page_of_a_list_is_read() {
    let (store, s3) = subject().await;
    let at = Timestamp(1_700_000_000_123);
    let ids: Vec<ReleaseId> = (0..5).map(|number| format!("{number:016x}").parse().unwrap()).collect();
    for id in &ids {
        s3.store(&format!("releases/{id}.json"), ENVELOPE, at);
    }
    // Unknown objects are ignored.
    for key in
        ["releases/", "releases/README", "releases/0000000000000001", "releases/x/0000000000000001.json", "other"]
    {
        s3.store(key, b"", at);
    }
    s3.next("LIST", [Fault::Error(503, "SlowDown")]);
    let expected = ids.into_iter().map(|id| (id, at)).collect();
    assert_eq!(store.list(soon()).await, Ok(expected));
    assert_eq!(s3.sent("LIST").len(), 6);
    assert!(s3.sent("LIST")[2].contains("&continuation-token=%2B%2F%3D%20%26%25"), "{}", s3.sent("LIST")[2]);
    assert!(store.list_artifacts(soon()).await.unwrap().is_empty());
}

#[tokio::test]
async fn invalid_lists_are_rejected() {
    let (store, s3) = subject().await;
    let page = |inner: &str| format!("<ListBucketResult>{inner}</ListBucketResult>");
    let object = |at: &str| {
        let key = "releases/00000000000000aa.json";
        let object = format!("<Contents><Key>{key}</Key><LastModified>{at}</LastModified></Contents>");
        page(&format!("<IsTruncated>false</IsTruncated>{object}"))
    };
    let whole = object("2026-01-01T00:00:00.000Z");
    for body in [
        String::new(),
        "<html></html>".to_owned(),
        "{}".to_owned(),
        whole[..whole.len() / 2].to_owned(),
        whole[..whole.len() - 3].to_owned(),
        object("yesterday"),
        object("1800-01-01T00:00:00Z"),
        page(""),
        page("<IsTruncated>maybe</IsTruncated>"),
        page("<IsTruncated>true</IsTruncated>"),
        page("<IsTruncated>false</IsTruncated><Contents><Key>k</Key></Contents>"),
    ] {
        s3.clear();
        s3.next("LIST", [Fault::Answer(200, body.clone())]);
        let error = store.list(soon()).await.unwrap_err();
        let start = format!("cannot list `releases/` in the bucket `{BUCKET}`: the answer is not valid: ");
        assert!(matches!(&error, StoreError::Invalid(_)), "{body}: {error:?}");
        assert!(error.to_string().starts_with(&start), "{body}: {error:?}");
        assert_eq!(s3.sent("LIST").len(), 1);
    }
    // The same page forever.
    s3.always(
        "LIST",
        Fault::Answer(200, page("<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>")),
    );
    assert!(matches!(store.list(soon()).await, Err(StoreError::Invalid(_))));
    s3.clear();
    s3.next("LIST", [Fault::Answer(200, whole)]);
    assert_eq!(store.list(soon()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn removals_are_retried_and_succeed_for_missing_objects() {
    let (store, s3) = subject().await;
    store.put_artifact(b"a", soon()).await.unwrap();
    s3.next("DELETE", [Fault::Applied, Fault::Broken]);
    store.remove_artifact(&Digest::of(b"a"), soon()).await.unwrap();
    assert_eq!(s3.sent("DELETE").len(), 3);
    assert!(s3.keys().is_empty());
    s3.next("DELETE", [Fault::Error(404, "NoSuchKey")]);
    store.remove_envelope(&id(), soon()).await.unwrap();
    s3.next("DELETE", [Fault::Error(403, "AccessDenied")]);
    let error = store.remove_envelope(&id(), soon()).await.unwrap_err();
    assert!(matches!(error, StoreError::Denied(_)), "{error:?}");
}
