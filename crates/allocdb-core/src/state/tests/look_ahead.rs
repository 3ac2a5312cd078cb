//! Looking ahead is free of consequences, whatever is looked at.

use super::*;

#[test]
fn looking_ahead_changes_nothing() {
    let mut fixture = Fixture::with_resources(config(), 8);
    let (held, other) = (fixture.hold(&[1, 2], 5), fixture.hold(&[3], 5));
    fixture.slot += 10;
    fixture.apply(Action::ExpireDue { limit: 1 });
    let before = fixture.image();
    let bytes: Vec<[u8; 16]> = (0..3u128).map(u128::to_le_bytes).collect();
    let (resource_id, holder_id, ttl_slots) = (ResourceId(1), ALICE, 5);
    let reserve = |count: usize| Action::Reserve {
        resource_ids: ResourceIds::new(&bytes[..count]),
        holder_id,
        ttl_slots,
    };
    let reservations = [held, other, ReservationId::new(3, Lsn(u64::MAX))];
    let mut actions = vec![
        Action::CreateResource { resource_id },
        Action::DeleteResource { resource_id },
        Action::ExpireDue { limit: 1 },
        reserve(0),
        reserve(3),
    ];
    for reservation_id in reservations {
        actions.extend([
            Action::Confirm {
                reservation_id,
                holder_id,
            },
            Action::Extend {
                reservation_id,
                holder_id,
                ttl_slots,
            },
            Action::Release {
                reservation_id,
                holder_id,
            },
            Action::Revoke { reservation_id },
            Action::Reclaim { reservation_id },
        ]);
    }
    let commands = (0..).zip(&actions).map(|(id, &action)| Command {
        operation_id: OperationId(id),
        valid_until_slot: Slot(0),
        action,
    });
    let state = &fixture.state;
    let glances = commands.map(|command| state.glance(&command));
    for lsn in [1, state.last_lsn().0 + 1, u64::MAX] {
        state.look_ahead(Lsn(lsn), glances.clone());
    }
    for slot in [0, fixture.slot, fixture.slot + 1000, u64::MAX] {
        for count in [0, 1, 1000] {
            let many = glances.clone().cycle().take(count);
            state.look_ahead_to_apply(Slot(slot), many);
        }
    }
    assert_eq!(fixture.image(), before);
}
