//! Group commit for libraries that have none: one thread owns the database, takes what the clients
//! have asked for meanwhile, and carries it out in one transaction.
//!
//! SQLite and LMDB have one writer at a time, and each transaction a sync of its own: 64 threads
//! that take turns are as fast as one. Programs that need more build this, so it is what AllocDB is
//! compared with. Clients wait on a channel each; the writer never waits while anybody has asked.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::job::{Census, Command, Failure, Outcome, Peer, Session};

const GONE: &str = "the writer has ended";

type Answer = Result<Outcome, String>;

/// A command, and where its answer goes; or a count of what is there.
enum Ticket {
    Command(Command, Sender<Answer>),
    Census(Sender<Result<Census, String>>),
}

/// A system with a thread that writes for all clients.
pub(crate) struct Grouped {
    tickets: Option<Sender<Ticket>>,
    writer: Option<JoinHandle<()>>,
}

impl Grouped {
    /// Starts the writer.
    pub(crate) fn new(inner: Box<dyn Peer>) -> Result<Self, Failure> {
        let (tickets, asked) = channel();
        let (said, opened) = channel();
        let writer = std::thread::spawn(move || match inner.session() {
            Ok(mut session) => {
                let _ = said.send(Ok(()));
                write(&asked, session.as_mut());
            }
            Err(error) => {
                let _ = said.send(Err(error.to_string()));
            }
        });
        opened.recv()??;
        Ok(Self {
            tickets: Some(tickets),
            writer: Some(writer),
        })
    }
}

impl Drop for Grouped {
    fn drop(&mut self) {
        self.tickets = None;
        if let Some(writer) = self.writer.take() {
            // It panicked or ended: the clients have heard of it.
            let _ = writer.join();
        }
    }
}

fn write(asked: &Receiver<Ticket>, session: &mut dyn Session) {
    let (mut commands, mut clients, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    while let Ok(first) = asked.recv() {
        for ticket in std::iter::once(first).chain(asked.try_iter()) {
            match ticket {
                Ticket::Command(command, client) => {
                    commands.push(command);
                    clients.push(client);
                }
                // A client that is gone asks for nothing more, here and below.
                Ticket::Census(client) => {
                    let _ = client.send(session.census().map_err(|error| error.to_string()));
                }
            }
        }
        outcomes.clear();
        let done = session.perform(&commands, &mut outcomes);
        let done = done.map_err(|error| error.to_string());
        for (index, client) in clients.drain(..).enumerate() {
            let _ = client.send(done.clone().map(|()| outcomes[index]));
        }
        commands.clear();
    }
}

impl Peer for Grouped {
    fn session(&self) -> Result<Box<dyn Session + '_>, Failure> {
        let (answer, answers) = channel();
        let tickets = self.tickets.clone().ok_or(GONE)?;
        Ok(Box::new(Client {
            tickets,
            answer,
            answers,
        }))
    }
}

struct Client {
    tickets: Sender<Ticket>,
    answer: Sender<Answer>,
    answers: Receiver<Answer>,
}

impl Session for Client {
    fn perform(
        &mut self,
        commands: &[Command],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Failure> {
        for command in commands {
            let ticket = Ticket::Command(*command, self.answer.clone());
            self.tickets.send(ticket).map_err(|_| GONE)?;
        }
        for _ in commands {
            outcomes.push(self.answers.recv()??);
        }
        Ok(())
    }

    fn census(&mut self) -> Result<Census, Failure> {
        let (said, answer) = channel();
        self.tickets.send(Ticket::Census(said)).map_err(|_| GONE)?;
        Ok(answer.recv()??)
    }
}
