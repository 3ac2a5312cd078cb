//! Listings: everything once, in one order, in bounded steps.

use super::*;

fn resources(fixture: &Fixture, filter: &Filter, page: usize) -> Vec<u128> {
    let mut rows = Vec::new();
    let mut cursor = 0;
    loop {
        let before = rows.len();
        let visit = |row: Resource| rows.push(row.resource_id.0);
        cursor = fixture.state.list_resources(filter, cursor, page, visit);
        assert!(rows.len() - before <= page);
        if cursor == 0 {
            return rows;
        }
    }
}

/// R76.
#[test]
fn listings_show_every_row_once_at_every_page_size() {
    let mut fixture = Fixture::with_resources(config(), 9);
    fixture.delete(4);
    fixture.hold(&[2, 7], 10);
    let confirmed = fixture.hold(&[9], 10);
    fixture.confirm(confirmed);
    fixture.reserve(&[5], BOB, 10);
    for page in 1..12 {
        let all = Filter::default();
        assert_eq!(resources(&fixture, &all, page), [1, 2, 3, 5, 6, 7, 8, 9]);
        let available = Filter {
            states: 1 << ResourceState::Available as u32,
            ..all
        };
        assert_eq!(resources(&fixture, &available, page), [1, 3, 6, 8]);
        let alice = Filter {
            holder_id: ALICE,
            ..all
        };
        assert_eq!(resources(&fixture, &alice, page), [2, 7, 9]);
        let states = 1 << ResourceState::Confirmed as u32 | 1 << ResourceState::Revoking as u32;
        assert_eq!(
            resources(
                &fixture,
                &Filter {
                    states,
                    holder_id: ALICE
                },
                page
            ),
            [9]
        );
    }
    assert_eq!(
        fixture
            .state
            .list_resources(&Filter::default(), u64::MAX, 9, |_| ()),
        0
    );
}

/// R76, R74: remembered ones are listed, those past their window are not.
#[test]
fn reservations_are_listed_while_they_are_remembered() {
    let mut fixture = Fixture::with_resources(config(), 3);
    let ended = fixture.hold(&[1], 10);
    fixture.release(ended);
    let live = fixture.hold(&[1, 2], 10);
    assert_eq!(fixture.visible().1.len(), 2);
    let mut rows = Vec::new();
    let filter = Filter {
        states: 1 << ReservationState::Released as u32,
        holder_id: ALICE,
    };
    fixture
        .state
        .list_reservations(&filter, 0, 9, |row| rows.push(row.reservation_id));
    assert_eq!(rows, [ended]);
    fixture.slot += config().history_window_slots + 1;
    fixture.state.apply(
        Slot(fixture.slot),
        &Command {
            operation_id: OperationId(99),
            valid_until_slot: Slot(0),
            action: Action::Confirm {
                reservation_id: live,
                holder_id: ALICE,
            },
        },
    );
    let listed: Vec<_> = fixture
        .visible()
        .1
        .iter()
        .map(|row| row.reservation_id)
        .collect();
    assert_eq!(listed, [live]);
}

/// R77: a row that does not change is seen once, whatever happens around it.
#[test]
fn an_unchanged_row_appears_once_while_others_come_and_go() {
    let mut fixture = Fixture::with_resources(config(), 12);
    let mut rows = Vec::new();
    let mut cursor = 0;
    for round in 0.. {
        let visit = |row: Resource| rows.push(row.resource_id.0);
        cursor = fixture
            .state
            .list_resources(&Filter::default(), cursor, 2, visit);
        if cursor == 0 {
            break;
        }
        // Odd ones come and go.
        fixture.delete(1 + 2 * (round % 6));
        fixture.create(100 + round);
    }
    for id in [2, 4, 6, 8, 10, 12] {
        assert_eq!(rows.iter().filter(|&&row| row == id).count(), 1, "{id}");
    }
}

/// R86: a call looks at a bounded number of records, whatever the filter passes over.
#[test]
fn a_listing_that_finds_nothing_still_returns_in_time() {
    let count = 2 * LIST_LOOK_MAX + 10;
    let config = Config {
        max_resources: count,
        max_operations: 3 * count,
        operation_window_slots: 1,
        ..config()
    };
    let mut state = State::new(config).expect("memory");
    for id in 1..=u128::from(count) {
        let action = Action::CreateResource {
            resource_id: ResourceId(id),
        };
        let operation_id = OperationId(id);
        state.apply(
            Slot(1),
            &Command {
                operation_id,
                valid_until_slot: Slot(0),
                action,
            },
        );
    }
    let nobody = Filter {
        states: 0,
        holder_id: BOB,
    };
    let mut cursors = vec![];
    let mut cursor = 0;
    loop {
        cursor = state.list_resources(&nobody, cursor, 1, |_| panic!("nobody has any"));
        cursors.push(cursor);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(
        cursors,
        [u64::from(LIST_LOOK_MAX), 2 * u64::from(LIST_LOOK_MAX), 0]
    );
}

/// R76: a page that ends with the last row is the last page.
#[test]
fn the_last_row_of_a_full_page_ends_the_listing() {
    let fixture = Fixture::with_resources(config(), 3);
    let all = Filter {
        states: u32::MAX,
        holder_id: HolderId(0),
    };
    let mut rows = 0;
    let next = fixture.state.list_resources(&all, 0, 3, |_| rows += 1);
    assert_eq!((rows, next), (3, 0));
    let next = fixture.state.list_resources(&all, 0, 2, |_| rows += 1);
    assert_eq!((rows, next), (5, 2));
    let next = fixture.state.list_resources(&all, 2, 1, |_| rows += 1);
    assert_eq!((rows, next), (6, 0));
}
