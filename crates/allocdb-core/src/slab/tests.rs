//! A slab hands out each handle once, and takes it back once.

use super::*;

#[derive(Clone, Copy, PartialEq, Debug)]
struct Item {
    value: u32,
    link: Handle,
}

impl Record for Item {
    const EMPTY: Self = Self {
        value: 0,
        link: Handle::NONE,
    };

    fn free_link(&self) -> Handle {
        self.link
    }

    fn set_free_link(&mut self, next: Handle) {
        self.link = next;
    }

    fn is_used(&self) -> bool {
        self.value != 0
    }
}

fn item(value: u32) -> Item {
    Item {
        value,
        link: Handle::NONE,
    }
}

/// R86: the bound is exact, the last freed handle is the next given, and memory never grows.
#[test]
fn handles_come_back_in_reverse_order_and_the_memory_stays() {
    let mut slab = Slab::new(3).expect("memory");
    let reserved = slab.records.capacity();
    let handles: Vec<_> = (1..=3)
        .map(|value| slab.insert(item(value)).expect("room"))
        .collect();
    assert_eq!(handles, [Handle(0), Handle(1), Handle(2)]);
    assert_eq!((slab.insert(item(4)), slab.room()), (None, 0));
    slab.remove(Handle(0));
    slab.remove(Handle(2));
    assert_eq!(
        slab.free_handles().collect::<Vec<_>>(),
        [Handle(2), Handle(0)]
    );
    assert_eq!(
        (slab.used_count(), slab.room(), slab.fresh_count()),
        (1, 2, 3)
    );
    assert!(slab.free_list_is_whole());
    assert_eq!(slab.used(Handle(2)), None);
    assert_eq!(slab.used(Handle(9)), None);
    assert_eq!(slab.insert(item(5)), Some(Handle(2)));
    assert_eq!(slab.insert(item(6)), Some(Handle(0)));
    assert_eq!(slab.insert(item(7)), None);
    assert_eq!(slab.records.capacity(), reserved);
}

#[test]
#[should_panic(expected = "a record is freed once")]
fn freeing_twice_is_our_bug() {
    let mut slab = Slab::new(2).expect("memory");
    let handle = slab.insert(item(1)).expect("room");
    slab.remove(handle);
    slab.remove(handle);
}

#[test]
fn a_free_list_that_repeats_misses_or_names_a_used_record_is_not_whole() {
    let restored = |free: &[u32]| {
        let mut slab: Slab<Item> = Slab::new(4).expect("memory");
        assert!(slab.restore_fresh(4));
        assert!(slab.restore_record(Handle(3), item(9)));
        let mut last = Handle::NONE;
        for &index in free {
            if !slab.restore_free(last, Handle(index)) {
                return false;
            }
            last = Handle(index);
        }
        slab.free_list_is_whole()
    };
    assert!(restored(&[0, 1, 2]));
    assert!(restored(&[2, 0, 1]));
    for broken in [
        &[0, 1][..],
        &[0, 1, 0],
        &[0, 0, 1],
        &[0, 1, 1],
        &[0, 1, 3],
        &[0, 1, 4],
    ] {
        assert!(!restored(broken), "{broken:?}");
    }
}

#[test]
fn restoring_refuses_what_does_not_fit() {
    let mut slab: Slab<Item> = Slab::new(2).expect("memory");
    assert!(!slab.restore_fresh(3));
    assert!(slab.restore_fresh(1));
    assert!(slab.restore_record(Handle(0), item(1)));
    assert!(!slab.restore_record(Handle(0), item(2)), "taken");
    assert!(!slab.restore_record(Handle(1), item(2)), "never given out");
}

#[test]
fn a_slab_knows_its_capacity_and_lists_no_used_record_as_free() {
    let mut slab: Slab<Item> = Slab::new(3).expect("memory");
    assert_eq!(slab.capacity(), 3);
    assert!(slab.restore_fresh(3));
    assert!(slab.restore_record(Handle(1), item(1)));
    assert!(!slab.restore_free(Handle::NONE, Handle(1)), "in use");
    assert_eq!(slab.used(Handle(1)), Some(&item(1)), "and left as it is");
    assert!(slab.restore_free(Handle::NONE, Handle(0)));
    assert!(slab.restore_free(Handle(0), Handle(2)));
    assert!(slab.free_list_is_whole());
    // A list that leads into a used record is found out, whatever it counts.
    slab[Handle(0)].set_free_link(Handle(1));
    assert!(!slab.free_list_is_whole());
}
