//! Two documents, and the effect of each call on them.

use todc_utils::specifications::Specification;

/// The number of documents of a history.
pub(super) const DOCUMENTS: usize = 2;

/// A document. No two writes of a history result in the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Document {
    /// The number of the put that wrote the document. 0 if an update created it.
    pub(super) put: u64,
    /// The sum of the updates since then.
    pub(super) sum: u64,
    /// The numbers of the updates since then.
    pub(super) updates: Vec<u64>,
}

/// The documents by their number; `None` if there is none.
pub(super) type State = [Option<Document>; DOCUMENTS];

/// A condition of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Guard {
    Always,
    Absent,
    Present,
    /// The version of this document.
    Is(Document),
}

/// The change that a step makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// A put with this number.
    Put(u64),
    /// An update with this number, which adds 1 and appends the number.
    Update(u64),
    Delete,
    /// No change.
    Check,
}

/// A condition and a change of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) document: usize,
    pub(super) guard: Guard,
    pub(super) change: Change,
}

/// The outcome of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Applied. An update returns the document.
    Applied(Option<Document>),
    /// Not applied: a condition was false.
    Conflict,
    /// Applied or not.
    Unknown,
}

/// A call with its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    Get(usize, Option<Document>),
    Write(Vec<Step>, Outcome),
}

impl Call {
    /// Returns true if the call may still be applied.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Write(_, Outcome::Unknown))
    }
}

/// The specification of two documents.
pub(super) struct Documents;

impl Specification for Documents {
    type State = State;
    type Operation = Call;

    fn init() -> State {
        State::default()
    }

    fn apply(call: &Call, state: &State) -> (bool, State) {
        match call {
            Call::Get(number, found) => (state.get(*number) == Some(found), state.clone()),
            Call::Write(steps, outcome) => write(steps, outcome, state),
        }
    }
}

fn write(steps: &[Step], outcome: &Outcome, state: &State) -> (bool, State) {
    let applies = steps.iter().all(|step| step.holds(state));
    match outcome {
        Outcome::Conflict => (!applies, state.clone()),
        // This write ends with the history, so a write that was never applied may follow all other calls.
        Outcome::Unknown if !applies => (true, state.clone()),
        Outcome::Unknown => (true, after(steps, state)),
        Outcome::Applied(_) if !applies => (false, state.clone()),
        Outcome::Applied(returned) => {
            let new = after(steps, state);
            let right = match (returned, steps) {
                (Some(document), [step]) => new.get(step.document) == Some(&Some(document.clone())),
                (Some(_), _) => false,
                (None, _) => true,
            };
            if right { (true, new) } else { (false, state.clone()) }
        }
    }
}

fn after(steps: &[Step], state: &State) -> State {
    let mut new = state.clone();
    for step in steps {
        if let Some(place) = new.get_mut(step.document) {
            *place = step.change.apply(place.take());
        }
    }
    new
}

impl Step {
    fn holds(&self, state: &State) -> bool {
        let Some(found) = state.get(self.document) else { return false };
        match &self.guard {
            Guard::Always => true,
            Guard::Absent => found.is_none(),
            Guard::Present => found.is_some(),
            Guard::Is(document) => found.as_ref() == Some(document),
        }
    }
}

impl Change {
    fn apply(self, old: Option<Document>) -> Option<Document> {
        match self {
            Self::Put(put) => Some(Document { put, sum: 0, updates: Vec::new() }),
            Self::Update(number) => {
                let mut document = old.unwrap_or(Document { put: 0, sum: 0, updates: Vec::new() });
                document.sum += 1;
                document.updates.push(number);
                Some(document)
            }
            Self::Delete => None,
            Self::Check => old,
        }
    }
}
