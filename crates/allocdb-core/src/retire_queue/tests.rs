//! The ring keeps order round its end.

use super::*;

#[test]
fn handles_leave_in_the_order_they_came_round_and_round() {
    let mut queue = RetireQueue::new(3).expect("memory");
    let mut next_in = 0;
    for next_out in 0..50 {
        while queue.len() < 1 + next_out as usize % 3 {
            queue.push(Handle(next_in));
            next_in += 1;
        }
        assert_eq!(queue.front(), Some(Handle(next_out)));
        assert_eq!(queue.at(0), queue.front());
        assert_eq!(queue.at(queue.len() - 1), Some(Handle(next_in - 1)));
        assert_eq!(queue.at(queue.len()), None);
        assert_eq!(queue.pop(), Some(Handle(next_out)));
    }
    while queue.pop().is_some() {}
    assert_eq!((queue.len(), queue.pop()), (0, None));
}

#[test]
fn the_prefix_that_is_past_is_found_at_every_length_and_place() {
    for skip in 0..4 {
        let mut queue = RetireQueue::new(4).expect("memory");
        for _ in 0..skip {
            queue.push(Handle(0));
            queue.pop();
        }
        for len in 0..=4 {
            for past in 0..=len {
                let bound = u32::try_from(past).expect("small");
                assert_eq!(queue.prefix_len(|handle| handle.0 < bound), past);
            }
            if len < 4 {
                queue.push(Handle(u32::try_from(len).expect("small")));
            }
        }
    }
}

#[test]
#[should_panic(expected = "a record waits in one place once")]
fn one_too_many_is_our_bug() {
    let mut queue = RetireQueue::new(1).expect("memory");
    queue.push(Handle(0));
    queue.push(Handle(1));
}

#[test]
fn a_prefix_is_found_by_few_looks_however_long_it_is() {
    use core::cell::Cell;
    let mut queue = RetireQueue::new(4096).expect("memory");
    (0..4096).for_each(|handle| queue.push(Handle(handle)));
    for past in [0u32, 1, 2, 3, 1000, 2048, 4095, 4096] {
        let looks = Cell::new(0u32);
        let found = queue.prefix_len(|handle| {
            looks.set(looks.get() + 1);
            handle.0 < past
        });
        assert_eq!(found, past as usize);
        // Doubling to the answer's length, and halving back.
        let bound = 2 * (past + 1).ilog2() + 2;
        assert!(looks.get() <= bound, "{} looks at {past}", looks.get());
    }
}

/// R85: what new handles overwrite is kept, wherever in the ring it lies.
#[test]
fn the_ring_is_kept_as_it_was_while_it_goes_on() {
    for (skip, len) in [(0, 3), (3, 3), (2, 5), (4, 4), (1, 0)] {
        let mut queue = RetireQueue::new(5).expect("memory");
        for _ in 0..skip {
            queue.push(Handle(99));
            queue.pop();
        }
        (0..len).for_each(|handle| queue.push(Handle(handle)));
        queue.begin_before_images();
        for next in 100..120 {
            if queue.len() == 5 || next % 3 == 0 {
                queue.pop();
            }
            queue.push(Handle(next));
            let was: Vec<_> = (0..len as usize).map(|index| queue.before(index)).collect();
            let expected: Vec<_> = (0..len).map(Handle).collect();
            assert_eq!(was, expected, "{skip} {len} {next}");
        }
        assert!(!queue.has_lost_before_images());
        queue.end_before_images();
        assert_eq!(Some(queue.before(0)), queue.at(0), "as it is now");
    }
}

#[test]
fn a_ring_that_is_overwritten_too_far_is_lost_unless_it_is_passed() {
    let capacity = 20_000;
    let kept_max = image_count_max(capacity) as usize;
    for is_passed in [false, true] {
        let mut queue = RetireQueue::new(capacity).expect("memory");
        (0..capacity).for_each(|handle| queue.push(Handle(handle)));
        assert_eq!(queue.before_image_room(), usize::MAX);
        queue.begin_before_images();
        assert_eq!(queue.before_image_room(), kept_max);
        for step in 0..kept_max {
            queue.pop();
            queue.push(Handle(1));
            assert_eq!(queue.before_image_room(), kept_max - step - 1);
        }
        assert_eq!(queue.before(7), Handle(7));
        if is_passed {
            queue.pass_before_images();
            assert_eq!(queue.before_image_room(), usize::MAX);
        }
        queue.pop();
        queue.push(Handle(1));
        assert_eq!(queue.has_lost_before_images(), !is_passed);
        queue.end_before_images();
        assert!(!queue.has_lost_before_images());
    }
}
