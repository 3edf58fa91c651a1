//! The log and the metrics.

use std::collections::BTreeSet;

use crate::app;
use crate::events::{self, OWN};
use crate::process::{setup, soon};

#[tokio::test]
async fn guest_lines_name_their_event() {
    let bootstrap = setup(&app()).await.start().await;
    bootstrap.reply(events::message("any", "lines x")).await;
    let line = bootstrap.logged("first x").await;
    assert_eq!((&line["level"], &line["source"], &line["route"]), (&"INFO".into(), &"guest".into(), &"any".into()));
    assert_eq!((&line["connectionId"], &line["apiRequestId"]), (&OWN.into(), &"r1=".into()));
    let request_id = line["requestId"].as_str().unwrap();
    assert!(request_id.len() == 36 && request_id.ends_with("-000000000001"), "{request_id}");
    let trace = line["xrayTraceId"].as_str().unwrap();
    assert!(trace.starts_with("Root=1-") && trace.ends_with(";Sampled=1"), "{trace}");
    assert_eq!(line["coldStart"], true);
    assert_eq!(line["release"].as_str().map(str::len), Some(16));
    let timestamp = line["timestamp"].as_str().unwrap();
    assert!(timestamp.len() == 24 && timestamp.ends_with('Z'), "{timestamp}");
    assert_eq!(bootstrap.logged("error x").await["level"], "WARN");
    bootstrap.reply(events::message("any", "lines y")).await;
    assert_eq!(bootstrap.logged("first y").await["coldStart"], false);
}

#[tokio::test]
async fn a_trace_names_the_release() {
    let daemon = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = daemon.local_addr().unwrap().to_string();
    let bootstrap = setup(&app()).await.set("AWS_XRAY_DAEMON_ADDRESS", &address).start().await;
    bootstrap.invoke(events::message("any", "trap")).await.unwrap_err();
    let mut datagram = vec![0; 4_096];
    let length = soon(daemon.recv(&mut datagram)).await.unwrap();
    let (header, document) = std::str::from_utf8(&datagram[..length]).unwrap().split_once('\n').unwrap();
    assert_eq!(header, r#"{"format":"json","version":1}"#);
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    let line = bootstrap.logged("the route trapped").await;
    assert_eq!(document["annotations"]["release"], line["release"]);
    assert_eq!(
        (&document["annotations"]["track"], &document["annotations"]["route"]),
        (&"stable".into(), &"any".into())
    );
    assert_eq!((&document["type"], &document["fault"]), (&"subsegment".into(), &true.into()));
    assert!(line["xrayTraceId"].as_str().unwrap().contains(document["trace_id"].as_str().unwrap()));
    assert!(document["end_time"].as_f64() >= document["start_time"].as_f64());
}

#[tokio::test]
async fn traps_are_logged_once_with_their_backtrace() {
    let bootstrap = setup(&app()).await.start().await;
    bootstrap.invoke(events::message("any", "trap")).await.unwrap_err();
    let line = bootstrap.logged("the route trapped").await;
    assert_eq!(line["level"], "ERROR");
    assert!(line["backtrace"].as_str().unwrap().contains("trap"));
    bootstrap.reply(events::message("echo", "next")).await;
    assert_eq!(bootstrap.lines().iter().filter(|line| line["level"] == "ERROR" && line["message"] != "").count(), 2);
}

#[tokio::test]
async fn the_log_level_is_lambdas() {
    let bootstrap = setup(&app()).await.set("AWS_LAMBDA_LOG_LEVEL", "ERROR").start().await;
    bootstrap.reply(events::message("any", "lines x")).await;
    bootstrap.invoke(events::message("any", "trap")).await.unwrap_err();
    bootstrap.logged("the route trapped").await;
    let levels: BTreeSet<_> =
        bootstrap.lines().iter().filter_map(|line| Some(line["level"].as_str()?.to_owned())).collect();
    assert_eq!(levels, BTreeSet::from(["ERROR".to_owned()]));
}

#[tokio::test]
async fn metrics_are_embedded_by_stage_route_and_track() {
    let bootstrap = setup(&app()).await.start().await;
    bootstrap.reply(events::message("echo", "x")).await;
    let line = bootstrap.line(|line| line["_aws"].is_object()).await;
    assert_eq!((&line["Stage"], &line["Route"], &line["Track"]), (&"dev".into(), &"echo".into(), &"stable".into()));
    assert_eq!((&line["Events"], &line["Errors"], &line["Traps"]), (&1.into(), &0.into(), &0.into()));
    assert!(line["Duration"][0].as_f64().unwrap() > 0.0);
    let sets = &line["_aws"]["CloudWatchMetrics"];
    assert_eq!(sets[0]["Namespace"], "Tidegate");
    assert_eq!(sets[0]["Dimensions"], serde_json::json!([["Stage", "Route", "Track"]]));
    assert_eq!(sets[1]["Dimensions"], serde_json::json!([["App", "Stage"]]));
    assert_eq!(sets[1]["Metrics"], serde_json::json!([{ "Name": "Traps", "Unit": "Count" }]));
    // Every metric that a set names is in the line, or CloudWatch drops the line.
    for set in sets.as_array().unwrap() {
        for metric in set["Metrics"].as_array().unwrap() {
            assert!(!line[metric["Name"].as_str().unwrap()].is_null(), "{metric}");
        }
    }
}
