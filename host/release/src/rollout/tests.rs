use super::*;

fn release(number: u64) -> ReleaseId {
    format!("{number:016x}").parse().unwrap()
}

fn weight(text: &str) -> TrafficWeight {
    text.parse().unwrap()
}

/// A rollout state with its history.
#[derive(Default)]
struct Rollout {
    state: RolloutState,
    history: Vec<Change>,
}

impl Rollout {
    fn make(&mut self, action: Action, make: impl FnOnce(&Self) -> Result<RolloutState, RolloutError>) {
        let next = make(self).unwrap();
        let change = self.state.change(&next, action, Timestamp(next.generation), "me".to_owned(), None);
        self.history.insert(0, change);
        self.state = next;
    }

    fn activate(&mut self, number: u64) {
        self.make(Action::Activate, |it| it.state.activate(&release(number), None));
    }

    fn canary(&mut self, number: u64) {
        self.make(Action::Canary, |it| it.state.canary(&release(number), weight("5"), 10, None, false));
    }

    fn promote(&mut self) {
        self.make(Action::Promote, |it| it.state.promote(None));
    }

    fn rollback(&mut self) {
        self.make(Action::Rollback, |it| it.state.rollback(&it.history));
    }

    fn active(&self) -> Option<u64> {
        self.state.active.as_ref().map(|id| u64::from_str_radix(id.as_str(), 16).unwrap())
    }
}

fn halt(run: u64) -> Halt {
    Halt { run, release: release(2), at: Timestamp(9), host: "host".to_owned(), reason: "11 failures".to_owned() }
}

