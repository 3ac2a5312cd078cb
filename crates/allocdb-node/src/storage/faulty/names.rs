//! The directory: which name stands for which file, and changes that are not synced.
//!
//! A change reaches the disk whole or not at all. Changes that concern the same name do so in
//! order; others in any order, which is more than journaling file systems allow themselves.

use crate::error::FileName;
use crate::storage::NameText;

const NAME_BYTES: usize = 62;

/// Unsynced changes of which every feasible subset is listed; beyond, the first few in order.
const CHANGES_MAX: usize = 8;

/// A name, in place.
#[derive(Clone, Copy)]
pub(super) struct Name {
    len: u8,
    bytes: [u8; NAME_BYTES],
}

impl Name {
    pub(super) fn of(name: FileName) -> Self {
        Self::spelled(NameText::new(name).as_c_str().to_bytes())
    }

    pub(super) fn spelled(text: &[u8]) -> Self {
        let mut bytes = [0; NAME_BYTES];
        bytes[..text.len()].copy_from_slice(text);
        let len = u8::try_from(text.len()).expect("the array is shorter");
        Self { len, bytes }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub(super) fn is_temporary(&self) -> bool {
        self.text().ends_with(b".tmp")
    }
}

impl core::fmt::Debug for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.text()))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// A directory, in the order of the names.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Names {
    entries: Vec<(Name, usize)>,
}

impl Names {
    fn place(&self, name: &Name) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|(known, _)| known.text().cmp(name.text()))
    }

    pub(super) fn get(&self, name: &Name) -> Option<usize> {
        self.place(name).ok().map(|place| self.entries[place].1)
    }

    pub(super) fn insert(&mut self, name: Name, index: usize) {
        match self.place(&name) {
            Ok(place) => self.entries[place].1 = index,
            Err(place) => self.entries.insert(place, (name, index)),
        }
    }

    pub(super) fn remove(&mut self, name: &Name) -> Option<usize> {
        let place = self.place(name).ok()?;
        Some(self.entries.remove(place).1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Name, usize)> {
        self.entries.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut (Name, usize)> {
        self.entries.iter_mut()
    }

    pub(super) fn has(&self, index: usize) -> bool {
        self.entries.iter().any(|&(_, known)| known == index)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Set(Name, usize),
    Rename(Name, Name),
    Remove(Name),
}

impl Change {
    pub(super) fn apply(&self, names: &mut Names) {
        match self {
            Self::Set(name, index) => names.insert(*name, *index),
            Self::Rename(from, to) => {
                if let Some(index) = names.remove(from) {
                    names.insert(*to, index);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }

    fn concerns(&self, name: &Name) -> bool {
        match self {
            Self::Set(own, _) | Self::Remove(own) => own == name,
            Self::Rename(from, to) => from == name || to == name,
        }
    }

    fn meets(&self, other: &Self) -> bool {
        match other {
            Self::Set(name, _) | Self::Remove(name) => self.concerns(name),
            Self::Rename(from, to) => self.concerns(from) || self.concerns(to),
        }
    }
}

/// Every directory that a power cut may leave; the one without any change first, the one with all
/// of them last.
pub(super) fn outcomes(durable: &Names, changes: &[Change]) -> Vec<Names> {
    let mut outcomes: Vec<Names> = Vec::new();
    let mut take = |chosen: &dyn Fn(usize) -> bool| {
        let mut names = durable.clone();
        for (place, change) in changes.iter().enumerate() {
            if chosen(place) {
                change.apply(&mut names);
            }
        }
        // The same directory by another way is no other image, but the newest comes last.
        outcomes.retain(|known| *known != names);
        outcomes.push(names);
    };
    if changes.len() > CHANGES_MAX {
        for count in 0..=changes.len() {
            take(&|place| place < count);
        }
        return outcomes;
    }
    for chosen in 0u32..1 << changes.len() {
        if is_feasible(changes, chosen) {
            take(&|place| chosen >> place & 1 == 1);
        }
    }
    outcomes
}

/// Whether each chosen change comes with all before it that concern the same names.
fn is_feasible(changes: &[Change], chosen: u32) -> bool {
    let is_chosen = |place: usize| chosen >> place & 1 == 1;
    (0..changes.len())
        .filter(|&place| is_chosen(place))
        .all(|later| {
            let before = 0..later;
            before
                .filter(|&place| changes[place].meets(&changes[later]))
                .all(is_chosen)
        })
}
