//! What a list names once.

use std::collections::{BTreeMap, BTreeSet};

/// The items, of those with the same key the first, in their order.
pub fn distinct_by<T, K: Ord>(items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = BTreeSet::new();
    let mut items = items;
    items.retain(|item| seen.insert(key(item)));
    items
}

/// One item of each key, in the place of the first; `merge` gives it those that follow.
pub fn merged_by<T, K: Ord>(
    items: Vec<T>,
    key: impl Fn(&T) -> K,
    merge: impl Fn(&mut T, T),
) -> Vec<T> {
    let mut places = BTreeMap::new();
    let mut merged: Vec<T> = Vec::with_capacity(items.len());
    for item in items {
        let next = merged.len();
        match *places.entry(key(&item)).or_insert(next) {
            place if place < next => merge(&mut merged[place], item),
            _ => merged.push(item),
        }
    }
    merged
}

/// The items that come more than once.
pub fn repeated<T: Ord>(items: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for item in items {
        match seen.contains(&item) {
            true => twice.insert(item),
            false => seen.insert(item),
        };
    }
    twice
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::cmp::Ordering;

    /// A key that counts how often it is compared.
    #[derive(Clone, PartialEq, Eq)]
    struct Counted<'a>(u32, &'a Cell<u64>);

    impl Ord for Counted<'_> {
        fn cmp(&self, other: &Self) -> Ordering {
            self.1.set(self.1.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counted<'_> {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    #[test]
    fn the_first_of_equals_stays_in_its_place() {
        let items = vec![(2, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (1, 'e')];
        let distinct = distinct_by(items, |item| item.0);
        assert_eq!(distinct, [(2, 'a'), (1, 'b'), (3, 'd')]);
    }

    #[test]
    fn what_follows_is_merged_into_the_first_of_its_key() {
        let items = vec![(2, "a"), (1, "b"), (2, "c"), (3, "d"), (1, "e")];
        let last = merged_by(items, |item| item.0, |first, later| *first = later);
        assert_eq!(last, [(2, "c"), (1, "e"), (3, "d")]);
    }

    #[test]
    fn an_item_is_compared_with_few_others() {
        for items in [1_000_u32, 10_000, 40_000] {
            let comparisons = Cell::new(0);
            let names: Vec<_> = (0..items).map(|name| Counted(name, &comparisons)).collect();
            assert_eq!(
                distinct_by(names.clone(), Counted::clone).len(),
                names.len()
            );
            assert!(repeated(names.iter().cloned()).is_empty());
            let merged = merged_by(names, Counted::clone, |_, _| {});
            assert_eq!(merged.len(), items as usize);
            assert!(
                comparisons.get() < 200 * u64::from(items),
                "{comparisons:?}"
            );
        }
    }
}