#[test]
fn rollout_states_have_the_documented_json() {
    let mut rollout = Rollout::default();
    assert_eq!(serde_json::to_string(&rollout.state).unwrap(), r#"{"generation":0}"#);
    rollout.activate(1);
    rollout.canary(2);
    let canary = r#"{"release":"0000000000000002","share":500,"error-budget":10,"run":2}"#;
    let json = format!(r#"{{"generation":2,"active":"0000000000000001","canary":{canary}}}"#);
    assert_eq!(serde_json::to_string(&rollout.state).unwrap(), json);
    assert_eq!(serde_json::from_str::<RolloutState>(&json).unwrap(), rollout.state);
    let from_to = r#""from":"0000000000000001","to":"0000000000000001""#;
    let change = format!(r#"{{"generation":2,"at":2,"who":"me","action":"canary",{from_to},"canary":{canary}}}"#);
    assert_eq!(serde_json::to_string(&rollout.history[0]).unwrap(), change);
    for wrong in [
        r#"{}"#,
        r#"{"generation":1,"activ":"0000000000000001"}"#,
        r#"{"generation":1,"active":"../../etc/passwd"}"#,
        &json.replace("500", "0"),
        &json.replace("500", "10001"),
        &json.replace("500", "5.5"),
    ] {
        assert!(serde_json::from_str::<RolloutState>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn releases_are_activated() {
    let mut rollout = Rollout::default();
    rollout.activate(1);
    assert_eq!(rollout.state, RolloutState { generation: 1, active: Some(release(1)), ..RolloutState::default() });
    assert_eq!(rollout.state.activate(&release(1), None), Err(RolloutError::Active(release(1))));
    // Any activation ends the canary.
    rollout.canary(2);
    let ended = |active| Ok(RolloutState { generation: 3, active: Some(release(active)), ..RolloutState::default() });
    for active in [1, 2, 3] {
        assert_eq!(rollout.state.activate(&release(active), None), ended(active));
    }
}

#[test]
fn canaries_begin_and_change_their_weight() {
    let mut rollout = Rollout::default();
    // No release is active: the other connections stay on the deployed release.
    rollout.canary(2);
    let canary = |text, error_budget, run| {
        Some(Canary { release: release(2), weight: weight(text), error_budget, error_rate: None, run })
    };
    assert_eq!(rollout.state, RolloutState { generation: 1, canary: canary("5", 10, 1), ..RolloutState::default() });
    // The run continues when the weight changes.
    let pointer = rollout.state.canary(&release(2), weight("50"), 20, None, false).unwrap();
    assert_eq!((pointer.generation, &pointer.canary), (2, &canary("50", 20, 1)));
    let pointer = pointer.canary(&release(2), weight("50"), 20, None, true).unwrap();
    assert_eq!((pointer.generation, &pointer.canary), (3, &canary("50", 20, 3)));
    let other = pointer.canary(&release(3), weight("1"), 0, None, false).unwrap();
    assert_eq!(
        other.canary,
        Some(Canary { release: release(3), weight: weight("1"), error_budget: 0, error_rate: None, run: 4 })
    );
    rollout.activate(1);
    let refused = rollout.state.canary(&release(1), weight("5"), 10, None, false);
    assert_eq!(refused, Err(RolloutError::Active(release(1))));
}

#[test]
fn halted_canaries_are_not_promoted() {
    let mut rollout = Rollout::default();
    rollout.activate(1);
    rollout.canary(2);
    let halted = || RolloutError::Halted { release: release(2), reason: "11 failures".to_owned() };
    let again = |halt: &Halt, restart| rollout.state.canary(&release(2), weight("50"), 10, Some(halt), restart);
    assert_eq!(again(&halt(2), false), Err(halted()));
    assert_eq!(rollout.state.promote(Some(&halt(2))), Err(halted()));
    // The halt of another run does not matter.
    assert!(again(&halt(1), false).is_ok());
    assert!(rollout.state.promote(Some(&halt(1))).is_ok());
    // A restart, another canary and a rollback are allowed.
    assert_eq!(again(&halt(2), true).unwrap().canary.unwrap().run, 3);
    assert_eq!(
        rollout.state.canary(&release(3), weight("5"), 10, Some(&halt(2)), false).unwrap().canary.unwrap().run,
        3
    );
    assert_eq!(rollout.state.rollback(&rollout.history).unwrap().canary, None);
    let diagnostic = Diagnostic::from(halted());
    assert_eq!(diagnostic.code, Code::CanaryHalted);
    assert!(diagnostic.hint.is_some());
}

/// Issue 9: `activate` checks the halt as `promote` does.
#[test]
fn halted_canaries_are_not_activated() {
    let mut rollout = Rollout::default();
    rollout.activate(1);
    rollout.canary(2);
    let refused = rollout.state.activate(&release(2), Some(&halt(2)));
    assert_eq!(refused, Err(RolloutError::Halted { release: release(2), reason: "11 failures".to_owned() }));
    // Neither the halt of another run matters, nor the halt of a canary when another release is activated.
    assert!(rollout.state.activate(&release(2), Some(&halt(1))).is_ok());
    assert!(rollout.state.activate(&release(3), Some(&halt(2))).is_ok());
    assert!(rollout.state.activate(&release(1), Some(&halt(2))).is_ok());
    rollout.rollback();
    assert!(rollout.state.activate(&release(2), None).is_ok());
}

#[test]
fn canaries_are_promoted() {
    let mut rollout = Rollout::default();
    assert_eq!(rollout.state.promote(None), Err(RolloutError::NoCanary));
    rollout.activate(1);
    rollout.canary(2);
    rollout.promote();
    assert_eq!(rollout.state, RolloutState { generation: 3, active: Some(release(2)), ..RolloutState::default() });
    let change = &rollout.history[0];
    assert_eq!((&change.from, &change.to, &change.canary), (&Some(release(1)), &Some(release(2)), &None));
}

#[test]
fn each_rollback_goes_back_one_step() {
    let mut rollout = Rollout::default();
    assert_eq!(rollout.state.rollback(&[]), Err(RolloutError::NothingActive));
    for number in [1, 2, 3] {
        rollout.activate(number);
    }
    rollout.canary(4);
    rollout.promote();
    rollout.canary(5);
    for active in [4, 3, 2, 1] {
        rollout.rollback();
        assert_eq!((rollout.active(), &rollout.state.canary), (Some(active), &None));
    }
    // Before the first activation, hosts ran the deployed release.
    rollout.rollback();
    assert_eq!(rollout.active(), None);
    assert_eq!(rollout.state.rollback(&rollout.history), Err(RolloutError::NothingActive));
    assert_eq!(rollout.state.generation, 11);
}

#[test]
fn rollbacks_follow_the_latest_activations() {
    let mut rollout = Rollout::default();
    rollout.activate(1);
    rollout.activate(2);
    rollout.rollback();
    rollout.activate(3);
    rollout.rollback();
    assert_eq!(rollout.active(), Some(1));
    // An activation of the active release only ends the canary. A rollback does not count it as a step.
    rollout.activate(2);
    rollout.canary(4);
    rollout.activate(2);
    rollout.rollback();
    assert_eq!(rollout.active(), Some(1));
    // A rollback does not count a prune as a step.
    rollout.activate(5);
    rollout.make(Action::Prune, |it| it.state.begin_prune([release(2)].into()));
    rollout.make(Action::Prune, |it| it.state.end_prune());
    rollout.rollback();
    assert_eq!(rollout.active(), Some(1));
    let forgotten = rollout.state.rollback(&rollout.history[..1]);
    assert_eq!(forgotten, Err(RolloutError::NothingBefore(release(1))));
}

#[test]
fn releases_being_pruned_are_not_activated() {
    let mut rollout = Rollout::default();
    rollout.activate(1);
    rollout.activate(2);
    rollout.make(Action::Prune, |it| it.state.begin_prune([release(1), release(3)].into()));
    let pruning = |number| Err(RolloutError::Pruning(release(number)));
    assert_eq!(rollout.state.activate(&release(3), None), pruning(3));
    assert_eq!(rollout.state.canary(&release(3), weight("5"), 10, None, false), pruning(3));
    assert_eq!(rollout.state.rollback(&rollout.history), pruning(1));
    assert_eq!(rollout.state.begin_prune([release(4)].into()), Err(RolloutError::PruneRunning));
    // Other changes during a prune do not end it.
    rollout.activate(4);
    assert_eq!(rollout.state.pruning, [release(1), release(3)].into());
    rollout.make(Action::Prune, |it| it.state.end_prune());
    assert_eq!((rollout.state.generation, rollout.active()), (5, Some(4)));
    assert!(rollout.state.activate(&release(3), None).is_ok());
}

#[test]
fn used_releases_are_the_active_release_and_the_canary() {
    let mut rollout = Rollout::default();
    assert_eq!(rollout.state.used().count(), 0);
    rollout.activate(1);
    rollout.canary(2);
    assert!(rollout.state.used().eq([&release(1), &release(2)]));
}

#[test]
fn traffic_weights_are_percentages() {
    for (text, hundredths, shown) in [
        ("5", 500, "5 %"),
        ("0.25", 25, "0.25 %"),
        ("0.5", 50, "0.50 %"),
        ("0.01", 1, "0.01 %"),
        ("100", 10_000, "100 %"),
        ("100.00", 10_000, "100 %"),
        ("99.99", 9_999, "99.99 %"),
        ("007", 700, "7 %"),
        ("5.", 500, "5 %"),
    ] {
        assert_eq!(weight(text).hundredths(), hundredths, "{text}");
        assert_eq!(weight(text).to_string(), shown);
        assert_eq!(TrafficWeight::new(hundredths), Ok(weight(text)));
    }
    for wrong in [
        "",
        "0",
        "0.00",
        "0.001",
        "0.005",
        "100.01",
        "101",
        "655.36",
        "65536",
        "-1",
        "+5",
        " 5",
        "5 ",
        "5%",
        "1e1",
        ".5",
        "5,5",
        "five",
        "٥",
        "99999999999999999999",
        "1.2.3",
    ] {
        assert_eq!(wrong.parse::<TrafficWeight>(), Err(TrafficWeightError), "{wrong}");
    }
    assert_eq!(TrafficWeight::new(10_001), Err(TrafficWeightError));
}

/// Remainders computed with Python: `int(sha256((release + connection).encode()).hexdigest(), 16) % 10_000`.
#[test]
fn canary_connections_follow_the_documented_rule() {
    for (release, connection, remainder) in [
        ("00c0ffee00c0ffee", "L0SM9cOFvHcCIhw=", 2_908),
        ("00c0ffee00c0ffee", "a", 7_933),
        ("ef01b87f958f17e7", "L0SM9cOFvHcCIhw=", 220),
        ("0123456789abcdef", "connection-é", 8_467),
        ("00c0ffee00c0ffee", "c1546", 0),
        ("00c0ffee00c0ffee", "c6248", 9_999),
    ] {
        let canary = release.parse().unwrap();
        let connection = ConnectionId::new(connection).unwrap();
        for hundredths in [1, remainder, remainder + 1, 10_000] {
            let Ok(weight) = TrafficWeight::new(hundredths) else { continue };
            let expected = remainder < hundredths;
            assert_eq!(canary_serves(&canary, weight, &connection), expected, "{canary} {connection} {weight}");
        }
    }
}

#[test]
fn larger_weights_keep_the_connections_of_smaller_ones() {
    let connections: Vec<_> = (0..10_000).map(|id| ConnectionId::new(format!("connection {id}")).unwrap()).collect();
    let served = |release: ReleaseId, weight| -> Vec<_> {
        let canary = Canary { release, weight, error_budget: 0, error_rate: None, run: 1 };
        connections.iter().map(|connection| canary.serves(connection)).collect()
    };
    let mut before = vec![false; connections.len()];
    for text in ["0.01", "0.5", "5", "25", "50", "99.99", "100"] {
        let now = served(release(1), weight(text));
        assert!(before.iter().zip(&now).all(|(before, now)| !before || *now), "{text} %");
        // The tolerance is five standard deviations of a binomial distribution.
        let (count, part) =
            (now.iter().filter(|served| **served).count() as f64, f64::from(weight(text).hundredths()) / 1e4);
        let tolerance = 5.0 * (1e4 * part * (1.0 - part)).sqrt();
        assert!((count - 1e4 * part).abs() <= tolerance, "{count} of 10,000 at {text} %");
        before = now;
    }
    assert!(before.iter().all(|served| *served));
    // Another canary serves other connections, so no connection is always among the first.
    let one = served(release(1), weight("10"));
    let other = served(release(2), weight("10"));
    let both = one.iter().zip(&other).filter(|(one, other)| **one && **other).count();
    assert!((50..200).contains(&both), "{both} of about 100");
}

#[test]
fn the_last_generation_has_no_next_one() {
    let last = RolloutState { generation: MAX_GENERATION, active: Some(release(1)), ..RolloutState::default() };
    assert_eq!(last.activate(&release(2), None), Err(RolloutError::Exhausted));
    assert_eq!(last.begin_prune([release(2)].into()), Err(RolloutError::Exhausted));
    assert_eq!(last.end_prune(), Err(RolloutError::Exhausted));
    let before = RolloutState { generation: MAX_GENERATION - 1, ..last.clone() };
    assert_eq!(before.activate(&release(2), None).unwrap().generation, MAX_GENERATION);
    for generation in [MAX_GENERATION + 1, u64::MAX] {
        let json = serde_json::to_string(&RolloutState { generation, ..last.clone() }).unwrap();
        let error = serde_json::from_str::<RolloutState>(&json).unwrap_err();
        assert!(error.to_string().contains(&generation.to_string()), "{error}");
    }
    let json = serde_json::to_string(&last).unwrap();
    assert_eq!(serde_json::from_str::<RolloutState>(&json).unwrap(), last);
}
