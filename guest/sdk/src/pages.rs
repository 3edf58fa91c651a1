//! Items that come a page at a time, as one iterator.

/// The items of all pages. `next` reads the page of a cursor; the first page has none. After an error nothing follows.
pub(crate) fn items<T, E>(
    mut next: impl FnMut(Option<String>) -> Result<(Vec<T>, Option<String>), E>,
) -> impl Iterator<Item = Result<T, E>> {
    let mut page = Vec::new().into_iter();
    let mut following = Some(None);
    core::iter::from_fn(move || {
        loop {
            if let Some(item) = page.next() {
                return Some(Ok(item));
            }
            match next(following.take()?) {
                Ok((items, cursor)) => {
                    page = items.into_iter();
                    following = cursor.map(Some);
                }
                Err(error) => return Some(Err(error)),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_their_cursors_even_through_an_empty_one() {
        let read = |cursor: Option<String>| match cursor.as_deref() {
            None => Ok((vec![1, 2], Some("a".to_owned()))),
            Some("a") => Ok((vec![], Some("b".to_owned()))),
            Some("b") => Ok((vec![3], None)),
            Some(other) => Err(other.to_owned()),
        };
        assert_eq!(items(read).collect::<Result<Vec<_>, _>>(), Ok(vec![1, 2, 3]));
    }

    #[test]
    fn an_error_ends_the_items() {
        let read = |cursor: Option<String>| if cursor.is_none() { Ok((vec![1], Some("a".into()))) } else { Err("no") };
        assert_eq!(items(read).collect::<Vec<_>>(), [Ok(1), Err("no")]);
    }
}
