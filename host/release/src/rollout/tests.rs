use super::*;

fn release(number: u64) -> ReleaseId {
    format!("{number:016x}").parse().unwrap()
}

fn weight(text: &str) -> TrafficWeight {
    text.parse().unwrap()
}

/// A pointer with the history that led to it.
#[derive(Default)]
struct Moves {
    pointer: RolloutState,
    history: Vec<Change>,
}

impl Moves {
    fn make(&mut self, action: Action, make: impl FnOnce(&Self) -> Result<RolloutState, RolloutError>) {
        let next = make(self).unwrap();
        let change = self.pointer.change(&next, action, Timestamp(next.generation), "me".to_owned(), None);
        self.history.insert(0, change);
        self.pointer = next;
    }

    fn activate(&mut self, number: u64) {
        self.make(Action::Activate, |it| it.pointer.activate(&release(number)));
    }

    fn canary(&mut self, number: u64) {
        self.make(Action::Canary, |it| it.pointer.canary(&release(number), weight("5"), 10, None, false));
    }

    fn promote(&mut self) {
        self.make(Action::Promote, |it| it.pointer.promote(None));
    }

    fn rollback(&mut self) {
        self.make(Action::Rollback, |it| it.pointer.rollback(&it.history));
    }

    fn active(&self) -> Option<u64> {
        self.pointer.active.as_ref().map(|id| u64::from_str_radix(id.as_str(), 16).unwrap())
    }
}

fn halt(run: u64) -> Halt {
    Halt { run, release: release(2), at: Timestamp(9), host: "host".to_owned(), reason: "11 failures".to_owned() }
}

