//! A run over a peer that does its job passes, and one over a peer that does not is caught.

use std::sync::atomic::AtomicU32;

use super::*;
use crate::peers::grouped::Grouped;
use crate::peers::map::Map;

const RESOURCES: u32 = 640;

/// What a planted peer does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// A retry is carried out again.
    ForgetsOperations,
    /// A reserve of what is taken is answered with success.
    SellsTwice,
    /// Time ends nothing.
    IgnoresDeadlines,
    /// Of many commands at once the last is not carried out.
    LosesTheLast,
}

struct Planted {
    map: Map,
    flaw: Flaw,
    count: AtomicU32,
}

struct Client<'peer> {
    inner: Box<dyn Session + 'peer>,
    peer: &'peer Planted,
}

fn planted(flaw: Flaw) -> Planted {
    Planted {
        map: Map::open(RESOURCES),
        flaw,
        count: AtomicU32::new(0),
    }
}

impl Peer for Planted {
    fn session(&self) -> Result<Box<dyn Session + '_>, Failure> {
        let inner = self.map.session()?;
        Ok(Box::new(Client { inner, peer: self }))
    }
}

impl Session for Client<'_> {
    fn perform(
        &mut self,
        commands: &[Command],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Failure> {
        let number = self.peer.count.fetch_add(1, Ordering::Relaxed);
        let flaw = self.peer.flaw;
        let mut commands = commands.to_vec();
        for command in &mut commands {
            match flaw {
                Flaw::ForgetsOperations => command.operation = u128::from(number) << 32,
                Flaw::IgnoresDeadlines => command.ttl_slots += 100_000,
                _ => {}
            }
        }
        let last = commands.pop_if(|_| flaw == Flaw::LosesTheLast && number == 0);
        self.inner.perform(&commands, outcomes)?;
        if last.is_some() {
            outcomes.push(*outcomes.last().unwrap());
        }
        if let [outcome] = outcomes.as_mut_slice()
            && (flaw, outcome.code) == (Flaw::SellsTwice, BUSY)
        {
            *outcome = Outcome {
                code: DONE,
                token: 1 << 40,
                deadline: 0,
            };
        }
        Ok(())
    }

    fn census(&mut self) -> Result<Census, Failure> {
        self.inner.census()
    }
}

fn shape(clients: u32, batch: usize) -> Shape {
    Shape {
        clients,
        batch,
        monotonic: false,
        resources: RESOURCES,
        duration: Duration::from_millis(20),
        seed: 1,
    }
}

#[test]
fn a_peer_that_does_its_job_passes() {
    for (clients, batch) in [(1, 1), (1, 100), (8, 1), (4, 7)] {
        let taken = closed_loop(&planted(Flaw::None), &shape(clients, batch)).unwrap();
        assert!(taken.commands > 0 && taken.commands.is_multiple_of(3 * batch as u64));
    }
    let taken = race(&planted(Flaw::None), &shape(8, 1)).unwrap();
    assert!(taken.winners > 0 && taken.attempts >= taken.winners);
    assert_eq!(taken.commands, taken.attempts + 2 * taken.winners);
}

#[test]
fn one_writer_for_all_clients_does_the_same_job() {
    let grouped = Grouped::new(Box::new(planted(Flaw::None))).unwrap();
    assert!(closed_loop(&grouped, &shape(8, 1)).unwrap().commands > 0);
    let grouped = Grouped::new(Box::new(planted(Flaw::None))).unwrap();
    assert!(race(&grouped, &shape(8, 1)).unwrap().winners > 0);
}

#[test]
fn every_planted_flaw_is_caught() {
    for (flaw, clients, batch, is_race, said) in [
        (Flaw::ForgetsOperations, 1, 1, false, "repeated command"),
        (Flaw::IgnoresDeadlines, 1, 1, false, "of the deadline"),
        (Flaw::LosesTheLast, 1, 10, false, ""),
        (Flaw::SellsTwice, 8, 1, true, ""),
        (Flaw::SellsTwice, 1, 1, true, "of the deadline"),
    ] {
        let (peer, shape) = (planted(flaw), shape(clients, batch));
        let done = if is_race {
            race(&peer, &shape)
        } else {
            closed_loop(&peer, &shape)
        };
        let error = done.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
