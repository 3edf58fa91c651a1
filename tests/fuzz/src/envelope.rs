//! The envelope of a signed release.

use std::sync::LazyLock;

use arbitrary::Result;
use tidegate_diagnostic::Diagnostic;
use tidegate_release::{Envelope, ReleaseManifest};

use crate::release_manifest::{SIGNING_KEY, TRUSTED, made};
use crate::values::{Source, count};

/// An envelope that is read has one text. Only a manifest that was signed is verified, whatever is changed in its
/// envelope.
pub fn envelope(data: &[u8]) {
    check(data);
    let changed = changed(&mut Source::new(data)).expect("an exhausted source still makes values");
    check(&changed);
}

fn check(json: &[u8]) {
    match Envelope::parse(json) {
        Ok(envelope) => {
            assert_eq!(Envelope::parse(&envelope.to_json()), Ok(envelope.clone()));
            let signed = &*SIGNED;
            if let Ok(verified) = envelope.verify(&TRUSTED, &signed.id()) {
                assert_eq!(verified.manifest(), signed);
            }
            if let Ok(other) = envelope.unverified()
                && other != *signed
            {
                assert!(envelope.verify(&TRUSTED, &other.id()).is_err(), "a manifest that nobody signed is verified");
            }
        }
        Err(error) => assert!(!Diagnostic::from(error).report().is_empty()),
    }
}

/// The only manifest that is signed with the trusted key.
static SIGNED: LazyLock<ReleaseManifest> = LazyLock::new(|| made(&mut Source::new(&[1])).unwrap());

/// Changes bytes of the signed envelope.
fn changed(source: &mut Source<'_>) -> Result<Vec<u8>> {
    let mut json = Envelope::sign(&SIGNED, [&*SIGNING_KEY]).to_json();
    for _ in 0..count(source, 0, 4)? {
        let place = source.choose_index(json.len())?;
        match source.arbitrary::<u8>()? % 4 {
            0 => drop(json.remove(place)),
            1 => json.insert(place, source.arbitrary()?),
            2 => json[place] ^= 1 << source.int_in_range(0..=7)?,
            _ => json[place] = source.arbitrary()?,
        }
    }
    Ok(json)
}
