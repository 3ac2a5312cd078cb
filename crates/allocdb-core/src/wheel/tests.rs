//! The wheel against a sorted list, at every size around the words of its bitmap.

use super::*;

struct Members(Vec<Links>);

impl Linked for Members {
    fn links(&self, handle: Handle) -> Links {
        self.0[handle.0 as usize]
    }

    fn links_mut(&mut self, handle: Handle) -> &mut Links {
        &mut self.0[handle.0 as usize]
    }
}

fn due_order(wheel: &Wheel, members: &Members) -> Vec<u32> {
    let mut order = Vec::new();
    let mut next = wheel.due().head;
    while !next.is_none() {
        order.push(next.0);
        next = members.links(next).next;
    }
    order
}

/// R57, R81: links, unlinks and advances of every length agree with a sorted list of deadlines.
#[test]
fn due_is_what_a_sorted_list_says() {
    let mut random = 7_u64;
    let mut draw = move |bound: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(99);
        (random >> 33) % bound
    };
    for ttl_max in [1, 2, 3, 15, 16, 62, 63, 64, 65, 127, 128, 200, 1000] {
        let mut wheel = Wheel::new(ttl_max, 1000).expect("memory");
        let mut members = Members(vec![Links::NONE; 4000]);
        let mut now = draw(1 << 40);
        wheel.advance(&mut members, Slot(now));
        // (deadline, order of getting it, handle)
        let mut model: Vec<(u64, u32, u32)> = Vec::new();
        for handle in 0..4000 {
            let deadline = now + 1 + draw(ttl_max);
            wheel.link(&mut members, Handle(handle), Slot(deadline));
            model.push((deadline, handle, handle));
            if draw(4) == 0 {
                let place = usize::try_from(draw(model.len() as u64)).expect("small");
                let (deadline, _, handle) = model.remove(place);
                wheel.unlink(&mut members, Handle(handle), Slot(deadline));
            }
            if draw(3) == 0 {
                let step = if draw(10) == 0 {
                    draw(3 * ttl_max + 1)
                } else {
                    draw(4)
                };
                let next = Slot(now + step);
                let expected = model.iter().filter(|entry| entry.0 <= next.0).count();
                assert_eq!(wheel.due_count(next) as usize, expected);
                assert_eq!(wheel.is_due(next), expected > 0);
                now += step;
                wheel.advance(&mut members, next);
            }
            model.sort_unstable();
            let due = model
                .iter()
                .filter(|entry| entry.0 <= now)
                .map(|entry| entry.2);
            let order: Vec<_> = due.collect();
            if handle % 16 == 0 {
                assert_eq!(due_order(&wheel, &members), order);
            }
            assert_eq!(wheel.due().len as usize, order.len());
            assert_eq!(wheel.linked_count() as usize, model.len());
            // What is due leaves from the front, as expiry takes it.
            if order.len() > 20 {
                wheel.unlink(&mut members, Handle(order[0]), Slot(model[0].0));
                model.remove(0);
            }
        }
    }
}

#[test]
fn slots_near_the_end_of_time_do_not_wrap() {
    let mut wheel = Wheel::new(100, 4).expect("memory");
    let mut members = Members(vec![Links::NONE; 2]);
    wheel.advance(&mut members, Slot(u64::MAX - 100));
    wheel.link(&mut members, Handle(0), Slot(u64::MAX));
    assert!(!wheel.is_due(Slot(u64::MAX - 1)));
    assert!(wheel.is_due(Slot(u64::MAX)));
    wheel.advance(&mut members, Slot(u64::MAX));
    assert_eq!(due_order(&wheel, &members), [0]);
}

#[test]
#[should_panic(expected = "slots never go back")]
fn going_back_is_our_bug() {
    let mut wheel = Wheel::new(10, 4).expect("memory");
    let mut members = Members(Vec::new());
    wheel.advance(&mut members, Slot(5));
    wheel.advance(&mut members, Slot(4));
}

/// R6, R58: a health figure asked for a slot at the end of time once stepped over the last u64 in
/// search of the next bucket, and the addition's check stopped the process.
#[test]
fn the_search_for_deadlines_ends_at_the_last_slot() {
    for ttl_max in [1, 2, 31, 63, 64, 127, 200] {
        let mut wheel = Wheel::new(ttl_max, 10).expect("memory");
        let mut members = Members(vec![Links::NONE; 2]);
        let slot_max = u64::MAX - ttl_max;
        wheel.advance(&mut members, Slot(slot_max));
        wheel.link(&mut members, Handle(0), Slot(slot_max + 1));
        assert_eq!(wheel.due_count(Slot(u64::MAX)), 1);
        wheel.link(&mut members, Handle(1), Slot(u64::MAX));
        assert_eq!(wheel.due_count(Slot(u64::MAX)), 2);
        assert!(wheel.is_due(Slot(u64::MAX)));
        assert!(!wheel.is_due(Slot(slot_max)));
    }
}

#[test]
fn restoring_refuses_what_fits_no_wheel() {
    let links = |previous: u32, next: u32| Links {
        previous: Handle(previous),
        next: Handle(next),
    };
    let none = Handle::NONE.0;
    let restoring = || {
        let mut wheel = Wheel::new(100, 2).expect("memory");
        wheel.restore_slot(Slot(1000));
        wheel
    };
    // 128 buckets: the furthest deadline is 127 slots ahead.
    assert!(restoring().restore_linked(Handle(0), Slot(1127), Links::NONE));
    assert!(!restoring().restore_linked(Handle(0), Slot(1128), Links::NONE));
    assert!(
        restoring().restore_linked(Handle(0), Slot(1000), Links::NONE),
        "due"
    );

    let mut two_heads = restoring();
    assert!(two_heads.restore_linked(Handle(0), Slot(1001), links(none, 1)));
    assert!(!two_heads.restore_linked(Handle(2), Slot(1001), links(none, 1)));
    let mut two_tails = restoring();
    assert!(two_tails.restore_linked(Handle(0), Slot(1001), links(1, none)));
    assert!(!two_tails.restore_linked(Handle(2), Slot(1001), links(1, none)));

    let mut crowded = restoring();
    assert!(crowded.restore_linked(Handle(0), Slot(1001), links(none, 1)));
    assert!(crowded.restore_linked(Handle(1), Slot(1001), links(0, 2)));
    assert!(
        !crowded.restore_linked(Handle(2), Slot(1001), links(1, none)),
        "over the bound"
    );
    let mut due = restoring();
    for handle in 0..3 {
        let sound = due.restore_linked(Handle(handle), Slot(999), links(7, 8));
        assert!(sound, "the bound is not one of what is due");
    }
}
