//! Backups: taken while the engine runs, opened, compared, and gone on with.

use allocdb_core::Lsn;
use allocdb_core::outcome::ResultCode;
use allocdb_core::{Action, Command, OperationId, ResourceId, Slot};
use allocdb_node::batch::Single;
use allocdb_node::{
    BackupError, Clock, Diagnostics, Engine, Level, OpenError, OpenMode, Options, backup,
};

use super::compare;
use super::life::{Life, draw_keep};
use super::opening::libc_eio;
use crate::disk::{Disk, Fault, Keep};
use crate::random::Rng;

impl Life<'_> {
    /// R100 to R102. Whatever fails on the target, the database goes on.
    pub(super) fn backup(&mut self, engine: &Engine<&Disk>, dice: &mut Rng) -> Result<(), String> {
        let target = Disk::new();
        match dice.below(4) {
            0 => target.plan(dice.below(24), Fault::Crash),
            1 => target.plan(dice.below(24), Fault::Errno(libc_eio())),
            _ => {}
        }
        let made = engine.backup(&&target);
        self.say(|| format!("backup: {:?}", made.map(|report| report.source_lsn)));
        let model = &self.judge.model;
        match made {
            Ok(report) => {
                self.tally.backups += 1;
                let wanted = (model.last_lsn(), model.last_lsn() + backup::LSN_RAISE);
                if (report.source_lsn.0, report.lsn.0) != wanted {
                    return Err(format!("{report:?}"));
                }
                let image = target.after_crash(Keep::Nothing);
                self.judge_copy(&image)
            }
            Err(BackupError::Halted { .. }) if self.is_faulty => Ok(()),
            Err(BackupError::Target { .. }) => {
                self.tally.backups_failed += 1;
                let keep = draw_keep(dice);
                let image = target.after_crash(keep);
                match open(&image) {
                    // Its last sync failed, or was never asked for; but it is whole.
                    Ok(copy) => compare::whole_rows(&copy, &self.raised()).map(|_| ()),
                    Err(OpenError::Io(error)) => Err(format!("a cut backup: {error}")),
                    Err(_) => Ok(()),
                }
            }
            Err(error) => Err(format!("backup: {error}")),
        }
    }

    fn raised(&self) -> crate::model::Model {
        let mut model = self.judge.model.clone();
        model.raise_lsn(backup::LSN_RAISE);
        model
    }

    fn judge_copy(&self, image: &Disk) -> Result<(), String> {
        let copy = open(image).map_err(|error| format!("opening a backup: {error}"))?;
        compare::whole_rows(&copy, &self.raised())?;
        // R101: what it commits stands beyond anything of the original.
        let command = Command {
            operation_id: OperationId(u128::MAX),
            valid_until_slot: Slot(0),
            action: Action::DeleteResource {
                resource_id: ResourceId(u128::MAX),
            },
        };
        let mut batch = Single::new(command);
        let submitted = copy.submit(None, &mut batch);
        let outcome = submitted.map(|()| *batch.result().expect("settled"));
        let is_right = match outcome {
            Ok(Ok(outcome)) => {
                outcome.code == ResultCode::ResourceNotFound
                    && outcome.lsn > Lsn(self.judge.model.last_lsn() + backup::LSN_RAISE)
            }
            // Its operation table is as full as the original's.
            Ok(Err(_)) => true,
            Err(_) => false,
        };
        if is_right {
            Ok(())
        } else {
            Err(format!("a backup answers {outcome:?}"))
        }
    }
}

fn open(image: &Disk) -> Result<Engine<&Disk>, OpenError> {
    let options = Options {
        mode: OpenMode::Existing,
        clock: Clock::Host,
        max_queue: 4,
        max_batch_commands: 16,
        max_batch_bytes: 32 << 10,
        wal_prealloc_bytes: 4096,
        log_ring_bytes: 64,
        ..Options::default()
    };
    Engine::open(image, &options, Diagnostics::new(Level::Error, 64, None))
}
