//! An iterator over the items of all pages.

/// Returns the items of all pages.
///
/// `read` reads the page at a cursor; the cursor of the first page is none. The iterator ends after an error.
pub(crate) fn items<T, E>(
    mut read: impl FnMut(Option<String>) -> Result<(Vec<T>, Option<String>), E>,
) -> impl Iterator<Item = Result<T, E>> {
    let mut page = Vec::new().into_iter();
    let mut next_cursor = Some(None);
    core::iter::from_fn(move || {
        loop {
            if let Some(item) = page.next() {
                return Some(Ok(item));
            }
            match read(next_cursor.take()?) {
                Ok((items, cursor)) => {
                    page = items.into_iter();
                    next_cursor = cursor.map(Some);
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
    fn empty_page_with_a_cursor_does_not_end_the_items() {
        let read = |cursor: Option<String>| match cursor.as_deref() {
            None => Ok((vec![1, 2], Some("a".to_owned()))),
            Some("a") => Ok((vec![], Some("b".to_owned()))),
            Some("b") => Ok((vec![3], None)),
            Some(other) => Err(other.to_owned()),
        };
        assert_eq!(items(read).collect::<Result<Vec<_>, _>>(), Ok(vec![1, 2, 3]));
    }

    #[test]
    fn error_ends_the_items() {
        let read = |cursor: Option<String>| if cursor.is_none() { Ok((vec![1], Some("a".into()))) } else { Err("no") };
        assert_eq!(items(read).collect::<Vec<_>>(), [Ok(1), Err("no")]);
    }
}