#[test]
fn a_pointer_has_the_form_that_is_documented() {
    let mut moves = Moves::default();
    assert_eq!(serde_json::to_string(&moves.pointer).unwrap(), r#"{"generation":0}"#);
    moves.activate(1);
    moves.canary(2);
    let json = r#"{"generation":2,"active":"0000000000000001","canary":{"release":"0000000000000002","share":500,"error-budget":10,"run":2}}"#;
    assert_eq!(serde_json::to_string(&moves.pointer).unwrap(), json);
    assert_eq!(serde_json::from_str::<RolloutState>(json).unwrap(), moves.pointer);
    let change = r#"{"generation":2,"at":2,"who":"me","action":"canary","from":"0000000000000001","to":"0000000000000001","canary":{"release":"0000000000000002","share":500,"error-budget":10,"run":2}}"#;
    assert_eq!(serde_json::to_string(&moves.history[0]).unwrap(), change);
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
fn a_release_is_activated() {
    let mut moves = Moves::default();
    moves.activate(1);
    assert_eq!(moves.pointer, RolloutState { generation: 1, active: Some(release(1)), ..RolloutState::default() });
    assert_eq!(moves.pointer.activate(&release(1)), Err(RolloutError::Active(release(1))));
    // A canary ends, whichever release is activated.
    moves.canary(2);
    let ended = |active| Ok(RolloutState { generation: 3, active: Some(release(active)), ..RolloutState::default() });
    for active in [1, 2, 3] {
        assert_eq!(moves.pointer.activate(&release(active)), ended(active));
    }
}

#[test]
fn a_canary_begins_and_changes_its_share() {
    let mut moves = Moves::default();
    // Beside the release that hosts were deployed with.
    moves.canary(2);
    let canary =
        |text, error_budget, run| Some(Canary { release: release(2), weight: weight(text), error_budget, run });
    assert_eq!(moves.pointer, RolloutState { generation: 1, canary: canary("5", 10, 1), ..RolloutState::default() });
    // The same run goes on counting.
    let pointer = moves.pointer.canary(&release(2), weight("50"), 20, None, false).unwrap();
    assert_eq!((pointer.generation, &pointer.canary), (2, &canary("50", 20, 1)));
    let pointer = pointer.canary(&release(2), weight("50"), 20, None, true).unwrap();
    assert_eq!((pointer.generation, &pointer.canary), (3, &canary("50", 20, 3)));
    let other = pointer.canary(&release(3), weight("1"), 0, None, false).unwrap();
    assert_eq!(other.canary, Some(Canary { release: release(3), weight: weight("1"), error_budget: 0, run: 4 }));
    moves.activate(1);
    let refused = moves.pointer.canary(&release(1), weight("5"), 10, None, false);
    assert_eq!(refused, Err(RolloutError::Active(release(1))));
}

#[test]
fn a_halted_canary_goes_no_further() {
    let mut moves = Moves::default();
    moves.activate(1);
    moves.canary(2);
    let halted = || RolloutError::Halted { release: release(2), reason: "11 failures".to_owned() };
    let again = |halt: &Halt, restart| moves.pointer.canary(&release(2), weight("50"), 10, Some(halt), restart);
    assert_eq!(again(&halt(2), false), Err(halted()));
    assert_eq!(moves.pointer.promote(Some(&halt(2))), Err(halted()));
    // Another run's halt is not this one's.
    assert!(again(&halt(1), false).is_ok());
    assert!(moves.pointer.promote(Some(&halt(1))).is_ok());
    // What helps: to begin anew, another canary, and back.
    assert_eq!(again(&halt(2), true).unwrap().canary.unwrap().run, 3);
    assert_eq!(
        moves.pointer.canary(&release(3), weight("5"), 10, Some(&halt(2)), false).unwrap().canary.unwrap().run,
        3
    );
    assert_eq!(moves.pointer.rollback(&moves.history).unwrap().canary, None);
    assert_eq!(
        halted().to_string().split_once("; hint: ").unwrap().0,
        "the canary `0000000000000002` was halted: 11 failures"
    );
}

#[test]
fn a_canary_is_promoted() {
    let mut moves = Moves::default();
    assert_eq!(moves.pointer.promote(None), Err(RolloutError::NoCanary));
    moves.activate(1);
    moves.canary(2);
    moves.promote();
    assert_eq!(moves.pointer, RolloutState { generation: 3, active: Some(release(2)), ..RolloutState::default() });
    let change = &moves.history[0];
    assert_eq!((&change.from, &change.to, &change.canary), (&Some(release(1)), &Some(release(2)), &None));
}

#[test]
fn each_rollback_goes_a_step_further_back() {
    let mut moves = Moves::default();
    assert_eq!(moves.pointer.rollback(&[]), Err(RolloutError::NothingActive));
    for number in [1, 2, 3] {
        moves.activate(number);
    }
    moves.canary(4);
    moves.promote();
    moves.canary(5);
    for active in [4, 3, 2, 1] {
        moves.rollback();
        assert_eq!((moves.active(), &moves.pointer.canary), (Some(active), &None));
    }
    // Before the first was the one that hosts were deployed with.
    moves.rollback();
    assert_eq!(moves.active(), None);
    assert_eq!(moves.pointer.rollback(&moves.history), Err(RolloutError::NothingActive));
    assert_eq!(moves.pointer.generation, 11);
}

#[test]
fn a_rollback_after_another_way_goes_that_way_back() {
    let mut moves = Moves::default();
    moves.activate(1);
    moves.activate(2);
    moves.rollback();
    moves.activate(3);
    moves.rollback();
    assert_eq!(moves.active(), Some(1));
    // An activation of the release that is active, which ended a canary, was no step.
    moves.activate(2);
    moves.canary(4);
    moves.activate(2);
    moves.rollback();
    assert_eq!(moves.active(), Some(1));
    // Nor was a prune.
    moves.activate(5);
    moves.make(Action::Prune, |it| it.pointer.begin_prune([release(2)].into()));
    moves.make(Action::Prune, |it| Ok(it.pointer.end_prune()));
    moves.rollback();
    assert_eq!(moves.active(), Some(1));
    let forgotten = moves.pointer.rollback(&moves.history[..1]);
    assert_eq!(forgotten, Err(RolloutError::NothingBefore(release(1))));
}

#[test]
fn what_is_being_pruned_is_not_run() {
    let mut moves = Moves::default();
    moves.activate(1);
    moves.activate(2);
    moves.make(Action::Prune, |it| it.pointer.begin_prune([release(1), release(3)].into()));
    let pruning = |number| Err(RolloutError::Pruning(release(number)));
    assert_eq!(moves.pointer.activate(&release(3)), pruning(3));
    assert_eq!(moves.pointer.canary(&release(3), weight("5"), 10, None, false), pruning(3));
    assert_eq!(moves.pointer.rollback(&moves.history), pruning(1));
    assert_eq!(moves.pointer.begin_prune([release(4)].into()), Err(RolloutError::Pruned));
    // Other moves go on meanwhile, and do not end it.
    moves.activate(4);
    assert_eq!(moves.pointer.pruning, [release(1), release(3)].into());
    moves.make(Action::Prune, |it| Ok(it.pointer.end_prune()));
    assert_eq!((moves.pointer.generation, moves.active()), (5, Some(4)));
    assert!(moves.pointer.activate(&release(3)).is_ok());
}

#[test]
fn what_must_be_there_is_the_active_release_and_the_canary() {
    let mut moves = Moves::default();
    assert_eq!(moves.pointer.used().count(), 0);
    moves.activate(1);
    moves.canary(2);
    assert!(moves.pointer.used().eq([&release(1), &release(2)]));
}

#[test]
fn a_share_is_a_percentage() {
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

/// Remainders that were made with Python: `int(sha256((release + connection).encode()).hexdigest(), 16) % 10_000`.
#[test]
fn the_canary_s_connections_are_those_of_the_rule() {
    for (release, connection, remainder) in [
        ("00c0ffee00c0ffee", "L0SM9cOFvHcCIhw=", 2_908),
        ("00c0ffee00c0ffee", "a", 7_933),
        ("ef01b87f958f17e7", "L0SM9cOFvHcCIhw=", 220),
        ("0123456789abcdef", "connection-é", 8_467),
        ("00c0ffee00c0ffee", "c1546", 0),
        ("00c0ffee00c0ffee", "c6248", 9_999),
    ] {
        let (canary, connection) = (release.parse().unwrap(), ConnectionId::new(connection).unwrap());
        for hundredths in [1, remainder, remainder + 1, 10_000] {
            let Ok(weight) = TrafficWeight::new(hundredths) else { continue };
            let expected = remainder < hundredths;
            assert_eq!(takes(&canary, weight, &connection), expected, "{canary} {connection} {weight}");
        }
    }
}

#[test]
fn a_larger_share_keeps_the_connections_of_a_smaller_one() {
    let connections: Vec<_> = (0..10_000).map(|id| ConnectionId::new(format!("connection {id}")).unwrap()).collect();
    let taken = |release: ReleaseId, weight| -> Vec<_> {
        let canary = Canary { release, weight, error_budget: 0, run: 1 };
        connections.iter().map(|connection| canary.takes(connection)).collect()
    };
    let mut before = vec![false; connections.len()];
    for text in ["0.01", "0.5", "5", "25", "50", "99.99", "100"] {
        let now = taken(release(1), weight(text));
        assert!(before.iter().zip(&now).all(|(before, now)| !before || *now), "{text} %");
        // Five standard deviations of a binomial distribution, which these fixed ids are well within.
        let (count, part) =
            (now.iter().filter(|taken| **taken).count() as f64, f64::from(weight(text).hundredths()) / 1e4);
        let tolerance = 5.0 * (1e4 * part * (1.0 - part)).sqrt();
        assert!((count - 1e4 * part).abs() <= tolerance, "{count} of 10,000 at {text} %");
        before = now;
    }
    assert!(before.iter().all(|taken| *taken));
    // Another canary takes others, so that no connection is always among the first.
    let (one, other) = (taken(release(1), weight("10")), taken(release(2), weight("10")));
    let both = one.iter().zip(&other).filter(|(one, other)| **one && **other).count();
    assert!((50..200).contains(&both), "{both} of about 100");
}
