//! The resource `collection` of `tidegate:route/storage`. It is separate from its functions because the bindings refer
//! to it.

/// An open collection. It holds only the name, and every call looks up the grant again.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Collection {
    pub(super) name: String,
}
