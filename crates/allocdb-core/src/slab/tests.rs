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

/// R85: what a record was when the walk began is there until the walk has passed it.
#[test]
fn a_record_is_kept_as_it_was_until_it_is_passed() {
    let mut slab = Slab::new(8).expect("memory");
    for value in 1..=4 {
        slab.insert(item(value)).expect("room");
    }
    slab.remove(Handle(1));
    assert_eq!(slab.before_image_room(), u32::MAX, "nothing to keep");
    slab.begin_before_images();
    assert_eq!(slab.before_image_room(), 8);
    slab[Handle(0)].value = 10;
    slab[Handle(0)].value = 11;
    slab.insert(item(20)).expect("the free one");
    slab.insert(item(50)).expect("a new one");
    slab.remove(Handle(2));
    assert_eq!(slab.before_image_room(), 5);
    let was: Vec<_> = (0..4)
        .map(|index| slab.before(Handle(index)).value)
        .collect();
    assert_eq!(was, [1, 0, 3, 4]);
    let is: Vec<_> = (0..5).map(|index| slab[Handle(index)].value).collect();
    assert_eq!(is, [11, 20, 0, 4, 50]);
    slab.pass_before_images(2);
    assert_eq!(slab.before_image_room(), 7, "two places are free again");
    slab[Handle(0)].value = 12;
    slab[Handle(3)].value = 40;
    assert_eq!(slab.before_image_room(), 6, "what is passed is not kept");
    assert_eq!(slab.before(Handle(3)).value, 4);
    slab.pass_before_images(u32::MAX);
    assert_eq!(slab.before_image_room(), u32::MAX);
    slab.end_before_images();
    slab.begin_before_images();
    assert_eq!(
        slab.before(Handle(3)).value,
        40,
        "the next walk starts anew"
    );
    slab[Handle(3)].value = 41;
    slab.end_before_images();
    assert_eq!(slab.before(Handle(3)).value, 41, "given up half way");
}

#[test]
fn more_changes_than_there_is_room_for_lose_the_moment_and_nothing_else() {
    let capacity = 20_000;
    let room = image_count_max(capacity);
    assert_eq!(room, 16_384);
    assert_eq!(image_count_max(3), 3);
    assert_eq!(image_count_max(1_600_000), 100_000);
    let mut slab = Slab::new(capacity).expect("memory");
    for value in 1..=capacity {
        slab.insert(item(value)).expect("room");
    }
    slab.begin_before_images();
    for handle in 0..room {
        slab[Handle(handle)].value += 1;
    }
    assert_eq!(
        (slab.before_image_room(), slab.has_lost_before_images()),
        (0, false)
    );
    assert_eq!(slab.before(Handle(9)).value, 10);
    slab[Handle(room)].value += 1;
    assert!(slab.has_lost_before_images());
    assert_eq!(slab[Handle(room)].value, room + 2, "the change is made");
    slab[Handle(room + 1)].value += 1;
    slab.end_before_images();
    assert!(!slab.has_lost_before_images());
    slab.begin_before_images();
    assert_eq!(slab.before_image_room(), room, "all places are free");
    slab[Handle(9)].value = 7;
    assert_eq!(slab.before(Handle(9)).value, 11);
}
