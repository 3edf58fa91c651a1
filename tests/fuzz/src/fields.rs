//! Names with values: made, and compared as JSON objects keep them.

use arbitrary::Result;
use tidegate_event::Fields;

use crate::values::{Source, count, text};

/// Makes fields. A name may repeat.
pub(crate) fn fields(source: &mut Source<'_>) -> Result<Fields> {
    let length = count(source, 0, 5)?;
    let mut fields = Fields::new();
    for _ in 0..length {
        let name = match fields.first() {
            Some((name, _)) if source.arbitrary::<u8>()? < 32 => name.clone(),
            _ => text(source, 0, 8)?,
        };
        fields.push((name, text(source, 0, 12)?));
    }
    Ok(fields)
}

/// Makes fields whose names do not repeat and are none of `reserved`.
pub(crate) fn context(source: &mut Source<'_>, reserved: &[&str]) -> Result<Fields> {
    let fields = last_values(fields(source)?);
    Ok(fields.into_iter().filter(|(name, _)| !reserved.contains(&name.as_str())).collect())
}

/// Groups equal names, because a JSON object has each name once.
pub(crate) fn grouped(fields: Fields) -> Fields {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in &fields {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let values = |name: &String| fields.iter().filter(|(other, _)| other == name).cloned().collect::<Vec<_>>();
    names.iter().flat_map(values).collect()
}

/// Keeps the last value of each name, as an object of single values does.
pub(crate) fn last_values(fields: Fields) -> Fields {
    let mut last: Fields = Vec::new();
    for (name, value) in fields {
        match last.iter_mut().find(|(known, _)| *known == name) {
            Some((_, before)) => *before = value,
            None => last.push((name, value)),
        }
    }
    last
}
